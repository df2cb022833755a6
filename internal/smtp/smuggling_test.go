package smtp

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// believer is a connector that takes some octets for the end of data, though they
// are none.
type believer struct {
	name string
	form string // what it believes in
	nuls bool   // it deletes NULs first
}

func believers() []believer {
	return []believer{
		{"LF.LF", "\n.\n", false},
		{"LF.CRLF", "\n.\r\n", false},
		{"CRLF.LF", "\r\n.\n", false},
		{"CR.CR", "\r.\r", false},
		{"CR.CRLF", "\r.\r\n", false},
		{"CRLF.CR", "\r\n.\r", false},
		{"CRLF.CRCRLF", "\r\n.\r\r\n", false},
		{"CRLF.CRLF and no NULs", "\r\n.\r\n", true},
		{"LF.LF and no NULs", "\n.\n", true},
	}
}

// hears returns the messages and commands that such a connector finds in what
// follows DATA.
func (b believer) hears(stream string) (content, commands string) {
	if b.nuls {
		stream = strings.ReplaceAll(stream, "\x00", "")
	}
	heard := "\r\n" + stream
	i := strings.Index(heard, b.form)
	if j := strings.Index(heard, "\r\n.\r\n"); i < 0 || j >= 0 && j <= i {
		return heard[:j], heard[j+len("\r\n.\r\n"):] // it believes in the true one, too
	}
	return heard[:i], heard[i+len(b.form):]
}

// smuggled is a message with another one inside, behind what some server takes
// for the end.
func smuggled(end string) string {
	return "Subject: outer\r\n\r\nHello" + end + "MAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nSubject: inner\r\n\r\nHa" + end
}

// smugglingRows are the ends of data that are none, with NULs in every place.
func smugglingRows() map[string]string {
	rows := map[string]string{}
	for _, b := range believers()[:7] {
		rows[b.name] = b.form
		for i := 1; i < len(b.form); i++ {
			rows[b.name+" with a NUL "+strings.Repeat("I", i)] = b.form[:i] + "\x00" + b.form[i:]
		}
	}
	for i := 1; i < len("\r\n.\r\n"); i++ {
		rows["CRLF.CRLF with a NUL "+strings.Repeat("I", i)] = "\r\n.\r\n"[:i] + "\x00" + "\r\n.\r\n"[i:]
	}
	return rows
}

// P19: whatever a sender puts between CRLF.CRLF, and whatever a connector takes for
// the end, one message goes in and one comes out, by DATA …
func TestP19SmugglingThroughDATA(t *testing.T) {
	for name, end := range smugglingRows() {
		t.Run(name, func(t *testing.T) {
			in := smuggled(end) + "\r\n.\r\n"
			eachCutAround(in, end, func(how string, cut cutter) {
				got := scan(t, []byte(in), cut)
				if !got.end || got.used != len(in) {
					t.Fatalf("%s: the end is at %d of %d", how, got.used, len(in))
				}
				wantUnsmuggled(t, how, got.out+".\r\n")
				if bare := strings.ContainsAny(strings.ReplaceAll(in, "\r\n", ""), "\r\n"); got.bare != bare {
					t.Errorf("%s: to be rejected: %v", how, got.bare)
				}
			})
		})
	}
}

// … and by BDAT to a connector that has DATA only (P22), where CRLF.CRLF is content
// as well.
func TestP19P22SmugglingThroughBDAT(t *testing.T) {
	rows := smugglingRows()
	rows["CRLF.CRLF"] = "\r\n.\r\n"
	for name, end := range rows {
		t.Run(name, func(t *testing.T) {
			in := smuggled(end)
			eachCutAround(in, end, func(how string, cut cutter) {
				content, bare := normalize([]byte(in), cut)
				wantUnsmuggled(t, how, stuff(content, cut)+".\r\n")
				if want := strings.ContainsAny(strings.ReplaceAll(in, "\r\n", ""), "\r\n"); bare != want {
					t.Errorf("%s: to be rejected: %v", how, bare)
				}
			})
		})
	}
}

// eachCutAround gives the ways to split in that matter: in and around what is
// taken for the end.
func eachCutAround(in, end string, f func(how string, cut cutter)) {
	f("in one piece", wholly)
	f("octet by octet", byteByByte)
	from := strings.Index(in, end)
	for k := from - 1; k <= from+len(end)+1; k++ {
		f(fmt.Sprintf("cut behind %d", k), cutAt(k))
	}
}

// wantUnsmuggled has every believer read what follows DATA.
func wantUnsmuggled(t *testing.T, how, stream string) {
	t.Helper()
	for _, b := range believers() {
		content, commands := b.hears(stream + "QUIT\r\n")
		if commands != "QUIT\r\n" || !strings.Contains(content, "victim") {
			t.Fatalf("%s: who believes in %s is told %q and then %q", how, b.name, content, commands)
		}
	}
}

// The believers believe: what is not mended gets past them.
func TestBelieversCanBeFooled(t *testing.T) {
	for _, b := range believers()[:7] {
		if _, commands := b.hears(smuggled(b.form) + "\r\n.\r\nQUIT\r\n"); !strings.HasPrefix(commands, "MAIL FROM:<evil") {
			t.Errorf("who believes in %s hears %q", b.name, commands)
		}
	}
}

// P19, P22: what was declared BINARYMIME goes on as it came, chunk by chunk.
func TestP22BinaryContent(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, in := range [][]byte{all, []byte("a\rb\nc\n\r\r\n.\r\n\x00.\n\r"), bytes.Repeat([]byte{'\r'}, 100), []byte("x\r")} {
		eachCut(len(in), func(how string, cut cutter) {
			z := Normalizer{Binary: true}
			var out []byte
			pieces(in, cut, func(piece []byte) {
				part, n := z.Next(piece)
				if n != len(piece) {
					t.Fatalf("%d octets of %d consumed", n, len(piece))
				}
				out = append(out, part...)
			})
			if out = append(out, z.End()...); !bytes.Equal(out, in) || z.Bare() {
				t.Errorf("%q %s became %q, bare %v", in, how, out, z.Bare())
			}
		})
	}
}
