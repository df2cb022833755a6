package integration

import (
	"fmt"
	"strings"
	"testing"
)

// Ways in which an offered STARTTLS comes to nothing.
const (
	// noKey: Postfix has no certificate, and answers 454 to STARTTLS.
	noKey = "smtpd_tls_chain_files = /nonexistent/weir.pem"
	// oldOnly: the handshake fails, as there is no version that both know.
	oldOnly = "smtpd_tls_protocols = TLSv1"
)

// Settings of a service.
const (
	offersTLS   = "smtpd_tls_security_level = may"
	needsTLS    = "smtpd_tls_security_level = encrypt"
	wrapped     = "smtpd_tls_wrappermode = yes" // TLS from the first octet on
	behindProxy = "smtpd_upstream_proxy_protocol = haproxy"
)

// tlsSite is weir before a Postfix with a service for each way of TLS, and a lane to each.
type tlsSite struct {
	*lanes
	h *mailHost
}

func newTLSSite(t *testing.T) *tlsSite {
	t.Helper()
	ca, h := newAuthority(t), newMailHost(t, "tls.test.example")
	h.secured(ca)
	verified := fmt.Sprintf("verify: true, ca: %q, server_name", ca.file)
	// Where TLS fails the deeper probes would find that first, and no mail would try.
	to := func(name, tls string, settings ...string) lane {
		return lane{name: name, tls: tls, health: strings.Replace(askedOnce, "envelope", "tcp", 1), backends: []string{h.smtpd(name, settings...)}}
	}
	known := func(name, tls, identity string, settings ...string) lane {
		one := to(name, tls, settings...)
		one.health, one.pool = askedOnce, []string{"client_identity: " + identity}
		return one
	}
	all := []lane{
		to("verified", "{mode: required, "+verified+": tls.test.example}", offersTLS),
		to("address", fmt.Sprintf("{mode: required, verify: true, ca: %q}", ca.file), offersTLS),
		to("misnamed", "{mode: required, "+verified+": other.test.example}", offersTLS),
		to("unverified", "{mode: required, verify: true, server_name: tls.test.example}", offersTLS),
		to("unoffered", "{mode: required}"),
		to("implicit", "{mode: implicit, "+verified+": tls.test.example}", wrapped, needsTLS),
		to("opportunistic", "{mode: opportunistic}", offersTLS),
		to("nokey", "{mode: opportunistic}", offersTLS, noKey),
		to("oldonly", "{mode: opportunistic}", offersTLS, oldOnly),
		to("oldrequired", "{mode: required}", offersTLS, oldOnly),
		known("proxied", "{mode: required}", "proxy-v2", offersTLS, behindProxy),
		known("wrapped", "{mode: implicit}", "proxy-v1", wrapped, needsTLS, behindProxy),
		known("named", "{mode: required}", "xclient", offersTLS, "smtpd_authorized_xclient_hosts = 127.0.0.1"),
		{name: "impatient", tls: "{mode: required}", backends: []string{h.smtpd("impatient", offersTLS, "smtpd_timeout = 1s")}, pool: []string{"reuse: {idle: 30s}"}},
		known("broken", "{mode: opportunistic}", "proxy-v2", offersTLS, oldOnly, behindProxy),
	}
	h.start()
	return &tlsSite{lanes: startLanes(t, all...), h: h}
}

// TestPeers_PostfixTLS: towards a real Postfix, each mode of a pool's tls, and what becomes of TLS that fails (P3).
func TestPeers_PostfixTLS(t *testing.T) {
	t.Parallel()
	needWeir(t)
	s := newTLSSite(t)
	all := map[string]func(*testing.T){}
	each := func(what string, test func(*testing.T, string), names ...string) {
		for _, name := range names {
			all[what+": "+name] = func(t *testing.T) { test(t, name) }
		}
	}
	each("P3 in TLS", s.secured, "verified", "address", "implicit", "opportunistic")
	each("P3 P32 an identity and TLS", s.identity, "proxied", "wrapped", "named", "broken")
	each("P3 opportunistic TLS that fails is no obstacle", s.plaintext, "nokey", "oldonly")
	each("P3 required TLS that fails", s.deferred, "misnamed", "unverified", "unoffered", "oldrequired")
	all["P28 P3 a connection that Postfix closes while it waits is not used again"] = s.closed
	all["P28 ten megabytes in TLS"] = s.large
	all["P37 weir probe goes the way of the pool"] = s.probed
	atOnce(t, all)
}

func (s *tlsSite) closed(t *testing.T) {
	c := s.visit(t, anna, "impatient")
	first, second := newMessage("impatient", filler(300)), newMessage("impatient", filler(300))
	s.give(t, c, first)
	s.h.got(t, first)
	s.h.logs(t, 1, "impatient", "disconnect from .* mail=1 .*data=1")
	s.give(t, c, second)
	s.h.got(t, second)
	if line := s.line(t, second); line.num("replays") > 0 || triesOf(line) > 0 {
		t.Errorf("the connection was used again: %v", line)
	}
}

func (s *tlsSite) large(t *testing.T) {
	c := s.visit(t, anna, "verified")
	m := newMessage("large", filler(10<<20))
	s.give(t, c, m)
	s.h.got(t, m)
	m = newMessage("large", filler(10<<20))
	if _, err := c.sendBDAT(m, 3<<20); err != nil {
		t.Fatal(err)
	}
	s.h.got(t, m)
}

func (s *tlsSite) secured(t *testing.T, name string) {
	c := s.visit(t, anna, name)
	first, second := newMessage(name, filler(40_000)), newMessage(name, filler(300))
	s.give(t, c, first)
	s.give(t, c, second)
	for _, m := range []*message{first, second} {
		says(t, "Postfix's line", receivedLines(s.h.got(t, m))[0], "using TLSv1.3", "with ESMTPS")
	}
	s.h.logs(t, 1, name, "TLS connection established from .*TLSv1.3")
}

func (s *tlsSite) identity(t *testing.T, name string) {
	m := newMessage(name, filler(300))
	s.give(t, s.visit(t, anna, name), m)
	top := receivedLines(s.h.got(t, m))[0]
	says(t, "Postfix's line", top, "from anna.sender.example (unknown [127.0.44.1])")
	if secured := strings.Contains(top, "using TLSv1.3"); secured == (name == "broken") {
		t.Errorf("Postfix's line: %s", top)
	}
}

func (s *tlsSite) plaintext(t *testing.T, name string) {
	m := newMessage(name, filler(300))
	s.give(t, s.visit(t, anna, name), m)
	top := receivedLines(s.h.got(t, m))[0]
	says(t, "Postfix's line", top, "with ESMTP id")
	silent(t, "Postfix's line", top, "TLS")
	if tries := s.line(t, m).str("tries"); strings.Contains(tries, "tls") {
		t.Errorf("the connector was left for its TLS: %s", tries)
	}
}

func (s *tlsSite) deferred(t *testing.T, name string) {
	m := newMessage(name, filler(300))
	c := s.visit(t, anna, name)
	_, err := c.sendData(m)
	c.quit()
	if err == nil || !strings.Contains(err.Error(), "451 4.7.5") {
		t.Errorf("%v, want 451 4.7.5", err)
	}
	line := s.line(t, m)
	if line.str("outcome") != "deferred" || line.str("stage") != "tls" || len(s.h.logLines(name, "client=")) > 0 {
		t.Errorf("%v, and Postfix says %q", line, s.h.logLines(name, ""))
	}
}

func (s *tlsSite) probed(t *testing.T) {
	for name, words := range map[string][]string{
		"proxied":  {"STARTTLS", "TLS 1.3", "250"},
		"wrapped":  {"TLS 1.3", "250"},
		"verified": {"STARTTLS", "TLS 1.3", "tls.test.example"},
	} {
		r := s.ctl("probe", name+"/c0", "--starttls")
		if r.code != 0 {
			t.Errorf("weir probe %s/c0: exit %d: %s", name, r.code, r.stderr)
		}
		says(t, "weir probe "+name, r.stdout, words...)
	}
	if r := s.ctl("probe", "misnamed/c0", "--starttls"); r.code != 1 {
		t.Errorf("weir probe misnamed/c0: exit %d, want 1: %s", r.code, r.stdout)
	} else {
		says(t, "weir probe misnamed", r.stdout+r.stderr, "other.test.example")
	}
}
