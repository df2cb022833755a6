package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// lane is a way through weir of its own: a listener and the pool behind it, which has its name.
type lane struct {
	name     string
	backends []string // addresses; named c0, c1 … in each pool
	pool     []string // further lines of the pool
	listener []string // further lines of the listener
	tls      string   // of the pool, a flow map; empty: off
	edge     string   // the listener's tls, a flow map; empty: off
	health   string   // empty: askedOnce

	addr string // of its listener
}

// askedOnce finds a connector up, learns what it offers, and then leaves it alone, so that a connector's log is about mail.
const askedOnce = "{probe: envelope, interval: 1h, fast_interval: 100ms, timeout: 10s, rise: 1, fall: 5}"

// lanes is one weir with several ways through it.
type lanes struct {
	*weir
	by map[string]*lane
}

// startLanes starts weir, and waits until the connectors of all lanes are eligible.
func startLanes(t *testing.T, all ...lane) *lanes {
	t.Helper()
	l := &lanes{by: map[string]*lane{}}
	for i := range all {
		all[i].addr = freeAddr(t)
		l.by[all[i].name] = &all[i]
	}
	l.weir = startWeir(t, lanesConfig(all))
	for _, one := range all {
		l.waitEligible(one.name, len(one.backends))
	}
	return l
}

// lanesConfig is the config of weir with these ways through it.
func lanesConfig(all []lane) string {
	var b strings.Builder
	b.WriteString("hostname: weir.test.example\nshutdown_timeout: 20s\nstate_dir: \"@STATE@\"\nadmin: {address: \"@ADMIN@\"}\nlisteners:\n")
	for _, l := range all {
		fmt.Fprintf(&b, "  - name: %s\n    address: %q\n    pool: %s\n    tls: %s\n", l.name, l.addr, l.name, or(l.edge, "{mode: off}"))
		addLines(&b, "    ", l.listener)
	}
	b.WriteString("pools:\n")
	for _, l := range all {
		fmt.Fprintf(&b, "  %s:\n    policy: round-robin\n    relay: true\n    timeouts: %s\n", l.name, defaultTimeouts)
		fmt.Fprintf(&b, "    tls: %s\n    health: %s\n", or(l.tls, "{mode: off}"), or(l.health, askedOnce))
		addLines(&b, "    ", l.pool)
		b.WriteString("    backends:\n")
		for i, addr := range l.backends {
			fmt.Fprintf(&b, "      - {address: %q, name: %s}\n", addr, backendName(i))
		}
	}
	return b.String()
}

// guest is a sender with an address and a name of its own.
type guest struct {
	addr string // an address of loopback
	helo string
}

// The senders whose identity connectors are told.
var (
	anna = guest{"127.0.44.1", "anna.sender.example"}
	bert = guest{"127.0.44.2", "bert.sender.example"}
)

// visit is a guest's connection to a lane, after its EHLO.
func (l *lanes) visit(t *testing.T, g guest, name string) *client {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(g.addr)}, Timeout: 10 * time.Second}
	conn, err := dialer.Dial("tcp", l.by[name].addr)
	if err != nil {
		t.Fatalf("%s cannot connect: %v", g.helo, err)
	}
	c := overConn(conn)
	t.Cleanup(c.close)
	if greeting, err := c.read(); err != nil || greeting.code != 220 {
		t.Fatalf("%s is greeted with %v, %v", g.helo, greeting, err)
	}
	l.hello(t, c, g)
	return c
}

// hello says EHLO and takes down what is offered.
func (l *lanes) hello(t *testing.T, c *client, g guest) {
	t.Helper()
	rep, err := c.cmd("EHLO %s", g.helo)
	if err != nil || rep.code != 250 {
		t.Fatalf("EHLO %s: %v, %v", g.helo, rep, err)
	}
	c.learn(rep)
}

// give sends one message and wants it taken.
func (l *lanes) give(t *testing.T, c *client, m *message) {
	t.Helper()
	if _, err := c.sendData(m); err != nil {
		t.Fatalf("sending %s: %v", m.id, err)
	}
}

// line is the log line of a message's last transaction, which has ended.
func (l *lanes) line(t *testing.T, m *message) logLine {
	t.Helper()
	var found []logLine
	eventually(t, ceiling, func() bool { found = l.transactionsFrom(m.id + "@"); return len(found) > 0 }, "no transaction of %s is logged", m.id)
	return found[len(found)-1]
}

// triesOf is how many connectors a transaction left.
func triesOf(line logLine) int {
	tries, _ := line["tries"].([]any)
	return len(tries)
}

// mailIn waits for a message in a Maildir, and returns its header. A second copy fails the test, and so does a changed body.
func mailIn(t *testing.T, dir string, m *message) (header string) {
	t.Helper()
	var texts []string
	eventually(t, ceiling, func() bool { texts = copies(dir, m); return len(texts) > 0 }, "%s is not in %s", m.id, dir)
	if len(texts) > 1 {
		t.Errorf("%s lies in %s %d times, want once", m.id, dir, len(texts))
	}
	if s := judge("", []byte(texts[0])); s.fault != "" {
		t.Errorf("%s: %s", m.id, s.fault)
	}
	header, _, _ = strings.Cut(texts[0], "\n\n")
	return header
}

// copies are the files of a message in a Maildir.
func copies(dir string, m *message) (texts []string) {
	entries, _ := os.ReadDir(filepath.Join(dir, "new")) // absent until the first mail
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, "new", e.Name()))
		if err != nil {
			continue
		}
		header, _, _ := strings.Cut(string(text), "\n\n")
		if headerField([]byte(header), "X-Weir-Id") == m.id {
			texts = append(texts, string(text))
		}
	}
	return texts
}

// portOf is the port of an address.
func portOf(addr string) string { return addr[strings.LastIndex(addr, ":")+1:] }

// fileBytes is a file that has to be there.
func fileBytes(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// fileWith is the file of a directory that contains a text; empty when none does.
func fileWith(dir, text string) string {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if got, _ := os.ReadFile(filepath.Join(dir, e.Name())); strings.Contains(string(got), text) {
			return string(got)
		}
	}
	return ""
}

// receivedLines are the Received fields of a header, unfolded, the topmost first.
func receivedLines(header string) (fields []string) {
	unfolded := strings.NewReplacer("\n\t", " ", "\n ", " ").Replace(header)
	for line := range strings.Lines(unfolded) {
		if strings.HasPrefix(line, "Received:") {
			fields = append(fields, strings.TrimSpace(line))
		}
	}
	return fields
}

// says wants all words in a text.
func says(t *testing.T, what, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%s does not say %q: %s", what, word, text)
		}
	}
}

// silent wants none of the words in a text.
func silent(t *testing.T, what, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if strings.Contains(text, word) {
			t.Errorf("%s says %q: %s", what, word, text)
		}
	}
}
