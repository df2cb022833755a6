package smtp

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// normalize passes octets through a Normalizer, as chunks of BDAT come.
func normalize(in []byte, cut cutter) (out string, bare bool) {
	var z Normalizer
	var b []byte
	pieces(in, cut, func(piece []byte) {
		for len(piece) > 0 {
			part, n := z.Next(piece)
			b = append(b, part...)
			piece = piece[n:]
		}
	})
	b = append(b, z.End()...)
	return string(b), z.Bare()
}

// normalizeInPlace does the same to each piece where it lies, as the relay does.
func normalizeInPlace(t failer, in []byte, cut cutter, most int) (out string, bare bool) {
	t.Helper()
	var z Normalizer
	var b []byte
	pieces(in, cut, func(piece []byte) {
		gap := min(most, z.Held())
		p := append(make([]byte, gap), piece...)
		m := z.InPlace(p, gap)
		b = append(append(b, p[:m.Kept]...), m.More...)
		rest := p[gap+m.Used:]
		if !bytes.Equal(rest, piece[m.Used:]) || len(rest) > 0 && len(m.More) == 0 {
			t.Fatalf("%q is left of %q: %+v", rest, piece, m)
		}
		for len(rest) > 0 {
			part, n := z.Next(rest)
			b = append(b, part...)
			rest = rest[n:]
		}
	})
	return string(append(b, z.End()...)), z.Bare()
}

// stuff turns content into its DATA form, without the terminator.
func stuff(content string, cut cutter) string {
	var s Stuffer
	var b []byte
	pieces([]byte(content), cut, func(piece []byte) {
		for len(piece) > 0 {
			part, n := s.Next(piece)
			b = append(b, part...)
			piece = piece[n:]
		}
	})
	return string(append(b, s.End()...))
}

// checkBDAT sends octets the way from BDAT to DATA and compares each step with
// the rule; then DATA's receiver must find the same content, and its end.
func checkBDAT(t failer, in []byte, cut cutter) {
	t.Helper()
	content, bare := normalize(in, cut)
	wantContent, wantBare := mended(string(in))
	if content != wantContent || bare != wantBare {
		t.Fatalf("%q normalized:\n got %+q, bare %v\nwant %+q, bare %v", in, content, bare, wantContent, wantBare)
	}
	for most := range 2 {
		if again, bareToo := normalizeInPlace(t, in, cut, most); again != content || bareToo != bare {
			t.Fatalf("%q normalized in place with a gap of at most %d: %+q, bare %v", in, most, again, bareToo)
		}
	}
	whole := terminated(content)
	out := stuff(content, cut)
	if want := restuffed(whole, maxNULs); out != want {
		t.Fatalf("%q stuffed:\n got %+q\nwant %+q", content, out, want)
	}
	if out != restuffed(whole, math.MaxInt) {
		return // safe, but not exact: TestStufferManyNULs
	}
	if got := unstuffed(out); got != whole {
		t.Fatalf("%q stuffed and unstuffed is %q", whole, got)
	}
	stream := out + ".\r\n"
	got := scan(t, []byte(stream+"QUIT\r\n"), cut)
	if want := (scanned{out, len(stream), true, false}); got != want {
		t.Fatalf("%q scanned:\n got %v\nwant %v", stream, got, want)
	}
	checkSafe(t, got)
}

func TestBDATForms(t *testing.T) {
	tests := []struct{ in, content, data string }{
		{"", "", ""},
		{".", ".", "..\r\n"},
		{".\r\n", ".\r\n", "..\r\n"},
		{"..\r\n", "..\r\n", "...\r\n"},
		{"a", "a", "a\r\n"},
		{"a\r", "a ", "a \r\n"},
		{"a\n", "a\r\n", "a\r\n"},
		{"a\n.\nb", "a\r\n.\r\nb", "a\r\n..\r\nb\r\n"},
		{"a\r.\rb", "a . b", "a . b\r\n"},
		{"a\r\n.\r\n", "a\r\n.\r\n", "a\r\n..\r\n"},
		{"a\r\n.\r\r\n", "a\r\n. \r\n", "a\r\n.. \r\n"},
		{"\x00", "\x00", "\x00\r\n"},
		{"\x00\r\n", "\x00\r\n", "\x00\r\n"},
		{"\x00.\r\n", "\x00.\r\n", ".\x00.\r\n"},
		{".\x00\r\n", ".\x00\r\n", "..\x00\r\n"},
		{"\x00.", "\x00.", ".\x00.\r\n"},
		{"\r\x00\n.\r\n", " \x00\r\n.\r\n", " \x00\r\n..\r\n"},
	}
	for _, test := range tests {
		eachCut(len(test.in), func(name string, cut cutter) {
			if got, _ := normalize([]byte(test.in), cut); got != test.content {
				t.Errorf("%q %s is normalized to %q, want %q", test.in, name, got, test.content)
			}
		})
		eachCut(len(test.content), func(name string, cut cutter) {
			if got := stuff(test.content, cut); got != test.data {
				t.Errorf("%q %s is stuffed to %q, want %q", test.content, name, got, test.data)
			}
		})
	}
}

func TestBDATPairsOfForms(t *testing.T) {
	for _, a := range endForms() {
		for _, b := range endForms() {
			for _, in := range []string{a + b, "x" + a + b + "y", a + "x" + b} {
				eachCut(len(in), func(_ string, cut cutter) { checkBDAT(t, []byte(in), cut) })
			}
		}
	}
}

func TestBDATAgainstTheRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkBDAT(t, content().Draw(t, "content"), drawCutter(t)) })
}

// However many NULs come, few are held back.
func TestStufferHoldsFewNULs(t *testing.T) {
	block := make([]byte, LargeBuffer)
	var s Stuffer
	sent := 0
	for rest := block; len(rest) > 0; {
		part, n := s.Next(rest)
		sent += len(part)
		rest = rest[n:]
		if s.nuls > maxNULs {
			t.Fatalf("%d NULs held back", s.nuls)
		}
	}
	if held := len(block) - sent; held > maxNULs {
		t.Errorf("%d NULs not handed on", held)
	}
	if n := len(s.End()); n > maxNULs+len("\r\n") {
		t.Errorf("%d octets left for the end", n)
	}
}

// Content with more of them in front of a dot is not exact, but still safe.
func TestStufferManyNULs(t *testing.T) {
	for _, n := range []int{maxNULs - 1, maxNULs, maxNULs + 1, maxNULs + 64, 3 * maxNULs} {
		for _, end := range []string{"", ".", "..", ".x", "x", "x.", "\r\n", ".\r\n", "\r\n.", "\r\n.\r\n", "x\r\n\x00.", "\r\n\x00x", ".\r\n\x00."} {
			content := strings.Repeat("\x00", n) + end
			for _, cut := range []cutter{wholly, byteByByte, cutAt(n), cutAt(maxNULs)} {
				out := stuff(content, cut)
				if want := restuffed(terminated(content), maxNULs); out != want {
					t.Errorf("%d NULs and %q came out wrong, with %q", n, end, strings.Trim(out, "\x00"))
				}
				stream := []byte(out + ".\r\n")
				if got := scan(t, stream, wholly); !got.end || got.used != len(stream) {
					t.Errorf("%d NULs and %q end at %d of %d", n, end, got.used, len(stream))
				}
				for _, form := range endForms() {
					if at := seenBy(stream, form, true); at >= 0 && at < len(out)-strings.Count(out, "\x00") {
						t.Errorf("%d NULs and %q: %q ends it at %d", n, end, form, at)
					}
				}
			}
		}
	}
}
