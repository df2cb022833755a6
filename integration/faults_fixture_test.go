package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"weir/internal/faulty"
)

const (
	// ceiling is for things that take milliseconds: it only ends a test that hangs.
	ceiling = 30 * time.Second

	// quietHealth finds all connectors up and then leaves them alone, so that a fault meets traffic only. Five
	// failures in traffic are allowed, so that one test message never changes who is eligible.
	quietHealth = "{probe: tcp, interval: 1h, fast_interval: 100ms, timeout: 5s, rise: 1, fall: 5}"

	// shortTimeouts end mute stages well within a sender's patience.
	shortTimeouts = "{connect: 1500ms, banner: 1500ms, ehlo: 1500ms, mail: 1500ms, rcpt: 1500ms, data: 1500ms, body: 5s, final_dot: 1500ms}"
)

// ownReply is how weir's own replies to a transaction end.
var ownReply = regexp.MustCompile(` \(weir [^ )]+\)$`)

// flock is weir in front of connectors that can be hurt while it runs.
type flock struct {
	*weir
	t *testing.T
	c []*faulty.Server
}

// newFlock starts n honest connectors and weir before them.
func newFlock(t *testing.T, n int, o opts) *flock {
	t.Helper()
	b := make([]faulty.Behaviour, n)
	for i := range b {
		b[i] = faulty.Honest()
	}
	return newFlockOf(t, o, b...)
}

// newFlockOf starts a connector for each behaviour, and weir, and waits until all are eligible.
func newFlockOf(t *testing.T, o opts, behaviours ...faulty.Behaviour) *flock {
	t.Helper()
	f := &flock{t: t}
	for i, b := range behaviours {
		s, err := faulty.New(faulty.Options{Name: backendName(i), Behaviour: b})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		f.c = append(f.c, s)
		o.backends = append(o.backends, s.Addr())
	}
	o.health, o.timeouts = or(o.health, quietHealth), or(o.timeouts, shortTimeouts)
	f.weir = launchWeir(t, launch{config: basicConfig(o), token: o.token})
	f.waitReady(ceiling)
	f.waitEligible(poolName, len(behaviours))
	return f
}

// hurt gives the same faults to some connectors.
func (f *flock) hurt(which []*faulty.Server, faults ...faulty.Fault) {
	for _, c := range which {
		c.Hurt(faults...)
	}
}

// message has a recipient of its own, so that its RCPT can be told from others in a transcript.
func (f *flock) message(kind string, size int) *message {
	m := newMessage(kind, filler(size))
	m.to = []string{m.id + "@test.example"}
	return m
}

// dial is a sender's connection after EHLO.
func (f *flock) dial() *client {
	f.t.Helper()
	c, err := dialSMTP(f.smtp)
	if err != nil {
		f.t.Fatalf("a sender's connection: %v", err)
	}
	f.t.Cleanup(c.close)
	return c
}

// must is the reply of a command; a lost connection fails the test.
func (f *flock) must(c *client, format string, args ...any) reply {
	f.t.Helper()
	rep, err := c.cmd(format, args...)
	if err != nil {
		f.t.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
	return rep
}

// expect says a command and wants a code.
func (f *flock) expect(c *client, code int, format string, args ...any) {
	f.t.Helper()
	if rep := f.must(c, format, args...); rep.code != code {
		f.t.Fatalf("%s: got %s, want %d", fmt.Sprintf(format, args...), rep, code)
	}
}

// deliver sends a message on a connection of its own and returns the reply that decided it.
func (f *flock) deliver(m *message) reply {
	f.t.Helper()
	c := f.dial()
	defer c.quit()
	return f.deliverOn(c, m)
}

// deliverOn is deliver on an open connection; what was begun and refused is reset.
func (f *flock) deliverOn(c *client, m *message) reply {
	f.t.Helper()
	rep, err := c.sendData(m)
	return f.verdict(rep, err)
}

// verdict is the reply that decided a message.
func (f *flock) verdict(rep reply, err error) reply {
	f.t.Helper()
	var refused *replyError
	if errors.As(err, &refused) {
		return refused.reply
	}
	if err != nil {
		f.t.Fatalf("sender's connection: %v", err)
	}
	return rep
}

// delivered wants a message taken at the first try.
func (f *flock) delivered(m *message) {
	f.t.Helper()
	if rep := f.deliver(m); rep.code != 250 {
		f.t.Fatalf("%s: got %s, want 250", m.id, rep)
	}
	f.storedOnce(m)
}

// own checks that a reply is weir's own and begins as it should.
func (f *flock) own(got reply, want string) {
	f.t.Helper()
	if !strings.HasPrefix(got.String(), want) || !ownReply.MatchString(got.lines[len(got.lines)-1]) {
		f.t.Errorf("got %q, want %q … (weir ID)", got, want)
	}
}

// relayed checks that a reply is the connector's.
func (f *flock) relayed(got reply, want string) {
	f.t.Helper()
	if !strings.HasPrefix(got.String(), want) || ownReply.MatchString(got.text()) {
		f.t.Errorf("got %q, want the connector's %q", got, want)
	}
}

// stored is how often a message lies in the connectors, and where last.
func (f *flock) stored(m *message) (n int, at *faulty.Server) {
	for _, c := range f.c {
		for _, got := range c.Messages() {
			if got.From == m.from {
				n, at = n+1, c
			}
		}
	}
	return n, at
}

// storedOnce wants a message in one connector, with its content as it was sent.
func (f *flock) storedOnce(m *message) {
	f.t.Helper()
	n, at := f.stored(m)
	if n != 1 {
		f.t.Fatalf("%s is stored %d times, want once", m.id, n)
	}
	for _, got := range at.Messages() {
		if got.From == m.from && !bytes.HasSuffix(got.Content, m.raw) {
			f.t.Errorf("%s: content of %d octets does not end with the %d that were sent", m.id, len(got.Content), len(m.raw))
		}
	}
}

// tried is the connectors that were told a message's MAIL.
func (f *flock) tried(m *message) (which []*faulty.Server) {
	for _, c := range f.c {
		if c.Heard("MAIL FROM:<"+m.from+">") > 0 {
			which = append(which, c)
		}
	}
	return which
}

// holder is the one connector that took a message's envelope.
func (f *flock) holder(m *message) *faulty.Server {
	f.t.Helper()
	var at []*faulty.Server
	for _, c := range f.c {
		if c.Heard("RCPT TO:<"+m.to[0]+">") > 0 {
			at = append(at, c)
		}
	}
	if len(at) != 1 {
		f.t.Fatalf("%d connectors heard the RCPT of %s, want one", len(at), m.id)
	}
	return at[0]
}

// others are all connectors but one.
func (f *flock) others(c *faulty.Server) (rest []*faulty.Server) {
	for _, o := range f.c {
		if o != c {
			rest = append(rest, o)
		}
	}
	return rest
}

// heard sums transcript lines over the flock.
func (f *flock) heard(prefix string) (n int) {
	for _, c := range f.c {
		n += c.Heard(prefix)
	}
	return n
}

// waitHeard waits until the flock heard a line n times.
func (f *flock) waitHeard(prefix string, n int) {
	f.t.Helper()
	eventually(f.t, ceiling, func() bool { return f.heard(prefix) >= n }, "connectors heard %q %d times, want %d", prefix, f.heard(prefix), n)
}

// seen is how many ends of data connectors reached.
func (f *flock) seen() (n int64) {
	for _, c := range f.c {
		n += c.Stats().Seen
	}
	return n
}

// line is the one log line of a message's transaction.
func (f *flock) line(m *message) logLine {
	f.t.Helper()
	var lines []logLine
	eventually(f.t, ceiling, func() bool { lines = f.transactionsFrom(m.from); return len(lines) > 0 }, "no transaction of %s in the log", m.id)
	if len(lines) != 1 {
		f.t.Errorf("%d transactions of %s in the log, want one", len(lines), m.id)
	}
	return lines[0]
}

// logs wants fields of a message's log line, given as name, value, name, value …
func (f *flock) logs(m *message, fields ...string) logLine {
	f.t.Helper()
	l := f.line(m)
	for i := 0; i < len(fields); i += 2 {
		if got := l.str(fields[i]); got != fields[i+1] {
			f.t.Errorf("log: %s is %q, want %q in %v", fields[i], got, fields[i+1], l)
		}
	}
	return l
}

// leftBehind wants connectors named in a line's tries, with a reason each.
func (f *flock) leftBehind(l logLine, which ...*faulty.Server) {
	f.t.Helper()
	tries, err := json.Marshal(l["tries"])
	if err != nil {
		f.t.Fatal(err)
	}
	for _, c := range which {
		if !bytes.Contains(tries, []byte(c.Name())) {
			f.t.Errorf("log: tries %s do not name %s", tries, c.Name())
		}
	}
}

// failures is what weir counts against a connector.
func (f *flock) failures(c *faulty.Server) int {
	f.t.Helper()
	return f.status().backend(poolName, c.Name()).Failures
}

// connections is how many were opened since an earlier count.
func (f *flock) connections() (n int64) {
	for _, c := range f.c {
		n += c.Stats().Connections
	}
	return n
}

// begin opens a transaction up to 354 and returns the sender and the connector that has it.
func (f *flock) begin(m *message) (*client, *faulty.Server) {
	f.t.Helper()
	c := f.dial()
	if err := c.envelope(m); err != nil {
		f.t.Fatalf("envelope of %s: %v", m.id, err)
	}
	h := f.holder(m)
	f.expect(c, 354, "DATA")
	return c, h
}

// write sends octets.
func (f *flock) write(c *client, p []byte) {
	f.t.Helper()
	if err := c.write(p); err != nil {
		f.t.Fatalf("sending %d octets: %v", len(p), err)
	}
}

// finish sends the rest of the content and returns the final reply.
func (f *flock) finish(c *client, p []byte) reply {
	f.t.Helper()
	rep, err := c.finish(p)
	return f.verdict(rep, err)
}

// halves cuts a stuffed message into two.
func halves(m *message) (first, rest []byte) {
	p := m.stuffed()
	return p[:len(p)/2], p[len(p)/2:]
}
