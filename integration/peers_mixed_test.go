package integration

import (
	"net"
	"testing"
)

// TestPeers_MixedPool: two services of a real Postfix that differ in what they offer, and what weir makes of that.
func TestPeers_MixedPool(t *testing.T) {
	t.Parallel()
	needWeir(t)
	h := newMailHost(t, "mixed.test.example")
	able := h.smtpd("able")
	small := h.smtpd("small", "message_size_limit = 20000")
	old := h.smtpd("old", "smtpd_discard_ehlo_keywords = dsn, 8bitmime, chunking, smtputf8")
	h.start()
	l := startLanes(t, lane{name: "oldest", backends: []string{old}}, lane{name: "both", backends: []string{old, able}},
		lane{name: "sizes", backends: []string{small, able}})

	t.Run("P22 chunks for a connector without CHUNKING", func(t *testing.T) {
		t.Parallel()
		c := l.visit(t, anna, "oldest")
		if !c.offers("CHUNKING") || c.offers("8BITMIME") || c.offers("SMTPUTF8") || c.offers("DSN") {
			t.Errorf("weir offers %v", c.caps)
		}
		for _, name := range []string{"dots", "998", "no-newline", "200k"} {
			m := newMessage("old-"+name, bodyNamed(t, name))
			if _, err := c.sendBDAT(m, 1+len(m.raw)/3); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			h.got(t, m)
		}
	})
	t.Run("P30 P31 by union what one has, by intersection what all have", func(t *testing.T) {
		t.Parallel()
		c := l.visit(t, anna, "both")
		if !c.offers("8BITMIME") || !c.offers("SMTPUTF8") || c.offers("DSN") {
			t.Errorf("weir offers %v", c.caps)
		}
		expect(t, c, 555, "MAIL FROM:<a@sender.example> RET=HDRS")
		for range 3 {
			m := newMessage("both", eightBits())
			l.give(t, c, m)
			h.got(t, m)
			if line := l.line(t, m); line.str("backend") != "c1" {
				t.Errorf("8-bit mail was given to the one that does not take it: %v", line)
			}
		}
	})
	t.Run("P30 P31 SIZE", func(t *testing.T) {
		t.Parallel()
		c := l.visit(t, anna, "sizes")
		for range 3 {
			m := newMessage("sizes", filler(40_000))
			expect(t, c, 250, "%s SIZE=%d", m.mailLine(), len(m.raw))
			expect(t, c, 250, "RCPT TO:<box@test.example>")
			expect(t, c, 354, "DATA")
			if _, err := c.finish(m.stuffed()); err != nil {
				t.Fatal(err)
			}
			h.got(t, m)
			if line := l.line(t, m); line.str("backend") != "c1" {
				t.Errorf("a message too large for it was given to: %v", line)
			}
		}
	})
}

// TestPeers_ManyClients: each sender's identity has a connection of its own, and what is kept of them stays within max_idle.
func TestPeers_ManyClients(t *testing.T) {
	t.Parallel()
	needWeir(t)
	s := (&scripted{offers: []string{"XCLIENT ADDR PORT HELO"}}).start(t)
	l := startLanes(t, lane{name: "many", backends: []string{s.addr}, pool: []string{"client_identity: xclient", "reuse: {max_idle: 4, idle: 1m}"}})
	for range 12 {
		c := l.visit(t, anna, "many")
		l.give(t, c, newMessage("many", filler(300)))
		host, port, _ := net.SplitHostPort(c.conn.LocalAddr().String())
		if len(s.told("XCLIENT HELO="+anna.helo+" PORT="+port+" ADDR="+host)) != 1 {
			t.Fatalf("the connector was not told of %s: %q", c.conn.LocalAddr(), s.told("XCLIENT"))
		}
	}
	eventually(t, ceiling, func() bool { return s.connected() <= 4 }, "%d connections are kept", s.connected())
}
