package smtp

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// scanned is what a scanner made of its input.
type scanned struct {
	out  string
	used int
	end  bool
	bare bool
}

func (r scanned) String() string {
	return fmt.Sprintf("%+q from %d octets, end %v, bare %v", r.out, r.used, r.end, r.bare)
}

// scan has a Scanner read in, and holds it to the contract of Next.
func scan(t failer, in []byte, cut cutter) scanned {
	t.Helper()
	var s Scanner
	var r scanned
	var out []byte
	pieces(in, cut, func(piece []byte) {
		idle := 0
		for len(piece) > 0 && !r.end {
			part, n, end := s.Next(piece)
			if n < 0 || n > len(piece) {
				t.Fatalf("%d octets of %d consumed", n, len(piece))
			}
			if idle++; n > 0 || len(part) > 0 {
				idle = 0
			}
			if idle > 3 {
				t.Fatalf("no progress at %q, state %d", piece, s.state)
			}
			out = append(out, part...)
			piece = piece[n:]
			r.used += n
			r.end = end
		}
	})
	r.out, r.bare = string(out), s.Bare()
	return r
}

// checkScan compares the Scanner with the rule, on input that has an end.
func checkScan(t failer, in []byte, cut cutter) scanned {
	t.Helper()
	content, terminator, ok := endOfData(string(in))
	got := scan(t, in, cut)
	if got.end != ok {
		t.Fatalf("%q: end found: %v, want %v", in, got.end, ok)
	}
	if !ok {
		if got.used != len(in) {
			t.Fatalf("%q: %d of %d octets consumed", in, got.used, len(in))
		}
		return got
	}
	message, bare := mended(unstuffed(string(in[:content])))
	want := scanned{restuffed(message, math.MaxInt), terminator, true, bare}
	if got != want {
		t.Fatalf("%q\n got %v\nwant %v", in, got, want)
	}
	return got
}

func TestScannerForms(t *testing.T) {
	tests := []struct{ in, out string }{
		{"", ""},
		{"\r\n", "\r\n"},
		{"a\r\n", "a\r\n"},
		{"..\r\n", "..\r\n"},
		{"...\r\n", "...\r\n"},
		{".a\r\n", "a\r\n"}, // stuffed by nobody: only its receiver's view goes on
		{"a\r\n..b\r\n", "a\r\n..b\r\n"},
		{"a\n.\nb\r\n", "a\r\n..\r\nb\r\n"},
		{"a\n.\r\nb\r\n", "a\r\n..\r\nb\r\n"},
		{"a\r\n.\nb\r\n", "a\r\n\r\nb\r\n"},
		{"a\r.\rb\r\n", "a . b\r\n"},
		{"a\r.\r\nb\r\n", "a .\r\nb\r\n"},
		{"a\r\n.\rb\r\n", "a\r\n b\r\n"},
		{"a\r\n.\r\r\nb\r\n", "a\r\n \r\nb\r\n"},
		{"a\n.\rb\r\n", "a\r\n.. b\r\n"},
		{"a\r.\nb\r\n", "a .\r\nb\r\n"},
		{"a\n\r.\r\nb\r\n", "a\r\n .\r\nb\r\n"},
		{"a\r\n\x00.\r\nb\r\n", "a\r\n.\x00.\r\nb\r\n"},
		{"a\r\n.\x00\r\nb\r\n", "a\r\n\x00\r\nb\r\n"},
		{"a\r\n.\x00.\r\nb\r\n", "a\r\n.\x00.\r\nb\r\n"},
		{"a\r\n.\r\x00\nb\r\n", "a\r\n \x00\r\nb\r\n"},
		{"a\r\x00\n.\r\nb\r\n", "a \x00\r\n..\r\nb\r\n"},
		{"a\r\n\x00.\x00\r\nb\r\n", "a\r\n.\x00.\x00\r\nb\r\n"},
		{"a\n\x00.\nb\r\n", "a\r\n.\x00.\r\nb\r\n"},
		{"a\r\n\x00\r\nb\r\n", "a\r\n\x00\r\nb\r\n"},
		{"a\r\n\x00\rb\r\n", "a\r\n\x00 b\r\n"},
		{"\x00.\r\n", ".\x00.\r\n"},
		{"\n\r\n", "\r\n\r\n"},
		{"\r\r\n", " \r\n"},
		{"\r\r\r\n", "  \r\n"},
		{"\xff\x80\r\n", "\xff\x80\r\n"},
	}
	for _, test := range tests {
		in := test.in + ".\r\nQUIT\r\n"
		bare := strings.ContainsAny(strings.ReplaceAll(test.in, "\r\n", ""), "\r\n")
		want := scanned{test.out, len(test.in) + len(".\r\n"), true, bare}
		eachCut(len(in), func(name string, cut cutter) {
			if got := scan(t, []byte(in), cut); got != want {
				t.Errorf("%q %s:\n got %v\nwant %v", in, name, got, want)
			}
		})
		for k := range len(in) {
			checkInPlace(t, []byte(in), func() cutter { return cutAt(k) })
		}
		checkInPlace(t, []byte(in), func() cutter { return byteByByte })
		checkScan(t, []byte(in), wholly)
	}
}

// eachCut gives every way to split n octets in two, and one into single octets.
func eachCut(n int, f func(name string, cut cutter)) {
	f("in one piece", wholly)
	f("octet by octet", byteByByte)
	for k := 1; k < n; k++ {
		f(fmt.Sprintf("cut behind %d", k), cutAt(k))
	}
}

// Every pair of forms, one after the other, at the beginning and inside, split
// everywhere.
func TestScannerPairsOfForms(t *testing.T) {
	for _, a := range endForms() {
		for _, b := range endForms() {
			for _, in := range []string{a + b, "x" + a + b + "y", a + "x" + b} {
				whole := in + "\r\n.\r\n\r\n.\r\n"
				eachCut(len(whole), func(_ string, cut cutter) { checkSafe(t, checkScan(t, []byte(whole), cut)) })
				for k := range len(whole) {
					checkInPlace(t, []byte(whole), func() cutter { return cutAt(k) })
				}
			}
		}
	}
}

// Behind its end nothing of the input is touched: it is the next command.
func TestScannerStopsAtTheEnd(t *testing.T) {
	in := []byte("a\r\n.\r\n.\r\n\r\n.\r\n")
	if got := scan(t, in, wholly); got.used != len("a\r\n.\r\n") {
		t.Errorf("%d octets consumed", got.used)
	}
}

func TestScannerSeesNoEndInPart(t *testing.T) {
	for _, in := range []string{".", ".\r", "a\r\n.", "a\r\n.\r", "a\r\n.\r\r", "\x00", "a\r\n\x00"} {
		if got := scan(t, []byte(in), byteByByte); got.end || got.used != len(in) {
			t.Errorf("%q: %+v", in, got)
		}
	}
}

// More NULs than fit into one answer of the scanner, and lines longer than it
// looks at a time.
func TestScannerLongLines(t *testing.T) {
	for _, n := range []int{1, 63, 64, 65, 128, 1000, 1001, 5000} {
		for _, end := range []string{".", ".x", "x", "", "\r", "\n."} {
			in := []byte("a\r\n" + strings.Repeat("\x00", n) + end + "\r\n.\r\n")
			checkSafe(t, checkScan(t, in, wholly))
			checkSafe(t, checkScan(t, in, byteByByte))
		}
	}
	for n := maxLook - 3; n <= maxLook+3; n++ {
		for _, end := range endForms() {
			in := []byte(strings.Repeat("x", n) + end + strings.Repeat("y", maxLook) + "\r\n.\r\n")
			checkSafe(t, checkScan(t, in, wholly))
			checkSafe(t, checkScan(t, in, cutAt(n+1)))
		}
	}
}

// However regular the lines before are, nothing is overlooked in one that seems to be
// as long.
func TestScannerLooksIntoLinesAlike(t *testing.T) {
	for width := 2; width < 24; width++ {
		head := strings.Repeat(strings.Repeat("x", width-2)+"\r\n", alike+2)
		for _, form := range endForms() {
			for before := range width {
				line := strings.Repeat("y", before) + form
				line += strings.Repeat("z", max(0, width-2-len(line))) + "\r\n"
				in := []byte(head + line + head + ".\r\n")
				checkSafe(t, checkScan(t, in, wholly))
				checkInPlace(t, in, func() cutter { return cutAt(len(head) + before) })
			}
		}
	}
}

// checkSafe checks what makes content safe to hand on, whatever it came from.
func checkSafe(t failer, r scanned) {
	t.Helper()
	if !r.end {
		return
	}
	if len(r.out) > 2*r.used {
		t.Fatalf("%d octets became %d", r.used, len(r.out))
	}
	if _, bare := mended(r.out); bare {
		t.Fatalf("bare CR or LF in %q", r.out)
	}
	for line := range strings.SplitSeq(r.out, "\r\n") {
		if strings.ReplaceAll(line, "\x00", "") == "." {
			t.Fatalf("%q is a lone dot to somebody, in %q", line, r.out)
		}
	}
	stream := []byte(r.out + ".\r\n")
	again := scan(t, stream, wholly)
	if again != (scanned{r.out, len(stream), true, false}) {
		t.Fatalf("%q scanned again: %v", r.out, again)
	}
	for _, form := range endForms() {
		for _, strip := range []bool{false, true} {
			end := len(r.out)
			if strip {
				end -= strings.Count(r.out, "\x00")
			}
			if at := seenBy(stream, form, strip); at >= 0 && at < end {
				t.Fatalf("who takes %q for the end (NULs deleted: %v) ends %q at %d, not %d", form, strip, r.out, at, end)
			}
		}
	}
}

// content draws octets in which everything that matters is frequent.
func content() *rapid.Generator[[]byte] {
	word := rapid.OneOf(
		rapid.SampledFrom([]string{"\r", "\n", ".", "\x00", "a", "\r\n", "\r\n.", "\r\n..", "\n.", "\xe4", " ", "b\r\nc", ".\r\n", "\r\n.\r\n"}),
		rapid.SampledFrom(endForms()),
		rapid.SampledFrom([]string{strings.Repeat("abcd\r\n", alike+1), strings.Repeat("\r\n", alike+1)}),
		rapid.Custom(func(t *rapid.T) string {
			return strings.Repeat(rapid.SampledFrom([]string{"\x00", "x", "\r", "\n"}).Draw(t, "octet"),
				rapid.SampledFrom([]int{2, 63, 64, 65, maxLook - 1, maxLook, maxLook + 1}).Draw(t, "times"))
		}),
	)
	return rapid.Map(rapid.SliceOfN(word, 0, 30), func(words []string) []byte { return []byte(strings.Join(words, "")) })
}

// Whatever comes, however it is split: the Scanner does what the rule says, and
// what it lets through means the same to everybody.
func TestScannerAgainstTheRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := bytes.Join([][]byte{content().Draw(t, "content"), content().Draw(t, "behind")}, []byte("\r\n.\r\n"))
		seed := rapid.Uint64().Draw(t, "cuts")
		checkSafe(t, checkScan(t, in, cutBySeed(seed)))
		checkInPlace(t, in, func() cutter { return cutBySeed(seed) })
	})
}
