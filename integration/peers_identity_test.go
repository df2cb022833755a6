package integration

import (
	"strings"
	"testing"
)

// identitySite is weir before a Postfix with a service for each way of telling it of a client, and a lane to each.
type identitySite struct {
	*lanes
	h *mailHost
}

func newIdentitySite(t *testing.T) *identitySite {
	t.Helper()
	h := newMailHost(t, "identity.test.example")
	kept := "reuse: {idle: 3s}" // long enough for a second message, short enough to wait for the connection's end
	to := func(name, identity string, settings ...string) lane {
		return lane{name: name, backends: []string{h.smtpd(name, settings...)}, pool: []string{"client_identity: " + identity, kept}}
	}
	all := []lane{
		to("none", "none"),
		to("xclient", "xclient", "smtpd_authorized_xclient_hosts = 127.0.0.1"),
		to("xforward", "xforward", "smtpd_authorized_xforward_hosts = 127.0.0.1"),
		to("proxy1", "proxy-v1", behindProxy),
		to("proxy2", "proxy-v2", behindProxy),
		to("unasked", "xclient"),
		{name: "screen", backends: []string{h.postscreen("screen")}, pool: []string{"client_identity: proxy-v2", kept}},
	}
	h.start()
	return &identitySite{lanes: startLanes(t, all...), h: h}
}

// TestPeers_PostfixIdentity: what a Postfix is told of the clients, by each of the ways (P32), and which of its connections
// carry whose mail. Its own words are the proof: Received lines and its log.
func TestPeers_PostfixIdentity(t *testing.T) {
	t.Parallel()
	needWeir(t)
	s := newIdentitySite(t)
	atOnce(t, map[string]func(*testing.T){
		"P33 without an identity the connector knows weir, and weir's own line knows the client": s.none,
		"P32 XCLIENT names the client, and its connection is the client's own":                   func(t *testing.T) { s.own(t, "xclient") },
		"P32 PROXY v1 names the client, and its connection is the client's own":                  func(t *testing.T) { s.own(t, "proxy1") },
		"P32 PROXY v2 names the client, and its connection is the client's own":                  func(t *testing.T) { s.own(t, "proxy2") },
		"P32 PROXY to a postscreen, which lets the stranger wait and not the probe":              s.screen,
		"P32 XFORWARD tells of each message's client, on a connection for all":                   s.forward,
		"P32 XCLIENT with names that senders really use":                                         func(t *testing.T) { s.names(t, "xclient") },
		"P32 PROXY with names that senders really use":                                           func(t *testing.T) { s.names(t, "proxy2") },
		"P32 an XCLIENT that is not offered is not sent, and mail goes on":                       s.unasked,
	})
}

// visits are two messages of one client on its connection, and then one of another client; the topmost Received lines of all, and
// the header of the first.
func (s *identitySite) visits(t *testing.T, name string) (first, second, other, header string) {
	t.Helper()
	a, b := s.visit(t, anna, name), s.visit(t, bert, name)
	m := []*message{newMessage(name, filler(300)), newMessage(name, filler(300)), newMessage(name, filler(300))}
	s.give(t, a, m[0])
	s.give(t, a, m[1])
	s.give(t, b, m[2])
	a.quit()
	b.quit()
	header = s.h.got(t, m[0])
	return receivedLines(header)[0], receivedLines(s.h.got(t, m[1]))[0], receivedLines(s.h.got(t, m[2]))[0], header
}

func (s *identitySite) none(t *testing.T) {
	first, _, _, header := s.visits(t, "none")
	says(t, "Postfix's line", first, "from weir.test.example", "[127.0.0.1]")
	says(t, "weir's line", receivedLines(header)[1], "from anna.sender.example ([127.0.44.1])", "by weir.test.example", "with ESMTP")
	s.h.logs(t, 1, "none", `disconnect from .* mail=3 `)
}

func (s *identitySite) own(t *testing.T, name string) {
	first, second, other, header := s.visits(t, name)
	for _, line := range []string{first, second} {
		says(t, "Postfix's line", line, "from anna.sender.example (unknown [127.0.44.1])", "with ESMTP")
	}
	says(t, "Postfix's line", other, "from bert.sender.example (unknown [127.0.44.2])")
	silent(t, "the header", header, "by weir.test.example")
	s.h.logs(t, 1, name, `disconnect from unknown\[127\.0\.44\.1\].* mail=2 `)
	s.h.logs(t, 1, name, `disconnect from unknown\[127\.0\.44\.2\].* mail=1 `)
}

func (s *identitySite) screen(t *testing.T) {
	first, _, other, _ := s.visits(t, "screen")
	says(t, "Postfix's line", first, "from anna.sender.example (unknown [127.0.44.1])")
	says(t, "Postfix's line", other, "from bert.sender.example (unknown [127.0.44.2])")
	s.h.logs(t, 1, "screen", `CONNECT from \[127\.0\.44\.1\]:\d+ to \[127\.0\.0\.1\]`)
	s.h.logs(t, 1, "screen", `PASS NEW \[127\.0\.44\.1\]`)
	s.h.logs(t, 1, "screen", `ALLOWLISTED \[127\.0\.0\.1\]`)
}

func (s *identitySite) forward(t *testing.T) {
	first, _, _, header := s.visits(t, "xforward")
	says(t, "Postfix's line", first, "from weir.test.example", "[127.0.0.1]")
	says(t, "weir's line", receivedLines(header)[1], "from anna.sender.example ([127.0.44.1])")
	s.h.logs(t, 2, "xforward", `client=\S+\[127\.0\.0\.1\].* orig_client=unknown\[127\.0\.44\.1\]`)
	s.h.logs(t, 1, "xforward", `client=\S+\[127\.0\.0\.1\].* orig_client=unknown\[127\.0\.44\.2\]`)
	s.h.logs(t, 1, "xforward", `disconnect from .* mail=3 `)
}

func (s *identitySite) unasked(t *testing.T) {
	first, _, _, header := s.visits(t, "unasked")
	says(t, "Postfix's line", first, "from ", "[127.0.0.1]")
	says(t, "weir's line", receivedLines(header)[1], "from anna.sender.example ([127.0.44.1])", "by weir.test.example")
}

func (s *identitySite) names(t *testing.T, name string) {
	carl := guest{addr: "127.0.44.3"}
	for _, carl.helo = range []string{"[127.0.44.3]", "carl_s-pc", "localhost.localdomain", strings.Repeat("long.", 40) + "example"} {
		m := newMessage(name, filler(300))
		s.give(t, s.visit(t, carl, name), m)
		says(t, "Postfix's line", receivedLines(s.h.got(t, m))[0], "from "+carl.helo+" (unknown [127.0.44.3])")
	}
	c := s.visit(t, carl, name)
	expect(t, c, 250, "HELO carl-of-old")
	m := newMessage(name, filler(300))
	s.give(t, c, m)
	says(t, "Postfix's line", receivedLines(s.h.got(t, m))[0], "from carl-of-old (unknown [127.0.44.3])", "with ")
}
