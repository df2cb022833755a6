package integration

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestTiers_FallThroughAndReturn: a dearer tier gets mail while nobody of the cheaper one is eligible, and none as soon
// as somebody is again.
func TestTiers_FallThroughAndReturn(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 3, opts{keys: []string{"", "", "cost: 10"}, pool: []string{"slow_start: 0s"}})
	c := f.dial()
	send := func(n int) map[string]int {
		before := f.got()
		for range n {
			f.lands(c, f.message("tier", 300))
		}
		after := f.got()
		for name := range after {
			after[name] -= before[name]
		}
		return after
	}
	if got := send(20); got["c2"] != 0 || got["c0"] != 10 || got["c1"] != 10 {
		t.Errorf("with all of the first tier: %v", got)
	}
	f.mustCtl("drain", "c0")
	if got := send(10); got["c1"] != 10 {
		t.Errorf("with one of the first tier: %v, want all at c1", got)
	}
	f.mustCtl("drain", "c1")
	if got := send(10); got["c2"] != 10 {
		t.Errorf("with none of the first tier: %v, want all at c2", got)
	}
	f.mustCtl("undrain", "c0", "c1")
	if got := send(20); got["c2"] != 0 {
		t.Errorf("with the first tier back: %v", got)
	}
}

// TestTiers_OneTransactionGoesOn: where the whole of a cheap tier fails a message in its face, the next tier gets it,
// and the log says who was left (P3).
func TestTiers_OneTransactionGoesOn(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 3, opts{keys: []string{"", "", "cost: 10"}})
	for _, c := range f.c[:2] {
		c.Refuse()
	}
	m := f.message("onward", 300)
	f.delivered(m)
	f.leftBehind(f.logs(m, "backend", "c2", "outcome", "delivered"), f.c[:2]...)
}

// TestTiers_FullIsNotOut: a tier at its limit is waited for; the dearer one is for when nobody is there.
func TestTiers_FullIsNotOut(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 2, opts{keys: []string{"", "cost: 10"}, pool: []string{"max_connections: 1", "queue_timeout: 20s"}})
	first := f.message("holds", 4000)
	holding, at := f.begin(first)
	if at != f.c[0] {
		t.Fatalf("the first message is at %s", at.Name())
	}
	second := f.message("waits", 300)
	answered := make(chan reply, 1)
	c := f.dial()
	go func() {
		rep, err := c.sendData(second)
		if err != nil {
			rep.lines = append(rep.lines, err.Error())
		}
		answered <- rep
	}()
	eventually(t, ceiling, func() bool { return f.queueing(poolName) == 1 }, "nobody waits for a place at c0")
	if rep := f.finish(holding, first.stuffed()); rep.code != 250 {
		t.Errorf("the message that held the place: %s", rep)
	}
	if rep := <-answered; rep.code != 250 {
		t.Errorf("the message that waited: %s", rep)
	}
	f.storedOnce(second)
	if n := f.c[1].Stats().Messages; n != 0 {
		t.Errorf("the dearer tier got %d messages", n)
	}
}

// queueing is how many transactions wait for a place at a connector of the pool, by the metrics; -1: not told.
func (f *flock) queueing(pool string) int {
	_, text, _ := f.get("/metrics")
	for l := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(l, fmt.Sprintf("weir_queue_waiting{pool=%q} ", pool)); ok {
			if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
				return n
			}
		}
	}
	return -1
}

// TestTiers_SpoolKeepsMail: the recipe of docs/routes.md. A real Postfix is the last pool of the route; it keeps mail
// while no connector is there, and brings it by a listener of its own that leads to the connectors only.
func TestTiers_SpoolKeepsMail(t *testing.T) {
	t.Parallel()
	f := &flock{t: t}
	c := f.connector("c0")
	back := freeAddr(t)
	spool := newSpool(t, back)
	f.front(opts{
		routed: true, backends: []string{c.Addr()},
		health: "{probe: ehlo, interval: 300ms, fast_interval: 100ms, timeout: 5s, rise: 1, fall: 1}",
		top:    []string{"routes:", "  - {match: [\"*\"], to: [{pool: " + poolName + "}, {pool: spool, cost: 100}]}"},
		pool:   []string{"breaker: {open_for: 500ms, open_max: 1s}", "slow_start: 0s"},
		more:   []string{fmt.Sprintf("{name: from-spool, address: %q, pool: %s, tls: {mode: off}}", back, poolName)},
		pools:  fmt.Sprintf("  spool:\n    tls: {mode: off}\n    health: %s\n    backends: [{address: %q, name: spool}]\n", quietHealth, spool.addr),
	})
	f.waitEligible(poolName, 1)
	f.waitEligible("spool", 1)
	c.Refuse()
	c.DropConnections(false)
	f.waitState(poolName, "c0", "down", "ejected")
	var kept []*message
	for range 20 {
		m := f.message("spooled", 1000)
		if rep := f.deliver(m); rep.code != 250 {
			t.Fatalf("%s: got %s, want 250", m.id, rep)
		}
		kept = append(kept, m)
	}
	if n := len(c.Messages()); n != 0 {
		t.Fatalf("the connector that is away has %d messages", n)
	}
	eventually(t, ceiling, func() bool { return spool.queued() == len(kept) }, "the spool does not keep the mail: %s", spool.log())
	if err := c.Accept(); err != nil {
		t.Fatal(err)
	}
	spool.brings(func() bool { return len(c.Messages()) >= len(kept) && spool.queued() == 0 })
	for _, m := range kept {
		f.storedOnce(m)
	}
}

// newSpool is a Postfix that relays everything to an address, and tries again after two seconds. It keeps no
// connections, for which it would wait a second for a server that is not there: a message that is still being
// delivered when its queue is looked through is left alone for long.
func newSpool(t *testing.T, to string) *postfix {
	t.Helper()
	p := newPostfix(t, "spool.test.example")
	p.addMain("virtual_mailbox_domains =\nrelayhost = [127.0.0.1]:" + port(to) + "\nqueue_run_delay = 1s\n" +
		"minimal_backoff_time = 2s\nmaximal_backoff_time = 3s\nsmtp_connection_cache_on_demand = no\n" +
		"smtp_destination_concurrency_failed_cohort_limit = 0\n")
	p.start()
	return p
}

// brings waits until what is in the queue has come where it should. A Postfix may leave a message alone for very long
// when it looks through its queue just as that is put back there: after a while it is told to look again.
func (p *postfix) brings(come func() bool) {
	p.t.Helper()
	if poll(10*time.Second, come) {
		return
	}
	_, _ = p.control("flush")
	if !poll(ceiling, come) {
		p.t.Fatalf("not all of the queue has come: %d are left:\n%s", p.queued(), p.wholeLog())
	}
}
