package integration

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestAbuse_STARTTLSInjection: P23 (CVE-2011-0411). Whatever was sent behind STARTTLS before the handshake ends the session in
// words; none of it is taken for something that was said in TLS.
func TestAbuse_STARTTLSInjection(t *testing.T) {
	t.Parallel()
	needWeir(t)
	ca := newAuthority(t)
	e := newEdge(t, ca, lane{name: "starttls", edge: ca.edge("starttls")}, lane{name: "required", edge: ca.edge("required")})
	n := 0
	for _, name := range []string{"starttls", "required"} {
		for what, injected := range map[string]string{
			"a command": "RSET\r\n", "a transaction": "EHLO evil.example\r\nMAIL FROM:<injected@sender.example>\r\nRCPT TO:<box@test.example>\r\nDATA\r\nevil\r\n.\r\n",
			"half a command": "NO", "one octet": "\n", "STARTTLS once more": "STARTTLS\r\n", "a PROXY header": "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
			"a ClientHello": "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03", "a great deal": strings.Repeat("NOOP\r\n", 100_000),
		} {
			n++
			from := source(60, n)
			t.Run(name+": "+what, func(t *testing.T) {
				t.Parallel()
				c := greeted(t, from, e.at(name))
				expect(t, c, 250, "EHLO mitm.sender.example")
				wrote := make(chan error, 1)
				go func() { wrote <- c.write([]byte("STARTTLS\r\n" + injected)) }() // nobody may read all of it
				defer func() { <-wrote }()
				if rep, err := c.read(); err != nil || !strings.HasPrefix(rep.String(), "554 5.5.0") {
					t.Errorf("answered %v, %v", rep, err)
				}
				over(t, c)
				e.sessionEnd(t, from+":", "STARTTLS")
			})
		}
	}
	t.Cleanup(func() {
		if mails := e.heardMails(); len(mails) > 0 {
			t.Errorf("the connector heard %q", mails)
		}
	})
}

// TestAbuse_BrokenHandshakes: whatever comes instead of a handshake ends the session, with a reason, and nobody else's.
func TestAbuse_BrokenHandshakes(t *testing.T) {
	t.Parallel()
	needWeir(t)
	ca := newAuthority(t)
	short := []string{"timeouts: {command: 2s, data: 2s, greeting: 2s}"}
	e := newEdge(t, ca, lane{name: "starttls", edge: ca.edge("starttls"), listener: short}, lane{name: "implicit", edge: ca.edge("implicit"), listener: short}, lane{name: "off", listener: short})
	for i, row := range []struct{ name, lane, sent, why string }{
		{"noise", "implicit", strings.Repeat("\x00\xff", 5000), "TLS"},
		{"SMTP", "implicit", "EHLO plain.example\r\n", "TLS"},
		{"half a ClientHello", "implicit", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS"},
		{"nothing", "implicit", "", "TLS"},
		{"noise", "starttls", strings.Repeat("\x00\xff", 5000), "TLS"},
		{"an alert", "starttls", "\x15\x03\x01\x00\x02\x02\x28", "TLS"},
		{"nothing", "starttls", "", "TLS"},
		{"a ClientHello to a plain listener", "off", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS on a plain port"},
	} {
		t.Run(row.lane+": "+row.name, func(t *testing.T) {
			t.Parallel()
			from := source(61, i)
			c := overConn(guestDial(t, from, e.at(row.lane)))
			if row.lane != "implicit" {
				if rep, err := c.read(); err != nil || rep.code != 220 {
					t.Fatalf("the greeting: %v, %v", rep, err)
				}
			}
			if row.lane == "starttls" {
				expect(t, c, 250, "EHLO broken.example")
				expect(t, c, 220, "STARTTLS")
			}
			_ = c.write([]byte(row.sent))
			line := e.sessionEnd(t, from+":", row.why)
			t.Logf("the log's reason: %s", line.str("reason"))
		})
	}
	honest := startHonest(t, e.at("off"), 2)
	honest.flows(20)
	honest.end()
}

// TestAbuse_HandshakesThatEndEarly: many senders that leave in the middle of the handshake leave nothing behind.
func TestAbuse_HandshakesThatEndEarly(t *testing.T) {
	t.Parallel()
	needWeir(t)
	ca := newAuthority(t)
	e := newEdge(t, ca, lane{name: "implicit", edge: ca.edge("implicit")})
	before := e.openFiles()
	for range 300 {
		conn := guestDial(t, source(62, 0), e.at("implicit"))
		_ = conn.SetDeadline(time.Now().Add(ceiling))
		cfg := ca.trusts()
		cfg.VerifyConnection = func(tls.ConnectionState) error { return fmt.Errorf("gone") }
		if err := tls.Client(conn, cfg).Handshake(); err == nil {
			t.Fatal("the handshake was to end early")
		}
		_ = conn.Close()
	}
	eventually(t, ceiling, func() bool { return e.openFiles() <= before+3 }, "%d descriptors are open, %d were before", e.openFiles(), before)
}
