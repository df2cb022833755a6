package integration

import (
	"fmt"
	"testing"
)

// eximSite is weir before an Exim.
type eximSite struct {
	*lanes
	e *exim
}

func newEximSite(t *testing.T) *eximSite {
	t.Helper()
	e := startExim(t)
	to := func(name, addr, identity string) lane {
		return lane{name: name, backends: []string{addr}, pool: []string{"client_identity: " + identity}}
	}
	secured := func(name, mode, addr, identity string) lane {
		one := to(name, addr, identity)
		one.tls = fmt.Sprintf("{mode: %s, verify: true, ca: %q, server_name: exim.test.example}", mode, e.ca.file)
		return one
	}
	return &eximSite{e: e, lanes: startLanes(t, to("none", e.direct, "none"), to("proxy1", e.proxy, "proxy-v1"), to("proxy2", e.proxy, "proxy-v2"),
		secured("starttls", "required", e.proxy, "proxy-v2"), secured("implicit", "implicit", e.wrapped, "proxy-v1"))}
}

// TestPeers_Exim: a real Exim that wants a PROXY header, or none, and takes BDAT. Its log of all that it knows is the proof.
func TestPeers_Exim(t *testing.T) {
	t.Parallel()
	needWeir(t)
	s := newEximSite(t)
	atOnce(t, map[string]func(*testing.T){
		"P22 BDAT and DATA of all bodies":  s.bodies,
		"P32 PROXY v1 names the client":    func(t *testing.T) { s.named(t, "proxy1") },
		"P32 PROXY v2 names the client":    func(t *testing.T) { s.named(t, "proxy2") },
		"P3 PROXY v2, STARTTLS of GnuTLS":  func(t *testing.T) { s.secured(t, "starttls") },
		"P3 PROXY v1, then TLS of GnuTLS":  func(t *testing.T) { s.secured(t, "implicit") },
		"P11 half a message never arrives": s.halves,
		"P31 SMTPUTF8":                     s.utf8,
	})
}

func (s *eximSite) bodies(t *testing.T) {
	c := s.visit(t, anna, "none")
	if !c.offers("CHUNKING") || !c.offers("8BITMIME") || !c.offers("SMTPUTF8") || !c.offers("DSN") {
		t.Errorf("weir offers %v before an Exim", c.caps)
	}
	for _, name := range []string{"plain", "dots", "8bit", "998", "empty", "200k", "no-newline"} {
		m := newMessage("exim-"+name, bodyNamed(t, name))
		if _, err := c.sendBDAT(m, 1+len(m.raw)/3); err != nil {
			t.Fatalf("%s: %v", m.id, err)
		}
		says(t, "the arrival", s.e.took(t, m), "H=(weir.test.example) [127.0.0.1]", " K ")
		if name == "no-newline" {
			continue // DATA cannot say it
		}
		m = newMessage("exim-"+name, bodyNamed(t, name))
		s.give(t, c, m)
		s.e.took(t, m)
	}
}

func (s *eximSite) named(t *testing.T, name string) {
	a, b := s.visit(t, anna, name), s.visit(t, bert, name)
	first, second, other := newMessage(name, eightBits()), newMessage(name, filler(300)), newMessage(name, filler(300))
	s.give(t, a, first)
	s.give(t, a, second)
	s.give(t, b, other)
	for _, m := range []*message{first, second} {
		says(t, "the arrival", s.e.took(t, m), "H=(anna.sender.example) [127.0.44.1]", "PRX=127.0.0.1")
	}
	says(t, "the arrival", s.e.took(t, other), "H=(bert.sender.example) [127.0.44.2]", "PRX=127.0.0.1")
}

func (s *eximSite) secured(t *testing.T, name string) {
	c := s.visit(t, anna, name)
	for range 3 {
		m := newMessage(name, filler(100_000))
		s.give(t, c, m)
		says(t, "the arrival", s.e.took(t, m), "H=(anna.sender.example) [127.0.44.1]", "P=esmtps", "X=TLS1.3")
	}
}

func (s *eximSite) halves(t *testing.T) {
	for _, name := range []string{"none", "starttls", "implicit"} {
		for _, begin := range []string{"DATA\r\n", "BDAT 30000\r\n"} {
			c := s.visit(t, anna, name)
			m := newMessage("half", filler(30_000))
			if err := c.envelope(m); err != nil {
				t.Fatal(err)
			}
			if err := c.write(append([]byte(begin), m.raw[:30_000]...)); err != nil {
				t.Fatal(err)
			}
			if rep, err := c.read(); err != nil || rep.class() > 3 {
				t.Fatalf("%v, %v", rep, err)
			}
			c.close()
			if line := s.line(t, m); line.str("outcome") != "aborted" {
				t.Errorf("the log: %v", line)
			}
			whole := newMessage("whole", filler(300))
			s.give(t, s.visit(t, anna, name), whole)
			s.e.took(t, whole)
			if lines := s.e.arrivals(m); len(lines) > 0 {
				t.Errorf("half a message arrived: %q", lines)
			}
		}
	}
}

func (s *eximSite) utf8(t *testing.T) {
	c := s.visit(t, anna, "none")
	m := newMessage("exim-utf8", filler(300))
	utf8Mail(t, c, m)
	says(t, "the arrival", s.e.took(t, m), "P=utf8esmtp", "bücher@test.example")
}
