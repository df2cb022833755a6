package balancer_test

import (
	"strings"
	"testing"

	"weir/balancer"
	"weir/internal/backend"
	"weir/policies"
)

// newRouted is a bench whose listener goes by routes: fax.test to b, then to c;
// all else to a.
func newRouted(t *testing.T) *bench {
	b := newBench(t, "a", "b", "c")
	b.pools["b"], b.pools["c"] = "fax", "dr"
	for _, name := range []string{"fax", "dr"} {
		p := b.cfg.Pools[0]
		p.Name = name
		b.cfg.Pools = append(b.cfg.Pools, p)
	}
	b.listener().Pool = ""
	b.cfg.Routes = []policies.Route{
		{Name: "routes[0]", Match: []string{"fax.test"}, To: []policies.Target{{Pool: "fax", Cost: 0}, {Pool: "dr", Cost: 50}}},
		{Name: "routes[1]", Match: []string{"*"}, To: []policies.Target{{Pool: "internet"}}},
	}
	return b
}

// toFax sends the envelope of a message for fax.test.
func (s *talker) toFax() string {
	s.t.Helper()
	s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	return s.say("RCPT TO:<100@fax.test>\r\n")
}

// A transaction ends on the way on which it began; the next goes the new one, on
// the same session.
func TestReloadChangesRoutes(t *testing.T) {
	b := newRouted(t)
	b.start(0)
	s := b.dial().hello()
	s.toFax()
	b.reload(func(c *balancer.Config) {
		c.Routes = []policies.Route{{Name: "routes[0]", Match: []string{"*"}, To: []policies.Target{{Pool: "internet"}}}}
	})
	s.ask("RCPT TO:<200@fax.test>\r\n", "250 *")
	s.ask("RCPT TO:<to@mx.test>\r\n", "452 4.5.3 *")
	s.ask("DATA\r\n", "354 *")
	s.ask(short+".\r\n", "250 *")
	if got := b.witness.transaction(t, 1); got.Pool != "fax" || got.Backend != "b" {
		t.Errorf("ended at %s of %s", got.Backend, got.Pool)
	}
	s.toFax()
	s.ask("RCPT TO:<to@mx.test>\r\n", "250 *")
	s.ask("RSET\r\n", "250 *")
	if got := b.witness.transaction(t, 2); got.Pool != "internet" {
		t.Errorf("the next one went to %s", got.Pool)
	}
	_ = s.nc.Close()
	b.leavesNothing()
}

// A listener changes from a pool to routes and back, under its sessions.
func TestReloadPoolToRoutes(t *testing.T) {
	b := newRouted(t)
	b.listener().Pool = "internet"
	b.start(0)
	s := b.dial().hello()
	s.toFax()
	b.reload(func(c *balancer.Config) { c.Listeners[0].Pool = "" })
	s.ask("RCPT TO:<to@mx.test>\r\n", "250 *")
	s.ask("RSET\r\n", "250 *")
	s.toFax()
	b.reload(func(c *balancer.Config) { c.Listeners[0].Pool = "internet" })
	s.ask("RCPT TO:<to@mx.test>\r\n", "452 *")
	s.ask("RSET\r\n", "250 *")
	s.toFax()
	s.ask("RSET\r\n", "250 *")
	for n, want := range []string{"internet", "fax", "internet"} {
		if got := b.witness.transaction(t, n+1); got.Pool != want {
			t.Errorf("transaction %d went to %s, want %s", n+1, got.Pool, want)
		}
	}
	_ = s.nc.Close()
	b.leavesNothing()
}

// The pool of the way is gone before the first recipient, which then goes by the new
// routes, and while its connector has the transaction: the next pool of the way takes
// that.
func TestReloadRemovesPoolOfWay(t *testing.T) {
	b := newRouted(t)
	b.start(0)
	held, busy := b.dial().hello(), b.dial().hello()
	held.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	busy.toFax()
	withoutFax(b)
	held.ask("RCPT TO:<100@fax.test>\r\n", "250 *")
	if n := b.member("a").InFlight(); n != 1 {
		t.Errorf("%d in flight at the new pool", n)
	}
	busy.ask("DATA\r\n", "354 *")
	b.connectors["b"].DropConnections(false)
	busy.ask(short+".\r\n", "250 *")
	if got := b.witness.transaction(t, 1); got.Pool != "dr" || len(got.Tries) != 1 || !strings.HasPrefix(got.Tries[0].Backend, "fax/b") {
		t.Errorf("it ended in %s after %v", got.Pool, got.Tries)
	}
	_, _ = held.nc.Close(), busy.nc.Close()
	b.stop()
}

func withoutFax(b *bench) {
	b.t.Helper()
	b.reload(func(c *balancer.Config) {
		c.Pools = []balancer.PoolConfig{c.Pools[0], c.Pools[2]}
		c.Routes = []policies.Route{{Name: "routes[0]", Match: []string{"*"}, To: []policies.Target{{Pool: "internet"}}}}
	})
	b.registry.SetPools([]backend.PoolConfig{{Name: "internet"}, {Name: "dr"}})
}

// Who waits for a place in a pool that a reload takes away goes on in the next
// pool of its way.
func TestReloadRemovesPoolThatIsWaitedFor(t *testing.T) {
	b := newRouted(t)
	for i := range b.cfg.Pools {
		b.cfg.Pools[i].QueueTimeout = ceiling
	}
	b.start(1)
	holder, waiter := b.dial().hello(), b.dial().hello()
	holder.toFax()
	waiter.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	answer := make(chan string, 1)
	go func() { answer <- waiter.say("RCPT TO:<100@fax.test>\r\n") }()
	waitFor(t, "the waiter to wait", func() bool { return b.server.Waiting("fax") == 1 })
	withoutFax(b)
	if reply := <-answer; !strings.HasPrefix(reply, "250") {
		t.Errorf("got %q", reply)
	}
	if n := b.member("c").InFlight(); n != 1 {
		t.Errorf("%d in flight at the next pool", n)
	}
	_, _ = holder.nc.Close(), waiter.nc.Close()
	b.stop()
}

// A pool that comes first is eligible again while the next one is waited for.
func TestQueueMovesToTheBetterPool(t *testing.T) {
	b := newRouted(t)
	for i := range b.cfg.Pools {
		b.cfg.Pools[i].QueueTimeout = ceiling
	}
	b.start(1)
	b.setHealth("b", backend.HealthDown)
	holder, waiter := b.dial().hello(), b.dial().hello()
	holder.toFax()
	waiter.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	answer := make(chan string, 1)
	go func() { answer <- waiter.say("RCPT TO:<100@fax.test>\r\n") }()
	waitFor(t, "the waiter to wait", func() bool { return b.server.Waiting("dr") == 1 })
	b.setHealth("b", backend.HealthUp)
	if reply := <-answer; !strings.HasPrefix(reply, "250") {
		t.Errorf("got %q", reply)
	}
	if n := b.member("b").InFlight(); n != 1 {
		t.Errorf("%d in flight at the better pool", n)
	}
	_, _ = holder.nc.Close(), waiter.nc.Close()
	b.leavesNothing()
}

// An equal list of routes is not compiled again, and what a policy has learned
// outlives a change of other settings.
func TestReloadKeepsRoutesAndPolicies(t *testing.T) {
	b := newRouted(t)
	b.start(0)
	routes, policy := b.server.Kept("fax")
	b.reload(func(c *balancer.Config) {
		c.Routes = append([]policies.Route(nil), c.Routes...)
		for i := range c.Pools {
			c.Pools[i].Reuse.Messages = 7
		}
	})
	if r, p := b.server.Kept("fax"); r != routes || p != policy {
		t.Errorf("routes kept: %t, policy kept: %t", r == routes, p == policy)
	}
	b.reload(func(c *balancer.Config) {
		c.Routes = c.Routes[:1]
		for i := range c.Pools {
			c.Pools[i].Policy = policies.Random
		}
	})
	if r, p := b.server.Kept("fax"); r == routes || p == policy {
		t.Errorf("of another config routes were kept: %t, the policy: %t", r == routes, p == policy)
	}
}
