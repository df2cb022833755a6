package balancer_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"weir/balancer"
	"weir/internal/backend"
	"weir/policies"
)

// show is an explanation as text: what the sender is told, and each pool with its
// connectors, + those that are in.
func show(ex *policies.Explanation) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %s %s %d %s\n", ex.Listener, ex.Route, ex.Match, ex.Code, ex.Reply)
	for _, p := range ex.Pools {
		fmt.Fprintf(&s, "%s %d %t %s\n", p.Pool, p.Cost, p.Used, p.Why)
		for _, c := range p.Candidates {
			fmt.Fprintf(&s, "%s %s %d %d %s\n", map[bool]string{true: "+", false: "-"}[c.In], c.ID.Name, c.Cost, c.Weight, c.Why)
		}
	}
	return strings.TrimSpace(s.String())
}

// explains asks twice, as explaining changes nothing, and compares with a pattern.
func (b *bench) explains(q policies.Query, needs policies.Needs, want string) {
	b.t.Helper()
	for range 2 {
		ex, err := b.server.Explain(&q, needs)
		if err != nil {
			b.t.Fatal(err)
		}
		if err := like(show(&ex), strings.TrimSpace(want)); err != nil {
			b.t.Errorf("%v\n%s", err, show(&ex))
		}
	}
}

// newExplained has fax.test go to a and b, c as their next tier, and d in dr.
func newExplained(t *testing.T) *bench {
	b := newBench(t, "a", "b", "c", "d")
	b.costs["c"], b.pools["d"] = 10, "dr"
	b.cfg.Pools = append(b.cfg.Pools, b.cfg.Pools[0])
	b.cfg.Pools[1].Name = "dr"
	b.listener().Pool = ""
	b.cfg.Routes = []policies.Route{{Name: "routes[0]", Match: []string{"*.fax.test"}, To: []policies.Target{{Pool: "internet", Cost: 5}, {Pool: "dr", Cost: 50}}}}
	return b
}

var fax = policies.Query{Rcpt: "100@sub.fax.test", Client: netip.MustParseAddr("192.0.2.1")}

func TestExplainOrder(t *testing.T) {
	b := newExplained(t)
	b.start(1)
	b.explains(fax, policies.Needs{}, `
inbound routes[0] *.fax.test 0 *
internet 5 true the cheapest
+ a 0 10000 next by round-robin
+ b 0 10000 when those before it fail
+ c 10 10000 tier of cost 10: when those before it fail
dr 50 false asked when those before it fail
+ d 0 10000 next by round-robin`)

	b.setHealth("b", backend.HealthDown)
	b.member("a").Acquire()
	b.explains(fax, policies.Needs{}, `
inbound routes[0] *.fax.test 451 451 4.3.2 No connector is available, try again later
internet 5 false all its places are taken: the sender waits up to 1s for one
- a 0 10000 its only place is taken
- b 0 10000 down: set by the test
- c 10 10000 lower-cost tier in use: a place in tier 0 is waited for
dr 50 false a place in the pool before it is waited for
+ d 0 10000 next by round-robin`)
	b.member("a").Release()

	b.setHealth("a", backend.HealthDown)
	b.setHealth("c", backend.HealthDown)
	b.explains(fax, policies.Needs{}, `
inbound routes[0] *.fax.test 0 *
dr 50 true the cheapest with somebody for this message
+ d 0 10000 next by round-robin
internet 5 false no connector is eligible
- a 0 10000 down: set by the test
- b 0 10000 down: set by the test
- c 10 10000 down: set by the test`)

	b.setHealth("d", backend.HealthDown)
	b.explains(fax, policies.Needs{}, `
inbound routes[0] *.fax.test 451 451 4.3.2 No connector is available, try again later
internet 5 false no connector is eligible
*
dr 50 false no connector is eligible
- d 0 10000 down: set by the test`)
}

func TestExplainNeeds(t *testing.T) {
	b := newExplained(t)
	for name, size := range map[string]int64{"a": 10 << 20, "b": 10 << 20, "c": 20 << 20, "d": 30 << 20} {
		b.caps[name] = backend.Capabilities{Known: true, Ext: backend.ExtSize, Size: size}
	}
	b.start(0)
	b.explains(fax, policies.Needs{Size: 15 << 20}, `
inbound routes[0] *.fax.test 0 *
internet 5 true the cheapest
+ c 10 10000 next by round-robin
- a 0 10000 takes 10 MiB at most, the message has 15 MiB
- b 0 10000 takes 10 MiB at most, the message has 15 MiB
dr 50 false *
+ d 0 10000 *`)
	b.explains(fax, policies.Needs{Size: 25 << 20}, `
inbound routes[0] *.fax.test 0 *
dr 50 true *
+ d 0 10000 *
internet 5 false *
- a *`)
	b.explains(fax, policies.Needs{Ext: backend.Ext8BitMIME}, `
inbound routes[0] *.fax.test 555 555 5.5.4 *8BITMIME is not offered
internet 5 false no eligible connector can take this message
- a 0 10000 offers no 8BITMIME
- b 0 10000 offers no 8BITMIME
- c 10 10000 offers no 8BITMIME
dr 50 false *
- d 0 10000 offers no 8BITMIME`)
	b.explains(fax, policies.Needs{Size: 40 << 20}, `
inbound routes[0] *.fax.test 552 552 5.3.4 Message is larger than 31456256 octets
internet 5 false *`)
	b.setHealth("d", backend.HealthDown)
	b.explains(fax, policies.Needs{Size: 25 << 20}, `
inbound routes[0] *.fax.test 451 451 4.4.4 No connector that can take this message is available
internet 5 false no eligible connector can take this message
*`)
}

// told is what a sender is told at MAIL or else at RCPT, without an id.
func (b *bench) told(mail, rcpt string) string {
	s := b.dial()
	defer s.nc.Close()
	s.ask("", "220 *")
	for reply := s.say("EHLO client.test\r\n"); reply[3] == '-'; {
		reply = s.say("")
	}
	reply := s.say(mail + "\r\n")
	if reply[0] == '2' {
		reply = s.say("RCPT TO:<" + rcpt + ">\r\n")
	}
	text, _, _ := strings.Cut(reply, " (weir ")
	return text
}

// TestExplainWhatTheSenderIsTold: what is explained is what a sender is told who
// says just that, at MAIL or at RCPT.
func TestExplainWhatTheSenderIsTold(t *testing.T) {
	b := newBench(t, "a", "b")
	b.pools["b"] = "fax"
	b.cfg.Pools = append(b.cfg.Pools, b.cfg.Pools[0])
	b.cfg.Pools[1].Name = "fax"
	b.caps["a"] = backend.Capabilities{Known: true, Ext: backend.Ext8BitMIME | backend.ExtSize, Size: 1 << 20}
	b.caps["b"] = backend.Capabilities{Known: true, Ext: backend.ExtSize, Size: 1 << 20}
	b.listener().Pool = ""
	b.cfg.Routes = []policies.Route{
		{Name: "routes[0]", Match: []string{"fax.test"}, To: []policies.Target{{Pool: "fax"}}},
		{Name: "routes[1]", Match: []string{"mx.test", "x.org"}, To: []policies.Target{{Pool: "internet"}}},
	}
	b.start(0)
	label := strings.Repeat("x", 300)
	for _, x := range []struct {
		mail, rcpt string
		needs      policies.Needs
		want       string
	}{
		{"MAIL FROM:<>", "b@x.org", policies.Needs{}, "250 *"},
		{"MAIL FROM:<> SMTPUTF8", "b@x.org", policies.Needs{Ext: backend.ExtSMTPUTF8}, "555 5.5.4 *"},
		{"MAIL FROM:<> BODY=8BITMIME", "b@x.org", policies.Needs{Ext: backend.Ext8BitMIME}, "250 *"},
		{"MAIL FROM:<> BODY=8BITMIME", "1@fax.test", policies.Needs{Ext: backend.Ext8BitMIME}, "554 5.6.3 *"},
		{"MAIL FROM:<> BODY=8BITMIME", "b@nowhere.test", policies.Needs{Ext: backend.Ext8BitMIME}, "550 5.7.1 *"},
		{"MAIL FROM:<> SIZE=2000000", "b@nowhere.test", policies.Needs{Size: 2000000}, "552 5.3.4 *"},
		{"MAIL FROM:<>", "bü@x.org", policies.Needs{}, "553 5.6.7 *"},
		{"MAIL FROM:<>", "b@x..org", policies.Needs{}, "501 5.1.3 *"},
		{"MAIL FROM:<>", "b@" + label + ".org", policies.Needs{}, "501 5.1.3 *"},
		{"MAIL FROM:<>", "b@x.org,c@y.org", policies.Needs{}, "501 5.1.3 *"},
		{"MAIL FROM:<>", `"a b"@x.org`, policies.Needs{}, "250 *"},
		{"MAIL FROM:<>", "a b@x.org", policies.Needs{}, "501 5.1.3 *"},
	} {
		ex, err := b.server.Explain(&policies.Query{Rcpt: x.rcpt}, x.needs)
		if err != nil {
			t.Fatal(err)
		}
		reply := b.told(x.mail, x.rcpt)
		if err := like(reply, x.want); err != nil {
			t.Errorf("%s %.40s: %v", x.mail, x.rcpt, err)
		}
		if x.want[0] == '2' {
			reply = ""
		}
		if ex.Reply != reply {
			t.Errorf("%s %.40s: explained %q, told %q", x.mail, x.rcpt, ex.Reply, reply)
		}
		for _, p := range ex.Pools {
			if p.Used && ex.Code != 0 {
				t.Errorf("%s %.40s: %s is used, whose sender is told %s", x.mail, x.rcpt, p.Pool, ex.Reply)
			}
		}
	}
	b.setHealth("a", backend.HealthDown)
	b.setHealth("b", backend.HealthDown)
	ex, _ := b.server.Explain(&policies.Query{Rcpt: "b@nowhere.test"}, policies.Needs{})
	if reply := b.told("MAIL FROM:<>", "b@nowhere.test"); ex.Reply != reply || ex.Code != 451 {
		t.Errorf("explained %q, told %q", ex.Reply, reply)
	}
}

func TestExplainPanic(t *testing.T) {
	b := newExplained(t)
	b.panics = 100
	b.start(0)
	eject := func(name string) {
		b.registry.SetHealth(b.member(name), backend.HealthFact{Health: backend.HealthUp, Breaker: backend.BreakerOpen, Stage: backend.StageRcpt, Reason: "5 failures at rcpt"})
	}
	eject("b")
	eject("c")
	b.explains(fax, policies.Needs{}, `
inbound routes[0] *.fax.test 0 *
internet 5 true the cheapest
+ a 0 10000 next by round-robin
- b 0 10000 ejected: 5 failures at rcpt; used in panic only when all others fail
- c 10 10000 ejected: 5 failures at rcpt; used in panic only when all others fail
dr 50 false asked when those before it fail
+ d 0 10000 *`)
	eject("a")
	b.explains(fax, policies.Needs{}, `
inbound routes[0] *.fax.test 0 *
dr 50 true the cheapest with somebody for this message who is not only used in panic
+ d 0 10000 *
internet 5 false asked when those before it fail
+ a 0 10000 next by round-robin; used in panic although ejected: 5 failures at rcpt
*`)
	eject("d")
	b.explains(fax, policies.Needs{}, `
inbound routes[0] *.fax.test 0 *
internet 5 true the cheapest
+ a 0 10000 next by round-robin; used in panic although ejected: 5 failures at rcpt
*`)
}

func TestExplainPolicies(t *testing.T) {
	b := newBench(t, "a", "b")
	b.pool().Policy = policies.LeastLoad
	b.pool().Affinity, b.pool().AffinityTTL = policies.KeyNetwork, time.Hour
	b.start(0)
	query := policies.Query{Client: netip.MustParseAddr("127.0.0.1")}
	for range 9 {
		b.member("b").Acquire()
		defer b.member("b").Release()
	}
	b.explains(query, policies.Needs{}, `
inbound   0 *
internet 0 true the only one
+ a 0 10000 next by least-load: 0 in flight, against 9 in flight of b
+ b 0 10000 when those before it fail`)
	s := b.dial().hello()
	b.delivers(s)
	_ = s.nc.Close()
	b.explains(query, policies.Needs{}, `
inbound   0 *
internet 0 true the only one
+ a 0 10000 preferred: affinity network
+ b 0 10000 when those before it fail`)
	query.Client = netip.MustParseAddr("192.0.2.1")
	b.explains(query, policies.Needs{}, `
inbound   0 *
internet 0 true the only one
+ a 0 10000 next by least-load: 0 in flight at *s, against 9 in flight of b
+ b 0 10000 *`)
	b.reload(func(c *balancer.Config) { c.Pools[0].Policy, c.Pools[0].Hash = policies.Maglev, policies.KeySender })
	b.explains(query, policies.Needs{}, `
inbound   0 *
internet 0 true the only one
+ * 0 10000 next by maglev over sender
+ * 0 10000 when those before it fail`)
}

func TestExplainWhichListener(t *testing.T) {
	b := newExplained(t)
	own := *b.listener()
	own.Name, own.Pool = "own", "dr"
	b.cfg.Listeners = []balancer.ListenerConfig{own, *b.listener()}
	b.start(0)
	b.explains(fax, policies.Needs{}, "inbound routes[0] *")
	b.explains(policies.Query{Listener: "own", Rcpt: "x@other.test"}, policies.Needs{}, `
own   0 *
dr 0 true the only one
+ d *`)
	b.explains(policies.Query{Rcpt: "x@other.test"}, policies.Needs{}, `inbound   550 550 5.7.1 No route for this recipient`)
	if _, err := b.server.Explain(&policies.Query{Listener: "x"}, policies.Needs{}); err == nil || err.Error() != `there is no listener "x"` {
		t.Errorf("got %v", err)
	}
	b.reload(func(c *balancer.Config) { c.Listeners = c.Listeners[:1] })
	b.explains(policies.Query{}, policies.Needs{}, `own   0 *`)
}
