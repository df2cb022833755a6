package health

import (
	"crypto/x509"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/smtp"
)

const (
	greeted   = "S: 220 mx ESMTP\nC: EHLO weir.test\nS: 250 mx\n"
	enveloped = "C: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<postmaster>\nS: 250 ok\nC: RSET\nS: 250 ok\n"
	together  = "S: 220 mx ESMTP\nC: EHLO weir.test\nS: 250-mx\nS: 250 PIPELINING\nC: MAIL FROM:<>\nC: RCPT TO:<postmaster>\nC: RSET\n"
	answered  = "S: 250 ok\nS: 250 ok\nS: 250 ok\n"
	offered   = "C: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<weir-relay-test@example.net>\n"
)

// P39: behind its verdict, at the start and then hourly, an envelope probe offers a
// recipient of nobody's. What becomes of that is nothing to the verdict.
func TestEnvelopeProbeAsksForRelay(t *testing.T) {
	for name, test := range map[string]struct {
		asked, then string // what the first connection goes on with, and the second
		code        int    // that was found first
	}{
		"refused":      {offered + "S: 554 5.7.1 Relay access denied\n" + goodbye, goodbye, 554},
		"taken":        {offered + "S: 250 2.1.5 Ok\n" + goodbye, goodbye, 250},
		"not now":      {offered + "S: 451 4.7.1 Greylisted\n" + goodbye, goodbye, 451},
		"no sender":    {"C: MAIL FROM:<>\nS: 452 4.3.1 Full\n" + goodbye, goodbye, 452},
		"lost":         {offered + "close", goodbye, 0},
		"shown out":    {offered + "S: 421 4.3.2 Bye\nEOF\nclose", goodbye, 0},
		"without QUIT": {offered + "S: 550 No\nC: QUIT\nclose", goodbye, 550},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, played := playAll(t, steps(greeted+enveloped+test.asked), steps(greeted+enveloped+test.then))
			asksOnce(t, address, played, test.code)
			address, played = playAll(t, steps(together+answered+test.asked), steps(together+answered+test.then))
			asksOnce(t, address, played, test.code)
		})
	}
}

// asksOnce probes twice, and is told what the first probe finds; the second does not ask.
func asksOnce(t *testing.T, address string, played <-chan error, code int) {
	t.Helper()
	prober := NewProber(Config{Probe: DepthEnvelope, To: "postmaster", Timeout: time.Hour, AskRelay: true}, connector.Dialer{Hostname: "weir.test"})
	for i, want := range []int{code, 0} {
		r, err := prober.Probe(t.Context(), backend.Spec{Pool: "p", Name: "a", Address: address})
		if err != nil || r.Relay.Code != want {
			t.Errorf("probe %d: got %v and %v, want %d", i, r.Relay, err, want)
		}
		if err := <-played; err != nil {
			t.Errorf("probe %d, the connector's side: %v", i, err)
		}
	}
}

// A connector that is unfit, a pool that is meant to relay and a shallower probe are
// left alone.
func TestRelayIsNotAskedOfOthers(t *testing.T) {
	refused := "C: MAIL FROM:<>\nS: 451 4.3.0 no\n" + goodbye
	for name, test := range map[string]struct {
		cfg    Config
		script string
	}{
		"unfit":    {Config{Probe: DepthEnvelope, AskRelay: true}, greeted + refused},
		"meant to": {Config{Probe: DepthEnvelope}, greeted + enveloped + goodbye},
		"ehlo":     {Config{Probe: DepthEHLO, AskRelay: true}, greeted + goodbye},
	} {
		address, played := playAll(t, steps(test.script))
		test.cfg.Timeout, test.cfg.To = time.Hour, "postmaster"
		r, _ := NewProber(test.cfg, connector.Dialer{Hostname: "weir.test"}).Probe(t.Context(), backend.Spec{Address: address})
		if err := <-played; err != nil || r.Relay.Code != 0 {
			t.Errorf("%s: got %v, %v", name, r.Relay, err)
		}
	}
}

func TestRelayClock(t *testing.T) {
	var c relayClock
	now := time.Now()
	for _, step := range []struct {
		address string
		after   time.Duration
		want    bool
	}{
		{"a", 0, true},
		{"a", time.Minute, false},
		{"b", time.Minute, true},
		{"a", time.Hour - 1, false},
		{"a", time.Hour, true},
		{"b", time.Hour, false},
		{"b", 2 * time.Hour, true},
	} {
		if got := c.due(step.address, now.Add(step.after)); got != step.want {
			t.Errorf("%s after %s: got %v", step.address, step.after, got)
		}
	}
	if len(c.asked) > 2 || !c.due("c", now.Add(4*time.Hour)) || len(c.asked) != 1 {
		t.Errorf("it remembers %v", c.asked)
	}
}

// A reload that changes nothing of a prober leaves it what it knows.
func TestSameProber(t *testing.T) {
	roots := func() connector.Dialer {
		return connector.Dialer{Hostname: "weir.test", TLS: connector.Security{Mode: connector.TLSRequired, Roots: x509.NewCertPool()}}
	}
	cfg := Config{Probe: DepthEnvelope, Expect: Expect{Capabilities: []string{"DSN"}}, AskRelay: true}
	one := NewProber(cfg, roots())
	one.(*smtpProber).relay.due("a", time.Now())
	cfg.Expect.Capabilities = []string{"DSN"}
	if !sameProber(one, NewProber(cfg, roots())) {
		t.Error("equal ones are not the same")
	}
	other := roots()
	other.Identity = connector.IdentityProxyV2
	if sameProber(one, NewProber(cfg, other)) {
		t.Error("another identity is the same")
	}
	cfg.AskRelay = false
	if sameProber(one, NewProber(cfg, roots())) || sameProber(one, newFakeProber()) {
		t.Error("another prober is the same")
	}
}

// P39: the alarm is an edge, and stays to be seen until the connector refuses.
func TestRelayAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a")
		cfg := machineConfig()
		cfg.AskRelay = true
		b.monitor.Reload([]Pool{{Config: *cfg, Prober: b.prober}})
		b.prober.relay = smtp.NewReply(250, smtp.EnhancedCode{Class: 2, Subject: 1, Detail: 5}, "Ok")
		b.run(t)
		pass(8 * time.Second)
		want(t, "what it said", b.member("a").Probe().Relay, "250 2.1.5 Ok")
		want(t, "state", b.member("a").State, backend.StateUp)
		b.prober.say(smtp.Reply{})
		pass(6 * time.Second)
		want(t, "not asked", b.member("a").Probe().Relay, "250 2.1.5 Ok")
		b.prober.say(smtp.NewReply(554, smtp.EnhancedCode{Class: 5, Subject: 7, Detail: 1}, "No"))
		pass(12 * time.Second)
		want(t, "refused", b.member("a").Probe().Relay, "")
		history := b.history("a")
		if len(history) != 3 || !strings.HasPrefix(history[1], "internet/a refuses → relays by probe: it took ") ||
			history[2] != "internet/a relays → refuses by probe: it refused weir-relay-test@example.net as a recipient: 554 5.7.1 No" {
			t.Errorf("events %q", history)
		}
		b.prober.say(smtp.NewReply(250, smtp.EnhancedCode{Class: 2, Subject: 1, Detail: 5}, "Ok"))
		pass(6 * time.Second)
		cfg.AskRelay = false
		b.prober.say(smtp.Reply{})
		b.monitor.Reload([]Pool{{Config: *cfg, Prober: b.prober}})
		pass(12 * time.Second)
		want(t, "meant to", b.member("a").Probe().Relay, "")
	})
}
