package integration

import (
	"strings"
	"testing"

	"weir/internal/faulty"
)

// unwanted is what keeps bert out of a Postfix, at the moment that it learns of him.
func (h *mailHost) unwanted() (settings []string) {
	h.t.Helper()
	h.writeFile("etc/unwanted", bert.addr+"/32 550 5.7.1 not from you\n")
	return []string{
		"smtpd_delay_reject = no", "smtpd_client_restrictions = check_client_access cidr:" + h.path("etc/unwanted"),
		"smtpd_authorized_xclient_hosts = 127.0.0.1",
	}
}

// TestPeers_ClientRefused: a Postfix that refuses a client once it was told of it judges the client (P3a). It gets that answer,
// no other connector is asked, and nothing counts against this one; others are served as before.
func TestPeers_ClientRefused(t *testing.T) {
	t.Parallel()
	needWeir(t)
	h := newMailHost(t, "refuses.test.example")
	strict := h.unwanted()
	proxied := append(strict, behindProxy)
	two := func(name, identity string, settings []string) lane {
		return lane{name: name, pool: []string{"client_identity: " + identity}, backends: []string{h.smtpd(name+"0", settings...), h.smtpd(name+"1", settings...)}}
	}
	all := []lane{two("xclient", "xclient", strict), two("proxy1", "proxy-v1", proxied), two("proxy2", "proxy-v2", proxied)}
	h.start()
	l := startLanes(t, all...)

	for _, name := range []string{"xclient", "proxy1", "proxy2"} {
		t.Run("P3a "+name, func(t *testing.T) {
			t.Parallel()
			const often = 8 // more than five failures in a row, after which a connector would be out
			for range often {
				refusedClient(t, l, h, name)
			}
			c := l.visit(t, anna, name)
			for range 2 {
				m := newMessage(name, filler(300))
				l.give(t, c, m)
				h.got(t, m)
			}
			for i := range 2 {
				if b := l.status().backend(name, backendName(i)); b.State != "up" || b.Failures != 0 {
					t.Errorf("%s/%s is %s with %d failures: %s", name, b.Name, b.State, b.Failures, b.Reason)
				}
			}
		})
	}
}

// TestPeers_ClientHasTooMany: a Postfix that greets a client it was told of with 421, as it has a connection open already. That
// is between the two of them (P3a): 451, nobody else is asked, and the connector stays as it was.
func TestPeers_ClientHasTooMany(t *testing.T) {
	t.Parallel()
	needWeir(t)
	h := newMailHost(t, "one.test.example")
	settings := []string{behindProxy, "smtpd_client_connection_count_limit = 1", "smtpd_client_event_limit_exceptions = 127.0.0.1"}
	full := lane{name: "full", backends: []string{h.smtpd("full0", settings...), h.smtpd("full1", settings...)}, pool: []string{"client_identity: proxy-v2"}}
	h.start()
	l := startLanes(t, full)
	open := []*client{l.visit(t, bert, "full"), l.visit(t, bert, "full")}
	for _, c := range open { // round-robin: one at each connector, and counted there
		expect(t, c, 250, "MAIL FROM:<a@sender.example>")
		expect(t, c, 250, "RCPT TO:<box@test.example>")
	}
	for range 8 {
		c := l.visit(t, bert, "full")
		m := newMessage("full", filler(300))
		expect(t, c, 250, "%s", m.mailLine())
		says(t, "the reply", expect(t, c, 451, "RCPT TO:<box@test.example>").String(), "too many connections")
		c.quit()
		if line := l.line(t, m); triesOf(line) > 1 || line.str("outcome") != "deferred" {
			t.Errorf("the log: %v", line)
		}
	}
	m := newMessage("full", filler(300))
	l.give(t, l.visit(t, anna, "full"), m)
	h.got(t, m)
	stillUp(t, l, "full")
}

// refusedClient is one try of bert's: refused in Postfix's words, at one connector.
func refusedClient(t *testing.T, l *lanes, h *mailHost, name string) {
	t.Helper()
	c := l.visit(t, bert, name)
	m := newMessage(name, filler(300))
	expect(t, c, 250, "%s", m.mailLine())
	for range 2 {
		rep, err := c.cmd("RCPT TO:<box@test.example>")
		if err != nil || rep.code != 550 {
			t.Fatalf("RCPT: %v, %v, want 550", rep, err)
		}
		says(t, "the reply", rep.String(), "5.7.1", "not from you")
	}
	c.quit()
	line := l.line(t, m)
	if triesOf(line) > 1 || line.str("by") != "connector" || line.str("outcome") != "rejected" {
		t.Errorf("the log: %v", line)
	}
}

// TestPeers_XFORWARDRefused: what is for the log only is no obstacle to mail.
func TestPeers_XFORWARDRefused(t *testing.T) {
	t.Parallel()
	needWeir(t)
	var backends []string
	for _, pipelining := range []string{"PIPELINING", "SIZE"} {
		s := &scripted{offers: []string{"XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE", pipelining}, answers: map[string]string{"XFORWARD": "550 5.7.0 not for you"}}
		backends = append(backends, s.start(t).addr)
	}
	l := startLanes(t, lane{name: "two", backends: backends, pool: []string{"client_identity: xforward"}})
	c := l.visit(t, anna, "two")
	for range 4 {
		m := newMessage("two", filler(300))
		l.give(t, c, m)
		if line := l.line(t, m); triesOf(line) > 0 {
			t.Errorf("the log: %v", line)
		}
	}
	stillUp(t, l, "two")
}

// TestPeers_XCLIENTNotAuthorized: a connector that offers XCLIENT and then does not let weir use it is set up wrongly, and only
// a person can help: senders are told 451 4.3.5, the operator is told in words, and the connector is not blamed. Postfix
// says so after an XCLIENT that took weir's rights away; here that is scripted.
func TestPeers_XCLIENTNotAuthorized(t *testing.T) {
	t.Parallel()
	needWeir(t)
	for _, answer := range []string{"550 5.7.0 Error: insufficient authorization", "503 5.5.0 Error: bad sequence", "501 5.5.4 Error: bad parameter"} {
		t.Run("P3a "+answer, func(t *testing.T) {
			t.Parallel()
			s := (&scripted{offers: []string{"XCLIENT NAME ADDR PORT PROTO HELO"}, answers: map[string]string{"XCLIENT": answer}}).start(t)
			l := startLanes(t, lane{name: "only", backends: []string{s.addr}, pool: []string{"client_identity: xclient"}})
			for range 6 {
				m := newMessage("only", filler(300))
				c := l.visit(t, anna, "only")
				_, err := c.sendData(m)
				c.quit()
				if err == nil || !strings.Contains(err.Error(), "451 4.3.5") {
					t.Fatalf("%v, want 451 4.3.5", err)
				}
			}
			loud := l.logged(func(line logLine) bool { return line.str("level") == "error" && line.str("backend") == "c0" })
			if len(loud) == 0 {
				t.Fatalf("nothing tells the operator: %s", l.tail(3000))
			}
			says(t, "the log", loud[0].str("why"), "only/c0", "tell it of a client", answer)
			if b := l.status().backend("only", "c0"); b.State != "up" || b.Failures != 0 {
				t.Errorf("the connector is %s with %d failures: %s", b.State, b.Failures, b.Reason)
			}
		})
	}
}

// TestPeers_HeaderNotExpected: a Postfix that was not told to expect the PROXY header takes it for commands, and answers to them.
// That is our misconfiguration, not an answer to the client: nobody's mail may bounce for it (P3a).
func TestPeers_HeaderNotExpected(t *testing.T) {
	t.Parallel()
	needWeir(t)
	h := newMailHost(t, "unaware.test.example")
	var all []lane
	for _, version := range []string{"proxy-v1", "proxy-v2"} {
		// The deeper probes find it out, and no mail would try.
		all = append(all, lane{
			name: version, backends: []string{h.smtpd(version)}, health: strings.Replace(askedOnce, "envelope", "tcp", 1),
			pool: []string{"client_identity: " + version},
		})
	}
	h.start()
	l := startLanes(t, all...)
	for _, one := range all {
		m := newMessage(one.name, filler(300))
		c := l.visit(t, anna, one.name)
		_, err := c.sendData(m)
		c.quit()
		if err == nil || !strings.Contains(err.Error(), "451 4.3.5") {
			t.Errorf("%s: %v, want 451 4.3.5", one.name, err)
		}
		eventually(t, ceiling, func() bool {
			return len(l.logged(func(line logLine) bool { return line.str("level") == "error" && line.str("pool") == one.name })) > 0
		}, "nothing tells the operator of %s", one.name)
	}
}

// TestPeers_CapabilityLies: connectors that no longer offer, or do not take, what they announced when they were asked. The
// next candidate takes the mail, and who lied is not taken out for it.
func TestPeers_CapabilityLies(t *testing.T) {
	t.Parallel()
	needWeir(t)
	t.Run("P31 a Postfix that stops offering SMTPUTF8", func(t *testing.T) {
		t.Parallel()
		h := newMailHost(t, "lies.test.example")
		fickle, steady := h.smtpd("fickle"), h.smtpd("steady", "smtpd_discard_ehlo_keywords = ")
		h.start()
		l := startLanes(t, lane{name: "two", backends: []string{fickle, steady}})
		h.stop() // a reload leaves old processes for a while
		h.addMain("smtpd_discard_ehlo_keywords = smtputf8\n")
		h.start()
		c := l.visit(t, anna, "two")
		for range 4 {
			m := newMessage("lies", filler(300))
			utf8Mail(t, c, m)
			h.got(t, m)
			if line := l.line(t, m); line.str("backend") != "c1" {
				t.Errorf("the one that cannot was given a message: %v", line)
			}
		}
		stillUp(t, l, "two")
	})
	t.Run("P5 P31 a connector that refuses a parameter it offers", func(t *testing.T) {
		t.Parallel()
		liar, err := faulty.New(faulty.Options{Name: "liar", Behaviour: lying()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(liar.Close)
		honest := (&scripted{offers: []string{"SMTPUTF8", "8BITMIME"}}).start(t)
		l := startLanes(t, lane{name: "two", backends: []string{liar.Addr(), honest.addr}})
		c := l.visit(t, anna, "two")
		for range 4 {
			m := newMessage("lies", filler(300))
			utf8Mail(t, c, m)
			says(t, "MAIL", honest.mailLineOf(t, m), "SMTPUTF8")
		}
		if n := liar.Stats().Messages; n > 0 {
			t.Errorf("the liar took %d messages", n)
		}
	})
	t.Run("P31 nobody is able any more", func(t *testing.T) {
		t.Parallel()
		liar, err := faulty.New(faulty.Options{Name: "liar", Behaviour: lying()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(liar.Close)
		l := startLanes(t, lane{name: "one", backends: []string{liar.Addr()}})
		c := l.visit(t, anna, "one")
		expect(t, c, 250, "MAIL FROM:<lies-0@sender.example> SMTPUTF8")
		rep := expect(t, c, 451, "RCPT TO:<bücher@test.example>")
		says(t, "the reply", rep.String(), "451 4.3.5")
		l.give(t, l.visit(t, anna, "one"), newMessage("one", filler(300)))
	})
}

// lying is a server that offers SMTPUTF8 and refuses mail that wants it.
func lying() faulty.Behaviour {
	b := faulty.Honest()
	b.Capabilities.Extra = append(b.Capabilities.Extra, "SMTPUTF8")
	b.Faults = []faulty.Fault{faulty.Say(faulty.MAIL, "555 5.5.4 Unsupported option: SMTPUTF8").Containing("lies-")}
	return b
}

// utf8Mail gives one message with SMTPUTF8.
func utf8Mail(t *testing.T, c *client, m *message) {
	t.Helper()
	expect(t, c, 250, "MAIL FROM:<%s> SMTPUTF8", m.from)
	expect(t, c, 250, "RCPT TO:<bücher@test.example>")
	expect(t, c, 354, "DATA")
	if _, err := c.finish(m.stuffed()); err != nil {
		t.Fatalf("sending %s: %v", m.id, err)
	}
}

// stillUp wants all connectors of a lane in service.
func stillUp(t *testing.T, l *lanes, name string) {
	t.Helper()
	for i := range l.by[name].backends {
		if b := l.status().backend(name, backendName(i)); b.State != "up" {
			t.Errorf("%s/%s is %s: %s", name, b.Name, b.State, b.Reason)
		}
	}
}
