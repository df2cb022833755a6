package integration

import (
	"strings"
	"testing"
)

// TestPeers_AUTHPool: what AUTH becomes when a pool's connectors differ, or are not reached by required TLS, and what an operator's
// drain is to a sender that has authenticated (P34).
func TestPeers_AUTHPool(t *testing.T) {
	t.Parallel()
	needWeir(t)
	site := &authSite{h: newMailHost(t, "pool.test.example"), ca: newAuthority(t)}
	d := startDovecot(t, "anna")
	h := site.h
	h.secured(site.ca)
	all, few := h.smtpd("all", d.sasl()...), h.smtpd("few", append(d.sasl(), "smtpd_sasl_mechanism_filter = plain, cram-md5")...)
	none := h.smtpd("none", offersTLS)
	edge := site.ca.edge("starttls")
	to := func(name, tls string, backends ...string) lane {
		return lane{name: name, tls: tls, edge: edge, backends: backends}
	}
	required := h.inTLS(site.ca)
	h.start()
	site.lanes = startLanes(t, to("both", required, all, few), to("some", required, all, none), to("lax", "{mode: opportunistic}", all),
		to("drained", required, all, few))

	for name, want := range map[string]string{"both": "CRAM-MD5 PLAIN", "some": "", "lax": ""} {
		t.Run("P30 P34 the mechanisms of all connectors, in required TLS: "+name, func(t *testing.T) {
			t.Parallel()
			c := site.enter(t, anna, name)
			for _, mechanism := range []string{"PLAIN", "CRAM-MD5", "LOGIN", "SCRAM-SHA-256"} {
				if offered := strings.Contains(c.caps["AUTH"], mechanism); offered != strings.Contains(want, mechanism) {
					t.Errorf("AUTH %q, want %q", c.caps["AUTH"], want)
				}
			}
			if want == "" && c.offers("AUTH") {
				t.Errorf("AUTH is offered: %v", c.caps)
			}
		})
	}
	t.Run("P34 an authenticated session is not moved", func(t *testing.T) {
		t.Parallel()
		c := site.enter(t, anna, "drained")
		expect(t, c, 235, "AUTH PLAIN %s", plainSecret(account, accountPassword))
		m := newMessage("drained", filler(300))
		site.give(t, c, m)
		h.got(t, m)
		drain(t, site.lanes, "drained/"+site.line(t, m).str("backend"))
		if rep, err := c.cmd("MAIL FROM:<a@sender.example>"); err != nil || rep.code != 421 || !strings.HasPrefix(rep.text(), "4.3.2") {
			t.Errorf("MAIL on a drained connector: %v, %v, want 421 4.3.2", rep, err)
		}
	})
	t.Run("P34 a lost connection is told at the boundary", func(t *testing.T) {
		t.Parallel()
		fickle := (&scripted{tls: site.ca.server("fickle.test.example"), offers: []string{"AUTH PLAIN"}, answers: map[string]string{"AUTH": "235 2.7.0 fine"}}).start(t)
		l := &authSite{ca: site.ca, lanes: startLanes(t, lane{name: "fickle", backends: []string{fickle.addr}, tls: "{mode: implicit}", edge: edge})}
		c := l.enter(t, anna, "fickle")
		expect(t, c, 235, "AUTH PLAIN %s", plainSecret(account, accountPassword))
		l.give(t, c, newMessage("fickle", filler(300)))
		fickle.drop()
		rep := expect(t, c, 421, "MAIL FROM:<a@sender.example>")
		says(t, "the reply", rep.String(), "4.3.2")
		if n := len(fickle.told("AUTH")); n != 1 {
			t.Errorf("the connector was given credentials %d times, want once", n)
		}
	})
}
