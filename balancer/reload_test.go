package balancer_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/balancer"
	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/faulty"
	"weir/policies"
)

// dialers are the dialers of the config's pools.
func (b *bench) dialers() map[string]connector.Dialer {
	out := map[string]connector.Dialer{}
	for _, p := range b.cfg.Pools {
		d := b.dialer
		d.Hostname, d.Timeouts = b.cfg.Hostname, connector.Timeouts(p.Timeouts)
		d.LMTP, d.Identity = p.LMTP, p.Identity
		out[p.Name] = d
	}
	return out
}

func (b *bench) materials() balancer.Materials {
	return balancer.Materials{Dialers: b.dialers(), TLS: b.edge}
}

// reload puts a change of the config into force.
func (b *bench) reload(change func(*balancer.Config)) {
	b.t.Helper()
	// The config in force must not change under the balancer.
	b.cfg.Listeners = append([]balancer.ListenerConfig(nil), b.cfg.Listeners...)
	b.cfg.Pools = append([]balancer.PoolConfig(nil), b.cfg.Pools...)
	change(&b.cfg)
	if err := b.server.Reload(b.cfg, b.materials()); err != nil {
		b.t.Fatal(err)
	}
}

// serveOn serves a listener on one more socket, until the test ends.
func (b *bench) serveOn(name string) (ln net.Listener, ended <-chan error) {
	b.t.Helper()
	ln = loopback(b.t)
	done := make(chan error, 1)
	go func() { done <- b.server.Serve(context.Background(), name, ln) }()
	b.t.Cleanup(func() { _ = ln.Close() })
	return ln, done
}

const short = "Subject: x\r\n\r\ntext\r\n"

func (b *bench) delivers(s *talker) {
	b.t.Helper()
	if reply := s.message(short); !strings.HasPrefix(reply, "250") {
		b.t.Fatalf("got %q", reply)
	}
}

func TestReloadUnchanged(t *testing.T) {
	b := newBench(t, "a")
	b.start(1)
	s := b.dial().hello()
	b.delivers(s)
	waitFor(t, "the connection to be kept", func() bool { return b.member("a").Traffic.Idle.Load() == 1 })
	s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	b.reload(func(*balancer.Config) {})
	s.ask("RCPT TO:<to@mx.test>\r\n", "250 *")
	b.reload(func(*balancer.Config) {})
	s.ask("RSET\r\n", "250 *")
	b.delivers(s)
	if n := b.connectors["a"].Stats().Connections; n != 1 {
		t.Errorf("%d connections; reloads should have left the one alone", n)
	}
	if got := b.server.Sessions()[0].Sessions; got != 1 {
		t.Errorf("%d sessions counted", got)
	}
	_ = s.nc.Close()
	b.leavesNothing()
}

// A transaction under way ends in its old pool; kept connections of that are said
// goodbye to, and so is the transaction's own at its end.
func TestReloadChangesPool(t *testing.T) {
	b := newBench(t, "a")
	b.start(0)
	idle, busy := b.dial().hello(), b.dial()
	busy.envelope()
	b.delivers(idle)
	waitFor(t, "the connection to be kept", func() bool { return b.member("a").Traffic.Idle.Load() == 1 })
	b.reload(func(c *balancer.Config) { c.Pools[0].Reuse.Messages = 7 })
	waitFor(t, "the kept connection to be closed", func() bool { return b.connectors["a"].Heard("QUIT") == 1 })
	busy.ask("DATA\r\n", "354 *")
	busy.ask(short+".\r\n", "250 *")
	waitFor(t, "the old pool's last connection to be closed", func() bool { return b.connectors["a"].Stats().Open == 0 })
	b.delivers(idle)
	b.delivers(busy)
	waitFor(t, "the new pool's connection to be kept", func() bool { return b.member("a").Traffic.Idle.Load() == 1 })
	if n := b.connectors["a"].Stats().Connections; n != 3 {
		t.Errorf("%d connections, want two of the old pool and one of the new", n)
	}
	_, _ = idle.nc.Close(), busy.nc.Close()
	b.leavesNothing()
}

// Who waits for a place goes on in the new pool, and is woken by whoever gives one
// back in the old.
func TestReloadMovesTheQueue(t *testing.T) {
	b := newBench(t, "a")
	b.pool().QueueTimeout = ceiling
	b.start(1)
	holder, waiter := b.dial(), b.dial().hello()
	holder.envelope()
	waiter.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	answer := make(chan string, 1)
	go func() { answer <- waiter.say("RCPT TO:<to@mx.test>\r\n") }()
	waitFor(t, "the waiter to be asked", func() bool { return b.server.Waiting("internet") == 1 })
	for i := range 3 {
		b.reload(func(c *balancer.Config) { c.Pools[0].Reuse.Messages = 50 + i })
		waitFor(t, "the waiter to wait in the new pool", func() bool { return b.server.Waiting("internet") == 1 })
	}
	holder.ask("RSET\r\n", "250 *")
	if reply := <-answer; !strings.HasPrefix(reply, "250") {
		t.Errorf("got %q", reply)
	}
	_, _ = holder.nc.Close(), waiter.nc.Close()
	b.leavesNothing()
}

// A pool that is gone: what runs there ends; who has not begun is put off.
func TestReloadRemovesPool(t *testing.T) {
	b := newBench(t, "a", "b")
	b.start(0)
	busy, held := b.dial(), b.dial().hello()
	busy.envelope()
	held.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	record := b.member("a")
	b.reload(func(c *balancer.Config) {
		c.Pools[0].Name, c.Listeners[0].Pool = "fax", "fax"
	})
	b.registry.SetPools([]backend.PoolConfig{{Name: "fax"}})
	held.ask("RCPT TO:<to@mx.test>\r\n", "451 4.3.2 No connector is available*")
	held.ask("RSET\r\n", "250 *")
	held.ask("MAIL FROM:<from@client.test>\r\n", "451 4.3.2 *") // nobody is in fax yet
	busy.ask("RCPT TO:<another@mx.test>\r\n", "250 *")
	busy.ask("DATA\r\n", "354 *")
	busy.ask(short+".\r\n", "250 *")
	waitFor(t, "its connection to be closed", func() bool { return b.connectors["a"].Stats().Open == 0 })
	b.registry.SetMembers("fax", []backend.Spec{{Pool: "fax", Name: "b", Address: b.connectors["b"].Addr(), Weight: 100}})
	b.delivers(held)
	b.delivers(busy)
	if n := len(b.connectors["b"].Messages()); n != 2 {
		t.Errorf("%d messages in the new pool", n)
	}
	_, _ = held.nc.Close(), busy.nc.Close()
	b.stop()
	if n := record.InFlight(); n != 0 {
		t.Errorf("%d in flight at the end", n)
	}
}

// A queue whose pool is gone is put off at once, not at its timeout.
func TestReloadRemovesPoolWithQueue(t *testing.T) {
	b := newBench(t, "a")
	b.pool().QueueTimeout = time.Hour
	b.start(1)
	holder, waiter := b.dial(), b.dial().hello()
	holder.envelope()
	waiter.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	answer := make(chan string, 1)
	go func() { answer <- waiter.say("RCPT TO:<to@mx.test>\r\n") }()
	waitFor(t, "the waiter to wait", func() bool { return b.server.Waiting("internet") == 1 })
	b.reload(func(c *balancer.Config) { c.Pools[0].Name, c.Listeners[0].Pool = "fax", "fax" })
	if reply := <-answer; !strings.HasPrefix(reply, "451 4.3.2") {
		t.Errorf("got %q", reply)
	}
	_, _ = holder.nc.Close(), waiter.nc.Close()
	b.stop()
}

// A listener's new settings hold from the next MAIL on; what is in the middle of
// its content ends by the old ones.
func TestReloadChangesListener(t *testing.T) {
	b := newBench(t, "a")
	b.start(0)
	s := b.dial()
	s.envelope()
	s.ask("DATA\r\n", "354 *")
	b.reload(func(c *balancer.Config) {
		c.Hostname = "new.test"
		c.Listeners[0].Limits.MessageSize, c.Listeners[0].Limits.Recipients = 10, 1
		c.Listeners[0].Received = balancer.ReceivedAlways
	})
	s.ask(short+".\r\n", "250 *")
	s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	s.ask("RCPT TO:<one@mx.test>\r\n", "250 *")
	s.ask("RCPT TO:<two@mx.test>\r\n", "452 4.5.3 *")
	s.ask("DATA\r\n", "354 *")
	s.ask(short+".\r\n", "552 5.3.4 *")
	s.ask("HELO client.test\r\n", "250 new.test")
	b.dial().ask("", "220 new.test *")
	_ = s.nc.Close()
	b.leavesNothing()
}

// A listener that is gone: its socket closes, and its sessions end in words at
// their next boundary; the others do not notice.
func TestReloadRemovesListener(t *testing.T) {
	b := newBench(t, "a")
	second := *b.listener()
	second.Name = "second"
	b.cfg.Listeners = append(b.cfg.Listeners, second)
	b.start(0)
	ln, ended := b.serveOn("second")
	other := b.dial().hello()
	b.addr = ln.Addr().String()
	idle, fresh, busy := b.dial().hello(), b.dial(), b.dial()
	fresh.ask("", "220 *")
	busy.envelope()
	busy.ask("DATA\r\n", "354 *")
	b.reload(func(c *balancer.Config) { c.Listeners = c.Listeners[:1] })
	if err := <-ended; err != nil {
		t.Errorf("Serve returned %v", err)
	}
	idle.ask("", "421 4.3.2 This listener is closed, connect again *")
	fresh.ask("", "421 4.3.2 *")
	busy.ask(short+".\r\n", "250 *")
	busy.ask("", "421 4.3.2 *")
	b.delivers(other)
	if nc, err := net.Dial("tcp", b.addr); err == nil {
		_ = nc.Close()
		t.Error("the socket is still open")
	}
	if err := b.server.Serve(t.Context(), "second", ln); err == nil {
		t.Error("a listener that is gone was served")
	}
	stats := b.server.Sessions()
	if len(stats) != 1 || stats[0].Name != "inbound" || stats[0].Sessions != 1 {
		t.Errorf("sessions: %+v", stats)
	}
	_ = other.nc.Close()
	b.leavesNothing()
}

// A listener moves to another address: its sessions stay, both sockets are served
// for a while, and all sessions are counted as one listener's.
func TestReloadMovesListener(t *testing.T) {
	b := newBench(t, "a")
	b.start(0)
	first, oldEnded := b.serveOn("inbound")
	b.addr = first.Addr().String()
	before := b.dial().hello()
	b.reload(func(c *balancer.Config) { c.Listeners[0].Address = "127.0.0.1:0" })
	second, _ := b.serveOn("inbound")
	overlap := b.dial().hello()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-oldEnded; err != nil {
		t.Errorf("the old Serve returned %v", err)
	}
	b.addr = second.Addr().String()
	after := b.dial().hello()
	for _, s := range []*talker{before, overlap, after} {
		b.delivers(s)
	}
	if n := b.server.Sessions()[0].Sessions; n != 3 {
		t.Errorf("%d sessions counted", n)
	}
	for _, s := range []*talker{before, overlap, after} {
		_ = s.nc.Close()
	}
	b.leavesNothing()
}

// A new listener with a new pool is served after the reload.
func TestReloadAdds(t *testing.T) {
	b := newBench(t, "a")
	b.start(0)
	b.registry.SetPools([]backend.PoolConfig{{Name: "internet"}, {Name: "fax"}})
	b.registry.SetMembers("fax", []backend.Spec{{Pool: "fax", Name: "f", Address: b.connectors["a"].Addr(), Weight: 100}})
	b.reload(func(c *balancer.Config) {
		fax, in := c.Pools[0], c.Listeners[0]
		fax.Name, in.Name, in.Pool = "fax", "fax-in", "fax"
		c.Pools, c.Listeners = append(c.Pools, fax), append(c.Listeners, in)
	})
	ln, _ := b.serveOn("fax-in")
	b.addr = ln.Addr().String()
	s := b.dial().hello()
	b.delivers(s)
	if got := b.witness.transaction(t, 1); got.Pool != "fax" || got.Listener != "fax-in" {
		t.Errorf("recorded as %s at %s", got.Pool, got.Listener)
	}
	_ = s.nc.Close()
	b.leavesNothing()
}

// Whatever is wrong, nothing has changed.
func TestReloadRefused(t *testing.T) {
	b := newBench(t, "a")
	b.start(0)
	s := b.dial().hello()
	for want, change := range map[string]func(*balancer.Config, map[string]connector.Dialer){
		"pool internet has no dialer": func(_ *balancer.Config, d map[string]connector.Dialer) { delete(d, "internet") },
		`listener inbound: no pool "x"`: func(c *balancer.Config, _ map[string]connector.Dialer) {
			c.Listeners[0].Pool = "x"
		},
		`listener inbound: it has no pool, and no route is for it`: func(c *balancer.Config, _ map[string]connector.Dialer) {
			c.Listeners[0].Pool = ""
			c.Routes = []policies.Route{{Match: []string{"*"}, Listeners: []string{"other"}, To: []policies.Target{{Pool: "internet"}}}}
		},
		`routes[0]: no pool "x"`: func(c *balancer.Config, _ map[string]connector.Dialer) {
			c.Routes = []policies.Route{{Name: "routes[0]", Match: []string{"*"}, To: []policies.Target{{Pool: "x"}}}}
		},
		`making pool internet: unknown policy "x": *`: func(c *balancer.Config, _ map[string]connector.Dialer) {
			c.Pools[0].Policy = "x"
		},
	} {
		cfg, dialers := baseConfig(), b.dialers()
		cfg.Hostname, cfg.Listeners[0].Limits.Recipients = "new.test", 1
		change(&cfg, dialers)
		if err := b.server.Reload(cfg, balancer.Materials{Dialers: dialers}); err == nil || like(err.Error(), want) != nil {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	s.ask("HELO client.test\r\n", "250 mx.test")
	_ = s.nc.Close()
	b.stop()
	if err := b.server.Reload(b.cfg, b.materials()); err == nil || !strings.Contains(err.Error(), "shutting down") {
		t.Errorf("during shutdown: %v", err)
	}
}

// TestReloadUnderTraffic: senders on long connections notice nothing of reloads
// that change everything, in front of connectors that fail now and then. No
// message is lost, and none is there twice.
func TestReloadUnderTraffic(t *testing.T) {
	b := newBench(t, "a", "b", "c", "d")
	b.pool().QueueTimeout = ceiling
	b.connectors["a"].Hurt(faulty.At(faulty.RCPT, faulty.Drop).WhenReused())
	b.connectors["b"].Hurt(faulty.At(faulty.DATA, faulty.Drop).WhenReused())
	b.start(2)
	const senders, each = 6, 15
	var sent atomic.Int64
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			s := b.dial().hello()
			defer s.nc.Close()
			for n := range each {
				reply := s.message(fmt.Sprintf("Subject: %d of %d\r\n\r\n%s", n, i, strings.Repeat("text\r\n", 40)))
				if !strings.HasPrefix(reply, "250") {
					t.Errorf("message %d of %d: %q", n, i, reply)
				}
				sent.Add(1)
			}
		})
	}
	for i := 0; sent.Load() < senders*each && !t.Failed(); i++ {
		b.reload(func(c *balancer.Config) {
			c.Pools[0].Reuse.Messages, c.Pools[0].ReplayBuffer = 10+i%7, int64(100+i%3)<<10
			c.Listeners[0].Limits.Recipients = 100 + i%5
			c.ReplayMemory = int64(32+i%2) << 20
		})
		time.Sleep(time.Millisecond)
	}
	wg.Wait()
	subjects := map[string]int{}
	for _, srv := range b.connectors {
		for _, m := range srv.Messages() {
			subject, _, _ := strings.Cut(string(m.Content), "\r\n")
			subjects[subject]++
		}
	}
	for subject, n := range subjects {
		if n != 1 {
			t.Errorf("%s is there %d times", subject, n)
		}
	}
	if len(subjects) != senders*each {
		t.Errorf("%d messages of %d", len(subjects), senders*each)
	}
	b.leavesNothing()
}

// Reload and Shutdown at the same time: one of them is first, and neither waits
// for the other for long.
func TestReloadDuringShutdown(t *testing.T) {
	b := newBench(t, "a")
	b.start(0)
	s := b.dial()
	s.envelope()
	done := make(chan error, 1)
	go func() { done <- b.shutDown(100 * time.Millisecond) }()
	waitFor(t, "the shutdown to begin", b.server.Draining)
	if err := b.server.Reload(b.cfg, b.materials()); err == nil {
		t.Error("it was not refused")
	}
	if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown returned %v", err)
	}
}

// What a reload demands holds from the next MAIL on, and is said to that (P23); a
// transaction under way goes on as it began.
func TestReloadDemandsTLS(t *testing.T) {
	b := newBench(t, "a")
	b.sealed(balancer.TLSStartTLS)
	b.start(0)
	idle, busy := b.dial().hello(), b.dial()
	busy.envelope()
	b.reload(func(c *balancer.Config) { c.Listeners[0].TLS = balancer.TLSRequired })
	busy.ask("RCPT TO:<two@mx.test>\r\n", "250 *")
	busy.ask("DATA\r\n", "354 *")
	busy.ask(short+".\r\n", "250 *")
	for _, s := range []*talker{idle, busy} {
		s.ask("MAIL FROM:<from@client.test>\r\n", "530 5.7.0 *")
		s.ask("RCPT TO:<to@mx.test>\r\n", "530 5.7.0 *")
		s.ask("STARTTLS\r\n", "220 *")
		_ = s.nc.Close()
	}
	b.leavesNothing()
}
