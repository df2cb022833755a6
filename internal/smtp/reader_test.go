package smtp

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// dialogue reads commands to the end and tells them apart by their outcome.
func dialogue(r *Reader, limit int) (heard []string, err error) {
	for {
		line, err := r.ReadCommand(limit)
		switch {
		case errors.Is(err, ErrLineTooLong):
			heard = append(heard, "(too long)")
		case errors.Is(err, ErrBareNewline):
			heard = append(heard, "(bare LF)")
		case err != nil:
			return heard, err
		default:
			heard = append(heard, string(line))
		}
	}
}

func TestReadCommand(t *testing.T) {
	const limit = 20
	fits := strings.Repeat("x", limit-2)
	tests := []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"NOOP", nil},
		{"NOOP\r", nil},
		{"NOOP\r\n", []string{"NOOP"}},
		{"\r\n\r\n", []string{"", ""}},
		{"MAIL\r\nRCPT\r\nDATA\r\n", []string{"MAIL", "RCPT", "DATA"}},
		{"NO\rOP\r\nQUIT\r\n", []string{"NO\rOP", "QUIT"}}, // ParseCommand refuses it
		{"NO\x00OP\r\nQUIT\r\n", []string{"NO\x00OP", "QUIT"}},
		{"NOOP\r\r\nQUIT\r\n", []string{"NOOP\r", "QUIT"}},
		{fits + "\r\nQUIT\r\n", []string{fits, "QUIT"}},
		{fits + "x\r\nQUIT\r\n", []string{"(too long)", "QUIT"}},
		{fits + "xx\r\nQUIT\r\n", []string{"(too long)", "QUIT"}},
		{fits + "xxx\r\nQUIT\r\n", []string{"(too long)", "QUIT"}},
		{fits + "\rxx\r\nQUIT\r\n", []string{"(too long)", "QUIT"}},
		{strings.Repeat("x", 3*SmallBuffer) + "\r\nQUIT\r\n", []string{"(too long)", "QUIT"}},
		{strings.Repeat("x", 3*SmallBuffer), nil},
		{strings.Repeat("\r", 3*SmallBuffer) + "\nQUIT\r\n", []string{"(too long)", "QUIT"}},
	}
	for _, test := range tests {
		eachCut(min(len(test.in), 64), func(name string, cut cutter) {
			heard, err := dialogue(NewReader(&inPieces{[]byte(test.in), cut}, new(Buffers)), limit)
			if fmt.Sprintf("%q", heard) != fmt.Sprintf("%q", test.want) || !errors.Is(err, io.EOF) {
				t.Errorf("%.60q %s: %.200q, %v; want %q", test.in, name, heard, err, test.want)
			}
		})
	}
}

// A bare LF is no line end (P38). The command goes on behind it as long as more
// of it is here; with nothing behind it the sender waits for an answer.
func TestReadCommandBareLF(t *testing.T) {
	long := strings.Repeat("x", 30)
	tests := []struct {
		pieces []string
		want   []string
	}{
		{[]string{"NOOP\n"}, []string{"(bare LF)"}},
		{[]string{"\n"}, []string{"(bare LF)"}},
		{[]string{"NOOP\nQUIT\r\n"}, []string{"(bare LF)"}},
		{[]string{"NOOP\nMAIL\nQUIT\r\nRSET\r\n"}, []string{"(bare LF)", "RSET"}},
		{[]string{"NOOP\n\r\nRSET\r\n"}, []string{"(bare LF)", "RSET"}},
		{[]string{"\n\n\r\n\r\n"}, []string{"(bare LF)", ""}},
		{[]string{"NOOP\nQUIT\n"}, []string{"(bare LF)"}},
		{[]string{"NOOP\n", "QUIT\r\n"}, []string{"(bare LF)", "QUIT"}},
		{[]string{"NOOP\nQU", "IT\r\nRSET\r\n"}, []string{"(bare LF)", "RSET"}},
		{[]string{"NOOP\nQUIT\r", "\nRSET\r\n"}, []string{"(bare LF)", "RSET"}},
		{[]string{"a\n" + long + "\r\nRSET\r\n"}, []string{"(too long)", "RSET"}},
		{[]string{"a\n" + long, "\r\nRSET\r\n"}, []string{"(too long)", "RSET"}},
		{[]string{long + "\nNOOP\r\nRSET\r\n"}, []string{"(too long)", "RSET"}},
		{[]string{long, "\nNOOP\r\nRSET\r\n"}, []string{"(too long)", "RSET"}},
		{[]string{long, "\n", "RSET\r\n"}, []string{"(too long)", "RSET"}}, // it must not wait for the answer in vain
		{[]string{long + "\n", "RSET\r\n"}, []string{"(too long)", "RSET"}},
	}
	for _, test := range tests {
		rest := test.pieces
		cut := func(int) int {
			n := len(rest[0])
			rest = rest[1:]
			return n
		}
		heard, err := dialogue(NewReader(&inPieces{[]byte(strings.Join(test.pieces, "")), cut}, new(Buffers)), 20)
		if fmt.Sprintf("%q", heard) != fmt.Sprintf("%q", test.want) || !errors.Is(err, io.EOF) {
			t.Errorf("%q: %q, %v; want %q", test.pieces, heard, err, test.want)
		}
	}
}

// checkCommands compares the lines that a Reader finds in input without a bare
// LF with the obvious way to find them.
func checkCommands(t failer, in []byte, limit int, cut cutter) {
	t.Helper()
	lines := strings.Split(string(in), "\r\n")
	want := lines[:len(lines)-1] // behind the last CRLF is no line
	for i := range want {
		if len(want[i])+2 > limit {
			want[i] = "(too long)"
		}
	}
	heard, err := dialogue(NewReader(&inPieces{in, cut}, new(Buffers)), limit)
	if fmt.Sprintf("%q", heard) != fmt.Sprintf("%q", want) || !errors.Is(err, io.EOF) {
		t.Fatalf("%q\n got %q, %v\nwant %q", in, heard, err, want)
	}
}

func TestReadCommandAgainstTheRule(t *testing.T) {
	words := rapid.SampledFrom([]string{"\r\n", "\r\n", "a", "NOOP", "\r", "\x00", strings.Repeat("x", 18), strings.Repeat("y", 2000)})
	rapid.Check(t, func(t *rapid.T) {
		in := strings.Join(rapid.SliceOfN(words, 0, 40).Draw(t, "words"), "")
		in = strings.ReplaceAll(in, "\r\r\n", "\r\n")
		checkCommands(t, []byte(in), rapid.SampledFrom([]int{2, 3, 20, 512, 2048}).Draw(t, "limit"), drawCutter(t))
	})
}

func TestPeekCommand(t *testing.T) {
	r := readerOf("MAIL\r\nRCPT\r\nDA")
	if _, ok := r.PeekCommand(); ok {
		t.Error("a command before anything was read")
	}
	for _, want := range []string{"MAIL", "RCPT"} {
		if want != "MAIL" {
			if line, ok := r.PeekCommand(); !ok || string(line) != want {
				t.Errorf("peeked at %q, %v", line, ok)
			}
		}
		if line, err := r.ReadCommand(100); err != nil || string(line) != want {
			t.Errorf("read %q, %v", line, err)
		}
	}
	if line, ok := r.PeekCommand(); ok {
		t.Errorf("peeked at %q, which is not all", line)
	}
	r = readerOf("NOOP\nQUIT\r\n")
	if err := r.Fill(); err != nil {
		t.Fatal(err)
	}
	if line, ok := r.PeekCommand(); ok {
		t.Errorf("peeked at %q, behind a bare LF", line)
	}
}

func TestFillsUpToTheBuffer(t *testing.T) {
	r := readerOf(strings.Repeat("x", LargeBuffer))
	for range 2 {
		if err := r.Fill(); err != nil || len(r.Buffered()) != SmallBuffer {
			t.Fatalf("%d octets, %v", len(r.Buffered()), err)
		}
		if err := r.Fill(); !errors.Is(err, io.ErrShortBuffer) {
			t.Errorf("a full buffer: %v", err)
		}
		r.Discard(SmallBuffer)
	}
	if err := readerOf("").Fill(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	nothing := NewReader(iotestNothing{}, new(Buffers))
	if err := nothing.Fill(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("who gives nothing: %v", err)
	}
}

// iotestNothing reads nothing, and calls it success.
type iotestNothing struct{}

func (iotestNothing) Read([]byte) (int, error) { return 0, nil }
