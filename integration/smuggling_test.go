package integration

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"weir/internal/faulty"
)

// The smuggled part is a whole second transaction. Who takes the form before it as an end of data stores two messages.
const (
	honestPart   = "Subject: one\r\n\r\none"
	smuggledPart = "MAIL FROM:<evil@attacker.example>\r\nRCPT TO:<victim@test.example>\r\nDATA\r\nSubject: two\r\n\r\ntwo\r\n"
)

// believer is a connector that takes a form as end of data; the forms with NUL also come with one that strips NULs.
type believer struct {
	name  string
	form  string
	strip bool
}

func believers() (all []believer) {
	forms := faulty.Forms()
	for _, name := range slices.Sorted(maps.Keys(forms)) {
		all = append(all, believer{name: name, form: forms[name]})
		if strings.Contains(forms[name], "\x00") {
			all = append(all, believer{name: name + " stripped", form: forms[name], strip: true})
		}
	}
	// More NULs than a relay may think of.
	for _, form := range []string{"\r\n\x00\x00.\x00\r\n", "\r\n.\x00\x00\r\x00\n", "\r\x00\n.\r\n", "\n\x00.\n", "\r\n\x00.\x00\r\x00\n"} {
		all = append(all, believer{name: fmt.Sprintf("%q stripped", form), form: form, strip: true})
	}
	return all
}

// behaviour believes everything that any server ever believed, and the form in question above all.
func (b believer) behaviour(chunking bool) faulty.Behaviour {
	h := faulty.Honest()
	h.Capabilities.Chunking = chunking
	h.Believes = slices.Collect(maps.Values(faulty.Forms()))
	if !slices.Contains(h.Believes, b.form) {
		h.Believes = append(h.Believes, b.form)
	}
	h.StripNUL = b.strip
	return h
}

// arrives is what of a content must reach a believer in normalize mode: a bare LF as CRLF, a bare CR as a space.
func (b believer) arrives(content string) string {
	var out strings.Builder
	for i := 0; i < len(content); i++ {
		switch {
		case strings.HasPrefix(content[i:], "\r\n"):
			out.WriteString("\r\n")
			i++
		case content[i] == '\r':
			out.WriteByte(' ')
		case content[i] == '\n':
			out.WriteString("\r\n")
		default:
			out.WriteByte(content[i])
		}
	}
	if b.strip {
		return strings.ReplaceAll(out.String(), "\x00", "")
	}
	return out.String()
}

// bare says whether the form has a bare CR or LF, which reject mode refuses.
func (b believer) bare() bool {
	return strings.ContainsAny(strings.ReplaceAll(b.form, "\r\n", ""), "\r\n")
}

// way is how the content travels: to weir, and from weir.
type way struct {
	name     string
	bdat     bool // sender to weir
	chunking bool // weir to connector
}

var ways = []way{{"DATA", false, true}, {"BDAT to DATA", true, false}, {"BDAT to BDAT", true, true}}

func TestP19_NeverTwoMessagesFromOne_Normalize(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			b := faulty.Honest()
			b.Capabilities.Chunking = w.chunking
			f := newFlockOf(t, opts{timeouts: defaultTimeouts, listener: []string{"received_header: never", "bare_newlines: normalize"}}, b)
			for _, x := range believers() {
				for _, pieces := range []int{0, 1, 2, 7} {
					t.Run(fmt.Sprintf("%s in pieces of %d", x.name, pieces), func(t *testing.T) {
						(&flock{weir: f.weir, t: t, c: f.c}).normalized(x, w, pieces)
					})
				}
			}
		})
	}
}

// normalized sends the attack and wants one message, exactly as it has to arrive.
func (f *flock) normalized(x believer, w way, pieces int) {
	f.t.Helper()
	f.c[0].Set(x.behaviour(w.chunking))
	f.c[0].Forget()
	got := f.attack(x, w, pieces)
	if got.code != 250 {
		f.t.Fatalf("final: %s", got)
	}
	m := f.c[0].Messages()
	if len(m) != 1 {
		f.t.Fatalf("%d messages from one: %+v", len(m), f.c[0].Transcript())
	}
	x.strip = x.strip && m[0].Via == "DATA" // a chunk is taken as it is
	if want := x.arrives(w.content(x)); string(m[0].Content) != want {
		f.t.Errorf("content is\n%q, want\n%q", m[0].Content, want)
	}
}

// content is what the sender means, in its own eyes: by DATA, dots are unstuffed behind a true CRLF.
func (w way) content(x believer) string {
	raw := honestPart + x.form + smuggledPart
	if w.bdat {
		return raw + ".\r\n" // no end here: a line with a dot
	}
	return strings.ReplaceAll(raw, "\r\n.", "\r\n")
}

// attack sends it in pieces of so many octets a write (0: one write; by BDAT: one chunk a piece) and returns the answer.
func (f *flock) attack(x believer, w way, pieces int) reply {
	f.t.Helper()
	c := f.dial()
	defer c.quit()
	f.expect(c, 250, "MAIL FROM:<one@sender.example>")
	f.expect(c, 250, "RCPT TO:<box@test.example>")
	raw := []byte(honestPart + x.form + smuggledPart + ".\r\n")
	if pieces == 0 {
		pieces = len(raw)
	}
	if w.bdat {
		return f.attackBDAT(c, raw, pieces)
	}
	f.expect(c, 354, "DATA")
	for part := range slices.Chunk(raw, pieces) {
		f.write(c, part)
	}
	rep, err := c.read()
	return f.verdict(rep, err)
}

func (f *flock) attackBDAT(c *client, raw []byte, pieces int) (final reply) {
	f.t.Helper()
	var stream bytes.Buffer
	chunks := 0
	for part := range slices.Chunk(raw, pieces) {
		fmt.Fprintf(&stream, "BDAT %d\r\n%s", len(part), part)
		chunks++
	}
	stream.WriteString("BDAT 0 LAST\r\n")
	f.write(c, stream.Bytes())
	for range chunks + 1 {
		rep, err := c.read()
		if final = f.verdict(rep, err); final.class() != 2 {
			return final
		}
	}
	return final
}

func TestP19_Reject(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			b := faulty.Honest()
			b.Capabilities.Chunking = w.chunking
			f := newFlockOf(t, opts{timeouts: defaultTimeouts, listener: []string{"received_header: never", "bare_newlines: reject"}}, b)
			for _, x := range believers() {
				for _, pieces := range []int{0, 1} {
					t.Run(fmt.Sprintf("%s in pieces of %d", x.name, pieces), func(t *testing.T) {
						ff := &flock{weir: f.weir, t: t, c: f.c}
						if x.bare() {
							ff.rejected(x, w, pieces)
						} else {
							ff.normalized(x, w, pieces) // nothing bare: nothing to refuse, but nothing to believe either
						}
					})
				}
			}
			f.unharmed()
		})
	}
}

// rejected wants 550 5.5.2, and a connector that saw no end of data and stored nothing.
func (f *flock) rejected(x believer, w way, pieces int) {
	f.t.Helper()
	f.c[0].Set(x.behaviour(w.chunking))
	f.c[0].Forget()
	seen := f.seen()
	f.own(f.attack(x, w, pieces), "550 5.5.2")
	if n := len(f.c[0].Messages()); n != 0 {
		f.t.Fatalf("%d messages stored: %+v", n, f.c[0].Transcript())
	}
	if n := f.seen() - seen; n != 0 {
		f.t.Errorf("%d ends of data: the connection is to be closed without a terminator", n)
	}
	eventually(f.t, ceiling, func() bool { return f.c[0].Stats().Open == 0 || f.heard("DATA")+f.heard("BDAT") == 0 }, "the connector's connection is still open in its content")
}

// After a refusal for bare newlines the sender's session goes on in step.
func TestP19_RejectLeavesTheSessionInStep(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 1, opts{timeouts: defaultTimeouts, listener: []string{"bare_newlines: reject"}})
	c := f.dial()
	for range 3 {
		f.expect(c, 250, "MAIL FROM:<a@sender.example>")
		f.expect(c, 250, "RCPT TO:<b@test.example>")
		f.expect(c, 354, "DATA")
		f.own(f.must(c, "one\n.\nMAIL FROM:<evil@attacker.example>\r\n%s\r\n.", strings.Repeat("more of it\r\n", 10000)), "550 5.5.2")
		f.healed(c)
	}
	f.unharmed()
}

// The dot of the last line, split at every border of writes and chunks: the end is found where it is, nowhere else.
func TestP19_EndOfDataSplitAtEveryByte(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 1, opts{timeouts: defaultTimeouts, listener: []string{"received_header: never"}})
	const content = "Subject: dots\r\n\r\n..\r\n...\r\n..a\r\n\r\n..\r\nend\r\n"
	want := strings.ReplaceAll(content, "\r\n.", "\r\n")
	wire := content + ".\r\n"
	for at := 1; at < len(wire); at++ {
		f.c[0].Forget()
		c := f.dial()
		f.expect(c, 250, "MAIL FROM:<a@sender.example>")
		f.expect(c, 250, "RCPT TO:<b@test.example>")
		f.expect(c, 354, "DATA")
		f.write(c, []byte(wire[:at]))
		f.write(c, []byte(wire[at:]))
		if rep, err := c.read(); err != nil || rep.code != 250 {
			t.Fatalf("split at %d: %s, %v", at, rep, err)
		}
		c.quit()
		if m := f.c[0].Messages(); len(m) != 1 || string(m[0].Content) != want {
			t.Fatalf("split at %d: %d messages, the first %q, want %q", at, len(m), m[0].Content, want)
		}
	}
}

// P22: chunks become DATA for a connector without CHUNKING: stuffed across their borders, with a last CRLF.
func TestP22_ChunksBecomeData(t *testing.T) {
	t.Parallel()
	b := faulty.Honest()
	b.Capabilities.Chunking = false
	f := newFlockOf(t, opts{timeouts: defaultTimeouts, listener: []string{"received_header: never"}}, b)
	for _, content := range []string{
		"Subject: x\r\n\r\n.\r\n..\r\n.end\r\n", "Subject: x\r\n\r\nno end", "Subject: x\r\n\r\ndot at the end\r\n.", ".", "\r\n", "", "Subject: x\r\n\r\n.\r\n.\r\n",
	} {
		for _, pieces := range []int{1, 2, 3, 1000} {
			f.c[0].Forget()
			c := f.dial()
			f.expect(c, 250, "MAIL FROM:<a@sender.example>")
			f.expect(c, 250, "RCPT TO:<b@test.example>")
			if rep := f.attackBDAT(c, []byte(content), pieces); rep.code != 250 {
				t.Fatalf("%q: %s", content, rep)
			}
			c.quit()
			want := content
			if content != "" && !strings.HasSuffix(content, "\r\n") {
				want += "\r\n"
			}
			if m := f.c[0].Messages(); len(m) != 1 || string(m[0].Content) != want || m[0].Via != "DATA" {
				t.Errorf("%q in chunks of %d: %+v", content, pieces, m)
			}
		}
	}
}

// Without weir every believer stores two messages: the attack is sharp, and so are the tests above.
func TestControl_BelieversAreSmuggledWithoutWeir(t *testing.T) {
	t.Parallel()
	for _, x := range believers() {
		t.Run(x.name, func(t *testing.T) {
			s, err := faulty.New(faulty.Options{Behaviour: x.behaviour(true)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			f := &flock{weir: &weir{t: t, smtp: s.Addr()}, t: t, c: []*faulty.Server{s}}
			if rep := f.attack(x, ways[0], 1); rep.code != 250 {
				t.Fatalf("final: %s", rep)
			}
			eventually(t, ceiling, func() bool { return len(s.Messages()) == 2 }, "%d messages stored, want 2", len(s.Messages()))
		})
	}
}
