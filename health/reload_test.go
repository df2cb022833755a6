package health

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
)

// changed is the bench's pool with other settings, and a prober of its own.
func (b *bench) changed(change func(*Config)) (Pool, *fakeProber) {
	cfg, prober := *machineConfig(), newFakeProber()
	change(&cfg)
	return Pool{Config: cfg, Prober: prober}, prober
}

func TestReloadWithoutChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a")
		b.run(t)
		for range 26 {
			pass(time.Second / 2)
			b.monitor.Reload([]Pool{{Config: *machineConfig(), Prober: b.prober}})
		}
		ms := time.Millisecond
		wantAll(t, "probes", b.prober.times("a"), []time.Duration{100 * ms, 1100 * ms, 6100 * ms, 11100 * ms})
	})
}

// What was found out stays, whatever it is; the new prober is soon at work, in its
// own interval.
func TestReloadKeepsVerdicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("down", "ejected", "full", "trial", "up")
		b.prober.set("down", errors.New("connect: connection refused"))
		b.run(t)
		pass(10 * time.Second)
		for range 5 {
			b.traffic("trial", backend.StageRcpt, backend.Failure)
		}
		pass(6 * time.Second)
		for range 5 {
			b.traffic("ejected", backend.StageRcpt, backend.Failure)
		}
		ticket := b.monitor.Begin(b.member("full").Backend, backend.StageMail, time.Now())
		b.monitor.End(ticket, backend.Outcome{Verdict: backend.Deferral, Code: 452, Full: true, Why: "452 4.3.1 no room"})
		before := map[string]backend.Member{}
		for _, m := range b.registry.Snapshot().Pool("internet").Members {
			before[m.Spec.Name] = *m
		}
		want(t, "ejected", before["ejected"].State, backend.StateEjected)
		want(t, "trial", before["trial"].State, backend.StateRecovering)
		want(t, "full", before["full"].Health.Limit, 1)
		logged, _ := b.log.Since(0)
		next, prober := b.changed(func(c *Config) { c.Interval, c.Rise, c.Breaker.Window, c.SlowStart = 2*time.Second, 5, time.Hour, 0 })
		prober.takes = time.Hour // nothing new is found out by now
		reloaded := time.Now()
		b.monitor.Reload([]Pool{next})
		pass(2 * time.Second)
		for name, m := range before {
			now := b.member(name)
			if now.State != m.State || now.Health.Limit != m.Health.Limit || now.Reason != m.Reason || now.Health.Capabilities != m.Health.Capabilities {
				t.Errorf("%s is %s (%s), was %s (%s)", name, now.State, now.Reason, m.State, m.Reason)
			}
			if times := prober.times(name); len(times) != 1 || prober.start.Add(times[0]).Sub(reloaded) > time.Second {
				t.Errorf("%s was probed at %v", name, times)
			}
		}
		after, _ := b.log.Since(0)
		want(t, "events", len(after), len(logged))
	})
}

func TestReloadTakesEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a", "b")
		b.run(t)
		pass(10 * time.Second)
		next, prober := b.changed(func(c *Config) { c.Interval, c.Fall, c.Breaker.ConsecutiveFailures = 2*time.Second, 1, 2 })
		b.monitor.Reload([]Pool{next})
		pass(11 * time.Second)
		if n := len(prober.times("a")); n != 6 {
			t.Errorf("%d probes in 11 s, want 6: one soon and then one every 2 s", n)
		}
		want(t, "probes by the old prober", len(b.prober.times("a")), 3)
		b.traffic("a", backend.StageMail, backend.Failure)
		want(t, "after one failure", b.member("a").State, backend.StateUp)
		b.traffic("a", backend.StageMail, backend.Failure)
		want(t, "after two", b.member("a").State, backend.StateEjected)
		prober.set("b", errors.New("connect: connection refused"))
		pass(3 * time.Second)
		want(t, "b after one bad probe", b.member("b").State, backend.StateDown)
	})
}

// Pools come and go; one that comes back is known as what it was.
func TestReloadOfPools(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a")
		b.registry.SetMembers("fax", []backend.Spec{{Pool: "fax", Name: "f", Address: "192.0.2.9:25"}})
		b.run(t)
		pass(3 * time.Second)
		internet := Pool{Config: *machineConfig(), Prober: b.prober}
		fax, prober := b.changed(func(c *Config) { c.Pool = "fax" })
		b.monitor.Reload([]Pool{internet, fax})
		pass(3 * time.Second)
		want(t, "f", b.registry.Snapshot().Pool("fax").Member("f").State, backend.StateUp)
		b.monitor.Reload([]Pool{fax})
		n := len(b.prober.times("a"))
		pass(time.Minute)
		want(t, "probes of what is gone", len(b.prober.times("a")), n)
		want(t, "a's verdict", b.member("a").State, backend.StateUp)
		b.prober.set("a", errors.New("connect: connection refused"))
		b.monitor.Reload([]Pool{fax, internet})
		want(t, "a's verdict at first", b.member("a").State, backend.StateUp)
		pass(time.Second)
		want(t, "a's verdict then", b.member("a").State, backend.StateDown)
		if len(prober.times("f")) < 10 {
			t.Errorf("f was probed %d times only", len(prober.times("f")))
		}
		b.registry.SetPools([]backend.PoolConfig{{Name: "internet"}})
		pass(time.Second)
		want(t, "watches", len(*b.monitor.watches.Load()), 1)
	})
}

// Removed and back before Run could look: the connector is watched once.
func TestReloadTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a")
		b.run(t)
		pass(3 * time.Second)
		b.monitor.Reload(nil)
		b.monitor.Reload([]Pool{{Config: *machineConfig(), Prober: b.prober}})
		pass(10 * time.Second)
		want(t, "watches", len(*b.monitor.watches.Load()), 1)
		want(t, "overlapping probes", b.prober.beside, false)
		b.traffic("a", backend.StageMail, backend.Success)
		want(t, "a", b.member("a").State, backend.StateUp)
	})
}

// A circuit keeps its state through other settings, and goes on from there.
func TestCircuitReconfigured(t *testing.T) {
	now := time.Now()
	cfg := machineConfig()
	other := *cfg
	other.Rise = 4
	c := newCircuit(cfg)
	c.reconfigure(&other)
	want(t, "closed", c.state(), backend.BreakerClosed)
	c.trip(now, backend.StageRcpt)
	c.reconfigure(cfg)
	want(t, "open", c.state(), backend.BreakerOpen)
	want(t, "ripe", c.ripe(now.Add(time.Hour)), true)
	c.trial()
	c.reconfigure(&other)
	want(t, "half-open", c.state(), backend.BreakerHalfOpen)
	for range 3 {
		want(t, "too few passed", c.passedTrial(now), false)
	}
	want(t, "enough passed", c.passedTrial(now), true)
	want(t, "closed again", c.state(), backend.BreakerClosed)
}

// Run with -race: reloads and membership beside traffic and probes.
func TestReloadUnderTraffic(t *testing.T) {
	b := newBench("a", "b")
	b.run(t)
	if err := b.monitor.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				b.traffic("a", backend.StageMail, backend.Success)
				b.traffic("b", backend.StageRcpt, backend.Failure)
			}
		})
	}
	for i := range 100 {
		next := Pool{Config: *machineConfig(), Prober: b.prober}
		next.Rise, next.Interval, next.Breaker.Window = 1+i%3, time.Duration(1+i%2)*time.Second, time.Duration(1+i%4)*time.Second
		b.monitor.Reload([]Pool{next})
		b.members("a", "b", fmt.Sprint("c", i))
		for _, name := range []string{"a", "b"} {
			if s := b.member(name).State; s == backend.StateStarting {
				t.Fatalf("%s is %s after reload %d", name, s, i)
			}
		}
	}
	stop()
	wg.Wait()
	want(t, "a", b.member("a").State, backend.StateUp)
}

// Thousands of connectors are not all dialled at once.
func TestFirstProbesAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const connectors = 1000
		b := newLargeBench(connectors)
		n := 0
		var mu sync.Mutex
		b.monitor.rand = func() float64 {
			mu.Lock()
			defer mu.Unlock()
			n++
			return float64(n%connectors) / connectors
		}
		b.run(t)
		pass(4 * time.Second)
		var first []time.Duration
		for _, m := range b.registry.Snapshot().Pool("internet").Members {
			times := b.prober.times(m.Spec.Name)
			if len(times) == 0 {
				t.Fatalf("%s was not probed", m.Spec.Name)
			}
			first = append(first, times[0])
		}
		slices.Sort(first)
		const crowd = 300
		for i := crowd; i < len(first); i++ {
			if took := first[i] - first[i-crowd]; took < 200*time.Millisecond {
				t.Fatalf("%d connectors were probed within %v", crowd, took)
			}
		}
	})
}
