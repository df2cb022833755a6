package integration

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// drip is between two octets of a slow sender: each comes well within every time-out, so that nothing but a deadline for the
// whole ends it.
const drip = 120 * time.Millisecond

// slowStage is where a sender becomes slow.
type slowStage struct {
	name, lane string
	before     []string // what it says at its normal pace, each answered
	atOnce     string   // what it then says, without waiting for an answer
	slowly     string   // what it then says octet by octet
	why        []string // words of the reason in the log; of the transaction's line where there was one
}

func slowStages() []slowStage {
	hello, mail, rcpt := "EHLO slow.example", "MAIL FROM:<slow@sender.example>", "RCPT TO:<box@test.example>"
	text := strings.Repeat("a slow message\r\n", 100)
	clientHello := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 500)
	return []slowStage{
		{"PROXY header", "proxied", nil, "", "PROXY TCP4 192.0.2.1 192.0.2.2 1024 25\r\n", []string{"PROXY"}},
		{"TLS before the greeting", "implicit", nil, "", clientHello, []string{"TLS"}},
		{"first command", "open", nil, "", "EHLO slow.and.long.sender.example.example.example\r\n", []string{"timeout"}},
		{"MAIL", "open", []string{hello}, "", "MAIL FROM:<slow.and.slow.and.slow@sender.example.example.example>\r\n", []string{"timeout"}},
		{"RCPT", "open", []string{hello, mail}, "", "RCPT TO:<slow.and.slow.and.slow@test.example.example>\r\n", []string{"aborted"}},
		{"a line without end", "open", []string{hello}, "", strings.Repeat("x", 1000), []string{"timeout"}},
		{"STARTTLS", "starttls", []string{hello}, "", "STARTTLS               \r\n" + strings.Repeat(" ", 100), []string{"timeout"}},
		{"TLS after STARTTLS", "starttls", []string{hello, "STARTTLS"}, "", clientHello, []string{"TLS"}},
		{"content by DATA", "open", []string{hello, mail, rcpt, "DATA"}, "", text, []string{"aborted"}},
		{"content by BDAT", "open", []string{hello, mail, rcpt}, "BDAT 1600 LAST\r\n", text, []string{"aborted"}},
		{"a chunk", "open", []string{hello, mail, rcpt, "BDAT 2\r\nab"}, "BDAT 1600 LAST\r\n", text, []string{"aborted"}},
	}
}

// TestAbuse_Slowloris: a sender of a few octets a second is ended in every stage, with a reason, while others are served.
func TestAbuse_Slowloris(t *testing.T) {
	t.Parallel()
	needWeir(t)
	ca := newAuthority(t)
	short := "timeouts: {command: 1s, data: 1s, greeting: 1s}"
	e := newEdge(t, ca, lane{name: "open", listener: []string{short}}, lane{name: "starttls", edge: ca.edge("starttls"), listener: []string{short}},
		lane{name: "implicit", edge: ca.edge("implicit"), listener: []string{short}},
		lane{name: "proxied", listener: []string{short, "proxy_protocol: {trust: [127.63.0.0/16]}"}}, lane{name: "honest"})
	honest := startHonest(t, e.at("honest"), 2)
	for i, s := range slowStages() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			from := source(63, i)
			c := overConn(guestDial(t, from, e.at(s.lane)))
			if s.lane == "open" || s.lane == "starttls" {
				if rep, err := c.read(); err != nil || rep.code != 220 {
					t.Fatalf("the greeting: %v, %v", rep, err)
				}
			}
			for _, line := range s.before {
				if rep, err := c.cmd("%s", line); err != nil || rep.class() > 3 {
					t.Fatalf("%s: %v, %v", line, rep, err)
				}
			}
			if err := c.write([]byte(s.atOnce)); err != nil {
				t.Fatal(err)
			}
			dripping(c, s.slowly)
			line := e.ended(t, from)
			says(t, "the log", fmt.Sprint(line), s.why...)
			t.Logf("the log has %s%s %s", line.str("reason"), line.str("reply"), line.str("outcome"))
		})
	}
	t.Run("replies that nobody reads", func(t *testing.T) {
		t.Parallel()
		c := greeted(t, source(63, 200), e.at("open"))
		_ = c.conn.SetWriteDeadline(time.Now().Add(ceiling))
		noops := []byte(strings.Repeat("HELP\r\n", 10_000))
		for { // until weir has had enough of it
			if _, err := c.conn.Write(noops); err != nil {
				break
			}
		}
		t.Logf("the log's reason: %s", e.ended(t, source(63, 200)).str("reason"))
	})
	t.Cleanup(func() {
		honest.end()
		eventually(t, ceiling, func() bool { return e.status().backend("open", "c0").Inflight == 0 }, "slow messages are still in flight")
	})
}

// ended waits for the log line of a sender's only session, or of its only transaction.
func (e *edge) ended(t *testing.T, from string) (line logLine) {
	t.Helper()
	eventually(t, ceiling, func() bool {
		found := e.logged(func(l logLine) bool { return strings.HasPrefix(l.str("client"), from+":") })
		if len(found) > 0 {
			line = found[0]
		}
		return len(found) > 0
	}, "the session of %s has not ended", from)
	return line
}

// dripping says a text slowly, until weir has enough of it.
func dripping(c *client, text string) {
	for _, b := range []byte(text) {
		if _, err := c.conn.Write([]byte{b}); err != nil {
			return
		}
		if gone(c, drip) {
			return
		}
	}
}

// gone waits, and says whether weir has closed the connection meanwhile.
func gone(c *client, wait time.Duration) bool {
	_ = c.conn.SetReadDeadline(time.Now().Add(wait))
	for {
		if _, err := c.r.ReadByte(); err != nil {
			return !errors.Is(err, os.ErrDeadlineExceeded)
		}
	}
}
