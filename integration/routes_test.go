package integration

import (
	"strings"
	"testing"
)

// TestRoutes_WhatIsExplainedHappens: recipients, senders, sizes and listeners choose the pool, the most specific first;
// and what /v1/route says beforehand is what a sender then meets.
func TestRoutes_WhatIsExplainedHappens(t *testing.T) {
	t.Parallel()
	r := newRouted(t, []string{
		"{match: [fax.example.com, \"*.fax.example.com\"], to: fax}",
		"{match: [\"*.example.com\"], from: [boss@example.org], to: vip}",
		"{match: [\"*.example.com\"], max_size: 10KiB, to: small}",
		"{match: [\"*.example.com\"], to: internet}",
		"{match: [notes.example.net], listeners: [submission], to: vip}",
		"{match: [notes.example.net], to: small}",
	}, map[string]int{"fax": 1, "vip": 1, "small": 1}, "submission")
	for _, x := range []struct{ listener, from, size, to, at, match string }{
		{"inbound", "a@b.example", "", "1@fax.example.com", "fax-0", "fax.example.com"},
		{"inbound", "a@b.example", "", "1@FAX.Example.COM", "fax-0", "fax.example.com"},
		{"inbound", "a@b.example", "", "1@a.b.fax.example.com", "fax-0", "*.fax.example.com"},
		{"inbound", "boss@example.org", "", "1@fax.example.com", "fax-0", "fax.example.com"},
		{"inbound", "boss@example.org", "20000", "2@x.example.com", "vip-0", "*.example.com"},
		{"inbound", "a@b.example", "5000", "3@x.example.com", "small-0", "*.example.com"},
		{"inbound", "a@b.example", "20000", "4@x.example.com", "c0", "*.example.com"},
		{"submission", "a@b.example", "", "5@notes.example.net", "vip-0", "notes.example.net"},
		{"inbound", "a@b.example", "", "6@notes.example.net", "small-0", "notes.example.net"},
		{"inbound", "", "", "7@notes.example.net", "small-0", "notes.example.net"},
		{"inbound", "a@b.example", "", "8@example.com", "", ""}, // *.example.com is not example.com
		{"inbound", "a@b.example", "", "9@example.edu", "", ""},
	} {
		e := r.explain("listener", x.listener, "from", x.from, "size", x.size, "to", x.to)
		rep, at := r.sends(x.listener, x.from, x.size, x.to)
		if x.at == "" {
			r.own(rep, "550 5.7.1")
			if e.Code != 550 || !strings.HasPrefix(e.Reply, "550 5.7.1") || e.Backend != "" || at != nil {
				t.Errorf("%s is explained as %+v; connector %v", x.to, e, at)
			}
			continue
		}
		if rep.code != 250 || at == nil || at.Name() != x.at {
			t.Errorf("%s from %s: got %s by %v, want %s", x.to, x.from, rep, at, x.at)
		}
		if nameOf(e.Backend) != x.at || e.Match != x.match || e.Listener != x.listener || e.Code != 0 || e.Route == "" {
			t.Errorf("%s from %s is explained as %+v, want %s by %s", x.to, x.from, e, x.at, x.match)
		}
	}
}

// TestRoutes_CheapestPoolWithSomebody: a route's dearer pool is for when nobody of the cheaper one is eligible.
func TestRoutes_CheapestPoolWithSomebody(t *testing.T) {
	t.Parallel()
	r := newRouted(t, []string{"{match: [\"*\"], to: [{pool: dr, cost: 50}, {pool: internet, cost: 10}]}"}, map[string]int{"dr": 1})
	c := r.dial()
	at := func() string { return r.lands(c, r.message("spill", 300)).Name() }
	if got := at(); got != "c0" {
		t.Errorf("with all there mail goes to %s", got)
	}
	r.mustCtl("drain", "c0", "--force")
	if got := at(); got != "dr-0" {
		t.Errorf("with internet empty mail goes to %s", got)
	}
	e := r.explain("to", "bob@test.example")
	if e.Backend != "dr/dr-0" || len(e.Pools) != 2 {
		t.Errorf("it is explained as %+v", e)
	}
	for _, p := range e.Pools {
		if p.Used != (p.Pool == "dr") || !p.Used && !strings.Contains(p.Why, "no connector is eligible") {
			t.Errorf("%s: used %v, %s", p.Pool, p.Used, p.Why)
		}
	}
	r.mustCtl("drain", "dr-0", "--force")
	r.own(r.deliverOn(c, r.message("nobody", 300)), "451 4.3.2")
	if e := r.explain("to", "bob@test.example"); e.Code != 451 || e.Backend != "" {
		t.Errorf("with nobody it is explained as %+v", e)
	}
	r.expect(c, 250, "RSET")
	r.mustCtl("undrain", "c0", "dr-0")
	r.waitEligible(poolName, 1)
	if got := at(); got != "c0" {
		t.Errorf("with all back mail goes to %s", got)
	}
}

// TestRoutes_RecipientsOfTwoPools: the recipients of one transaction go one way; the others are put off with 452 4.5.3,
// or refused where they have no route, and the transaction goes on.
func TestRoutes_RecipientsOfTwoPools(t *testing.T) {
	t.Parallel()
	r := newRouted(t, []string{"{match: [one.example, uno.example], to: internet}", "{match: [two.example], to: fax}"}, map[string]int{"fax": 1})
	c := r.dial()
	m := newMessage("two-pools", filler(500))
	r.expect(c, 250, "%s", m.mailLine())
	r.own(r.must(c, "RCPT TO:<a@nowhere.example>"), "550 5.7.1")
	r.expect(c, 250, "RCPT TO:<a@one.example>")
	r.own(r.must(c, "RCPT TO:<b@two.example>"), "452 4.5.3")
	r.own(r.must(c, "RCPT TO:<c@nowhere.example>"), "550 5.7.1")
	r.expect(c, 250, "RCPT TO:<d@uno.example>")
	r.expect(c, 354, "DATA")
	if rep := r.finish(c, m.stuffed()); rep.code != 250 {
		t.Errorf("the first: %s", rep)
	}
	m.to = []string{"b@two.example"}
	if rep := r.deliverOn(c, m); rep.code != 250 {
		t.Errorf("what was put off: %s", rep)
	}
	first, second := r.named("c0").Messages(), r.named("fax-0").Messages()
	if len(first) != 1 || len(second) != 1 || strings.Join(first[0].To, " ") != "a@one.example d@uno.example" || strings.Join(second[0].To, " ") != "b@two.example" {
		t.Errorf("c0 has %v, fax-0 has %v", first, second)
	}
}

// TestRoutes_PipelinedGroupKeepsItsOrder (P29): each recipient of a group gets its own answer, in the group's order.
func TestRoutes_PipelinedGroupKeepsItsOrder(t *testing.T) {
	t.Parallel()
	r := newRouted(t, []string{"{match: [one.example], to: internet}", "{match: [two.example], to: fax}"}, map[string]int{"fax": 1})
	c := r.dial()
	m := newMessage("group", filler(500))
	r.write(c, []byte(m.mailLine()+"\r\nRCPT TO:<x@nowhere.example>\r\nRCPT TO:<b@two.example>\r\nRCPT TO:<a@one.example>\r\nRCPT TO:<c@two.example>\r\nDATA\r\n"))
	for i, want := range []int{250, 550, 250, 452, 250, 354} {
		if rep, err := c.read(); err != nil || rep.code != want {
			t.Fatalf("answer %d of the group: %s, %v, want %d", i+1, rep, err, want)
		}
	}
	if rep := r.finish(c, m.stuffed()); rep.code != 250 {
		t.Errorf("the message: %s", rep)
	}
	if got := r.named("fax-0").Messages(); len(got) != 1 || len(got[0].To) != 2 || r.named("c0").Stats().Messages != 0 {
		t.Errorf("fax-0 has %v, c0 %d", got, r.named("c0").Stats().Messages)
	}
}

// TestRoutes_PostfixBringsTheSecondPoolBack: a real sender with a message to two domains, whose mail goes to two pools:
// it is told 452 4.5.3 for the second, and brings it. Both arrive, once each.
func TestRoutes_PostfixBringsTheSecondPoolBack(t *testing.T) {
	t.Parallel()
	r := newRouted(t, []string{"{match: [one.example], to: internet}", "{match: [two.example], to: fax}"}, map[string]int{"fax": 1})
	sender := newSpool(t, r.smtp)
	var sent []*message
	for range 5 {
		m := newMessage("two-domains", filler(2000))
		m.to = []string{m.id + "@one.example", m.id + "@two.example"}
		if done := sendRaw((*client).sendData)(t, sender.addr, []*message{m}); len(done) != 1 {
			t.Fatal("the sending Postfix does not take the message")
		}
		sent = append(sent, m)
	}
	one, two := r.named("c0"), r.named("fax-0")
	sender.brings(func() bool {
		return len(one.Messages()) >= len(sent) && len(two.Messages()) >= len(sent) && sender.queued() == 0
	})
	for _, m := range sent {
		if n, _ := r.stored(m); n != 2 {
			t.Errorf("%s is stored %d times, want once in each pool", m.id, n)
		}
	}
	for _, got := range append(one.Messages(), two.Messages()...) {
		if len(got.To) != 1 {
			t.Errorf("one copy is for %v", got.To)
		}
	}
	eventually(t, ceiling, func() bool { return strings.Contains(sender.wholeLog(), "452 4.5.3") },
		"the sender was never told 452 4.5.3: the test did not meet what it is for")
}

// TestRoutes_DeadPoolKeepsNobodyBack: a real sender's message to two pools, one of which is drained for as long as the
// test runs. The other recipient's copy arrives in the first round; the dead pool's waits, and arrives once it is back.
func TestRoutes_DeadPoolKeepsNobodyBack(t *testing.T) {
	t.Parallel()
	r := newRouted(t, []string{
		"{match: [fax.example], to: [{pool: fax, cost: 10}, {pool: fax-dr, cost: 50}]}", "{match: [\"*\"], to: internet}",
	}, map[string]int{"fax": 1, "fax-dr": 1})
	r.mustCtl("drain", "fax-0", "fax-dr-0", "--force")
	sender := newSpool(t, r.smtp)
	m := newMessage("dead-pool", filler(2000))
	m.to = []string{m.id + "@fax.example", m.id + "@zz.example"}
	if done := sendRaw((*client).sendData)(t, sender.addr, []*message{m}); len(done) != 1 {
		t.Fatal("the sending Postfix does not take the message")
	}
	alive := r.named("c0")
	sender.brings(func() bool { return len(alive.Messages()) == 1 })
	if got := alive.Messages()[0].To; len(got) != 1 || got[0] != m.id+"@zz.example" {
		t.Errorf("internet has it for %v", got)
	}
	eventually(t, ceiling, func() bool { return strings.Contains(sender.wholeLog(), "451 4.3.2") },
		"the sender was not told 451 4.3.2 for the dead pool's recipient")
	if log := sender.wholeLog(); strings.Contains(log, "452 4.5.3") {
		t.Errorf("want only the dead pool's recipient put off:\n%s", log)
	}
	r.mustCtl("undrain", "fax-0")
	r.waitEligible("fax", 1)
	sender.brings(func() bool { return sender.queued() == 0 })
	if got := r.named("fax-0").Messages(); len(got) != 1 || len(alive.Messages()) != 1 {
		t.Errorf("fax-0 has %d, c0 %d messages, want one each", len(got), len(alive.Messages()))
	}
}

// TestRoutes_Reload: other routes are in force for the next transaction of a connection that is open, and what is under
// way keeps its own.
func TestRoutes_Reload(t *testing.T) {
	t.Parallel()
	r := newRouted(t, []string{"{match: [\"*\"], to: internet}"}, map[string]int{"fax": 1})
	c, held := r.dial(), r.message("held", 4000)
	under, at := r.begin(held)
	if at.Name() != "c0" {
		t.Fatalf("before the reload mail goes to %s", at.Name())
	}
	r.o.top = routeLines([]string{"{match: [test.example], to: fax}", "{match: [\"*\"], to: internet}"})
	r.configure(basicConfig(r.o))
	if said := r.mustCtl("reload"); !strings.Contains(said, "routes") {
		t.Errorf("weir reload does not tell of the routes: %q", said)
	}
	if got := r.lands(c, r.message("after", 300)).Name(); got != "fax-0" {
		t.Errorf("after the reload mail goes to %s", got)
	}
	if rep := r.finish(under, held.stuffed()); rep.code != 250 {
		t.Errorf("what was under way: %s", rep)
	}
	if n, at := r.stored(held); n != 1 || at.Name() != "c0" {
		t.Errorf("what was under way is stored %d times", n)
	}
	r.o.top = routeLines([]string{"{match: [test.example], to: faks}"})
	r.configure(basicConfig(r.o))
	r.refused([]string{"reload"}, "faks", "fax")
	if got := r.lands(c, r.message("refused", 300)).Name(); got != "fax-0" {
		t.Errorf("after a reload that was refused mail goes to %s", got)
	}
}
