package integration

import (
	"bytes"
	"testing"
)

// TestJudge: the suite's own verdicts. A judge that never convicts would make every other test green.
func TestJudge(t *testing.T) {
	m := newMessage("judge", []byte("one\r\n.two\r\n"))
	file := append([]byte("Delivered-To: box@test.example\nReceived: from x\n\tby p (Postfix) with ESMTP id 4Q;\n"), m.textFile()...)
	good := judge("p0", file)
	if good.fault != "" || good.id != m.id || good.to != "box@test.example" || good.queueID != "4Q" {
		t.Errorf("a good file: %+v", good)
	}
	for name, bad := range map[string][]byte{
		"a dot lost":     bytes.Replace(file, []byte("\n.two"), []byte("\ntwo"), 1),
		"a line more":    append(bytes.Clone(file), '\n'),
		"cut":            file[:len(file)-4],
		"a stray CR":     bytes.Replace(file, []byte("one\n"), []byte("one\r\n"), 1),
		"header dropped": bytes.Replace(file, []byte("X-Weir-Digest"), []byte("X-Other"), 1),
	} {
		if judge("p0", bad).fault == "" {
			t.Errorf("%s: not noticed", name)
		}
	}
	one := map[string]stored{"p0 A": good}
	two := map[string]stored{"p0 A": good, "p1 B": good}
	if m.judgeCopies(one, nil) != "" || m.judgeCopies(two, func(string) int { return 1 }) != "" {
		t.Error("an honest delivery is convicted")
	}
	if m.judgeCopies(nil, nil) == "" || m.judgeCopies(two, nil) == "" {
		t.Error("a loss or a double is not noticed")
	}
}
