package integration

import (
	"strings"
	"testing"
)

// xclientEdge trusts 127.57.0.1 to speak for others.
func xclientEdge(t *testing.T) *edge {
	t.Helper()
	needWeir(t)
	ca := newAuthority(t)
	listener := []string{"xclient: {trust: [127.57.0.1/32]}", "accept_domains: [test.example]", "limits: {errors: 0}"}
	return newEdge(t, ca, lane{name: "open", listener: listener}, lane{name: "starttls", edge: ca.edge("starttls"), listener: listener})
}

// TestEdge_XCLIENT: P25 with what nginx's tests say of XCLIENT: with and without HELO, with LOGIN, and from strangers.
func TestEdge_XCLIENT(t *testing.T) {
	t.Parallel()
	e := xclientEdge(t)
	for _, row := range []struct {
		name  string
		lines []string // each answered 220
		hello string   // behind them; empty: nothing is said
		want  guest
	}{
		{"ADDR and HELO", []string{"XCLIENT ADDR=192.0.2.7 HELO=claimed.example"}, "", guest{"192.0.2.7", "claimed.example"}},
		{"ADDR only, and EHLO behind it", []string{"XCLIENT ADDR=192.0.2.8"}, "EHLO later.example", guest{"192.0.2.8", "later.example"}},
		{"ADDR only, and HELO behind it", []string{"XCLIENT ADDR=192.0.2.9 PORT=1234"}, "HELO plain.example", guest{"192.0.2.9", "plain.example"}},
		{"HELO, and EHLO behind it", []string{"XCLIENT ADDR=192.0.2.10 HELO=claimed.example"}, "EHLO later.example", guest{"192.0.2.10", ""}},
		{"in two commands", []string{"XCLIENT NAME=mx.example ADDR=192.0.2.11", "XCLIENT HELO=claimed.example LOGIN=someone"}, "EHLO later.example", guest{"192.0.2.11", ""}},
		{"IPv6", []string{"XCLIENT ADDR=IPV6:2001:db8::7 PORT=2525"}, "EHLO six.example", guest{"2001:db8::7", "six.example"}},
		{"nothing known", []string{"XCLIENT NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE]"}, "EHLO unknown.example", guest{"", "unknown.example"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := e.visit(t, filterGuest(), "open")
			says(t, "the offer", c.caps["XCLIENT"], "ADDR", "HELO", "LOGIN", "NAME", "PORT", "PROTO")
			for i, line := range row.lines {
				expect(t, c, 220, "%s", line)
				if i < len(row.lines)-1 {
					expect(t, c, 250, "EHLO again.example")
				}
			}
			if row.hello != "" {
				expect(t, c, 250, "%s", row.hello)
			}
			m := newMessage("xclient", filler(300))
			if row.hello == "" {
				// Postfix wants EHLO after XCLIENT, and so may weir.
				if rep, err := c.cmd("%s", m.mailLine()); err != nil || rep.code != 250 && rep.code != 503 {
					t.Fatalf("MAIL behind XCLIENT with HELO: %v, %v", rep, err)
				} else if rep.code == 503 {
					expect(t, c, 250, "EHLO %s", row.want.helo)
				} else {
					expect(t, c, 250, "RSET")
				}
			}
			e.give(t, c, m)
			e.arrived(t, m, said{addr: row.want.addr, helo: row.want.helo})
		})
	}
}

// filterGuest is who may speak for others.
func filterGuest() guest { return guest{"127.57.0.1", "filter.example"} }

// TestEdge_XCLIENTOutOfPlace: XCLIENT at the wrong moment, misspelled, from strangers (P25), and behind STARTTLS.
func TestEdge_XCLIENTOutOfPlace(t *testing.T) {
	t.Parallel()
	e, filter := xclientEdge(t), filterGuest()
	t.Run("a transaction is no place for it", func(t *testing.T) {
		t.Parallel()
		c := e.visit(t, filter, "open")
		expect(t, c, 250, "MAIL FROM:<a@sender.example>")
		expect(t, c, 503, "XCLIENT ADDR=192.0.2.20")
	})
	t.Run("malformed", func(t *testing.T) {
		t.Parallel()
		c := e.visit(t, filter, "open")
		for _, arg := range []string{"", "ADDR=nowhere", "ADDR", "HOCUS=POCUS", "PORT=99999", "HELO=a+ZZ"} {
			expect(t, c, 501, "%s", strings.TrimSpace("XCLIENT "+arg))
		}
	})
	t.Run("P25 from strangers", func(t *testing.T) {
		t.Parallel()
		c := e.visit(t, guest{"127.57.0.2", "stranger.example"}, "open")
		for _, verb := range []string{"XCLIENT", "XFORWARD"} {
			if c.offers(verb) {
				t.Errorf("%s is offered", verb)
			}
			if rep := expect(t, c, 550, "%s ADDR=192.0.2.7", verb); !strings.HasPrefix(rep.text(), "5.7.") {
				t.Errorf("it is answered %s", rep)
			}
		}
	})
	t.Run("STARTTLS first", func(t *testing.T) {
		t.Parallel()
		c := e.visit(t, filter, "starttls")
		e.secure(t, c, filter, e.ca)
		expect(t, c, 220, "XCLIENT ADDR=192.0.2.30")
		expect(t, c, 250, "EHLO inside.example")
		m := newMessage("xclient", filler(300))
		e.give(t, c, m)
		e.arrived(t, m, said{"192.0.2.30", "inside.example", []string{"1.3"}})
	})
}

// TestEdge_AcceptDomains: the relay guard refuses a recipient in its place, and never <postmaster>.
func TestEdge_AcceptDomains(t *testing.T) {
	t.Parallel()
	e := xclientEdge(t)
	from := guest{source(58, 0), "guarded.example"}
	c := e.visit(t, from, "open")
	if err := c.write([]byte("MAIL FROM:<guarded@sender.example>\r\nRCPT TO:<a@elsewhere.example>\r\nRCPT TO:<a@test.example>\r\nRCPT TO:<A@TEST.Example>\r\n" +
		"RCPT TO:<a@sub.test.example>\r\nRCPT TO:<postmaster>\r\nRCPT TO:<a%elsewhere.example@test.example>\r\nRCPT TO:<@test.example:a@elsewhere.example>\r\nDATA\r\n")); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"250", "550 5.7.1", "250", "250", "550 5.7.1", "250", "550 5.7.1", "550 5.7.1", "354"} {
		if rep, err := c.read(); err != nil || !strings.HasPrefix(rep.String(), want) {
			t.Fatalf("answer %d is %v, %v; want %s", i, rep, err, want)
		}
	}
	if rep, err := c.finish([]byte("one\r\n.\r\n")); err != nil {
		t.Fatalf("%v, %v", rep, err)
	}
	for _, m := range e.c.Messages() {
		if m.From == "guarded@sender.example" && len(m.To) != 3 {
			t.Errorf("it went to %q", m.To)
		}
	}
}

// TestEdge_XFORWARD: P25, what a filter says of a client is for one transaction, and for the log and connectors that want it.
func TestEdge_XFORWARD(t *testing.T) {
	t.Parallel()
	e := xclientEdge(t)
	c := e.visit(t, guest{"127.57.0.1", "filter.example"}, "open")
	says(t, "the offer", c.caps["XFORWARD"], "ADDR", "HELO", "NAME", "PORT", "PROTO", "IDENT", "SOURCE")
	expect(t, c, 250, "XFORWARD NAME=mx.example ADDR=192.0.2.40 PORT=4000 HELO=claimed.example SOURCE=REMOTE IDENT=abc")
	first, second := newMessage("xforward", filler(300)), newMessage("xforward", filler(300))
	e.give(t, c, first)
	e.give(t, c, second)
	for _, m := range []*message{first, second} {
		e.arrived(t, m, said{addr: "127.57.0.1", helo: "filter.example"})
	}
	expect(t, c, 501, "XFORWARD ADDR=nowhere")
	expect(t, c, 250, "MAIL FROM:<a@sender.example>")
	expect(t, c, 503, "XFORWARD ADDR=192.0.2.41")
}
