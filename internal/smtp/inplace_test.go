package smtp

import (
	"bytes"
	"testing"
)

// scanInPlace has a Scanner read in as the relay does: each piece is read behind what
// waits, mended where it lies, and the rest of it scanned by copying where it has
// grown. Gap is how much place is kept of what is held back.
func scanInPlace(t failer, in []byte, cut cutter, gap func(held int) int) scanned {
	t.Helper()
	var s Scanner
	var r scanned
	var out []byte
	pieces(in, cut, func(piece []byte) {
		if r.end {
			return
		}
		room := gap(s.Held())
		p := append(bytes.Repeat([]byte{'?'}, room), piece...)
		m := s.InPlace(p, room)
		out = append(append(out, p[:m.Kept]...), m.More...)
		r.used, r.end = r.used+m.Used, m.End
		if rest := p[room+m.Used:]; !bytes.Equal(rest, piece[m.Used:]) {
			t.Fatalf("%q is left of %q, after %d octets", rest, piece, m.Used)
		}
		if len(m.More) == 0 && !r.end && m.Used < len(piece) {
			t.Fatalf("%d octets of %d consumed", m.Used, len(piece))
		}
		for piece = piece[m.Used:]; len(piece) > 0 && !r.end; {
			part, n, end := s.Next(piece)
			out = append(out, part...)
			piece = piece[n:]
			r.used, r.end = r.used+n, end
		}
	})
	r.out, r.bare = string(out), s.Bare()
	return r
}

// checkInPlace checks that it does not matter whether octets are mended where they lie.
func checkInPlace(t failer, in []byte, cut func() cutter) {
	t.Helper()
	want := scan(t, in, cut())
	for most := range 4 {
		if got := scanInPlace(t, in, cut(), func(held int) int { return min(most, held) }); got != want {
			t.Fatalf("%q in place, with a gap of at most %d:\n got %v\nwant %v", in, most, got, want)
		}
	}
	all := func(held int) int { return held }
	if got := scanInPlace(t, in, cut(), all); got != want {
		t.Fatalf("%q in place:\n got %v\nwant %v", in, got, want)
	}
}

// What needs no mending is not moved, however it is split: neither CRLF nor stuffed
// dots nor NULs.
func TestScannerLeavesCleanContentWhereItIs(t *testing.T) {
	in := []byte("Subject: a\r\n\r\n..\r\n..b\r\n\x00\x00c\r\n\x00\r\n")
	for k := range len(in) {
		var s Scanner
		p := bytes.Clone(in)
		first := s.InPlace(p[:k], 0)
		held := s.Held()
		second := s.InPlace(p[first.Kept:], held)
		if first.Kept+held != k || len(second.More) > 0 || first.Kept+second.Kept != len(in) || !bytes.Equal(p, in) {
			t.Errorf("cut behind %d: %+v, %d held, %+v", k, first, held, second)
		}
	}
}
