package smtp

import (
	"bytes"
	"testing"
)

// wantNoAllocations runs steps again and again.
func wantNoAllocations(t *testing.T, steps map[string]func()) {
	t.Helper()
	if underRace() {
		t.Skip("the race detector makes pools forget, and so allocates")
	}
	for name, step := range steps {
		if n := testing.AllocsPerRun(100, step); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// What happens for every command, reply and block must not allocate: weir is
// idle most of the time in ten thousand sessions, and busy in the rest.
func TestDialogueDoesNotAllocate(t *testing.T) {
	buffers := new(Buffers)
	commands := NewReader(&loop{octets: []byte("NOOP\r\nDATA\r\nBDAT 10 LAST\r\n")}, buffers)
	replies := NewReader(&loop{octets: []byte("250-2.0.0 mx\r\n250 2.0.0 Ok: queued as 4XyZ\r\n")}, buffers)
	var reply, copied Reply
	var wire []byte
	wantNoAllocations(t, map[string]func(){
		"reading and parsing a command": func() {
			line, err := commands.ReadCommand(2048)
			if err != nil {
				t.Fatal(err)
			}
			cmd, ok := ParseCommand(line)
			if !ok || cmd.Verb == VerbUnknown {
				t.Fatalf("%q", line)
			}
			if cmd.Verb == VerbBdat {
				ParseBdat(cmd.Arg)
			}
			commands.PeekCommand()
		},
		"reading a reply into the last one": func() {
			if err := replies.ReadReply(&reply); err != nil {
				t.Fatal(err)
			}
			copied.CopyFrom(&reply)
		},
		"appending a reply": func() { wire = copied.Append(wire[:0], true) },
		"appending commands": func() {
			m := Mail{From: "a@example.org", HasSize: true, Size: 42, Body: Body8BitMIME}
			wire = AppendRcpt(m.Append(wire[:0]), "b@example.org")
			r := Rcpt{To: "b@example.org", Notify: NotifyFailure | NotifyDelay, Original: "rfc822;c@example.org"}
			wire = r.AppendFor(m.AppendFor(wire[:0], wholeOffer, 1024), wholeOffer)
		},
	})
}

func TestContentDoesNotAllocate(t *testing.T) {
	var scanner Scanner
	var normalizer Normalizer
	var stuffer Stuffer
	var headers Headers
	steps := map[string]func(){
		"looking at header fields": func() {
			headers.Reset(token)
			headers.Write([]byte("Received: from a\r\n\tby b (weir-token)\r\nSubject: c"))
			headers.Write([]byte("d\r\n\r\n"))
		},
	}
	for name, block := range blocks() {
		steps["scanning "+name] = func() { scanner.discard(block) }
		mended := bytes.Clone(block)
		steps["scanning in place "+name] = func() { scanner.InPlace(mended, 0) }
		steps["normalizing and stuffing "+name] = func() {
			for rest := block; len(rest) > 0; {
				out, n := normalizer.Next(rest)
				rest = rest[n:]
				for len(out) > 0 {
					_, n := stuffer.Next(out)
					out = out[n:]
				}
			}
		}
	}
	wantNoAllocations(t, steps)
}

// Parsing an envelope costs one allocation a path: its text is kept.
func TestEnvelopeAllocatesItsPathsOnly(t *testing.T) {
	mail, rcpt := []byte("FROM:<a@example.org> SIZE=42 BODY=8BITMIME RET=HDRS"), []byte("TO:<someone@example.org> NOTIFY=FAILURE,DELAY")
	if n := testing.AllocsPerRun(100, func() {
		if m, err := ParseMail(mail, wholeOffer); err != nil || m.From == "" {
			t.Fatal(err)
		}
		if r, err := ParseRcpt(rcpt, wholeOffer); err != nil || r.To == "" {
			t.Fatal(err)
		}
	}); n > 2 {
		t.Errorf("%v allocations for two paths", n)
	}
}
