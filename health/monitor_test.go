package health

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
)

func TestFirstVerdicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a", "b")
		b.prober.takes = 3 * time.Second
		b.prober.caps = backend.Capabilities{Known: true, Size: 1000}
		b.prober.set("b", errors.New("banner: 554 go away"))
		b.run(t)
		if err := b.monitor.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		// Half of the jitter of the fast interval, and the probe itself.
		want(t, "ready after", time.Since(b.prober.start), 3100*time.Millisecond)
		want(t, "a", b.member("a").State, backend.StateUp)
		want(t, "a's capabilities", b.member("a").Health.Capabilities, b.prober.caps)
		want(t, "b", b.member("b").State, backend.StateDown)
		want(t, "b's reason", b.member("b").Reason, "the first probe failed: banner: 554 go away")
		want(t, "b's probe", b.member("b").Probe(), backend.ProbeFact{
			At: time.Now(), Depth: "ehlo", Stage: backend.StageEHLO, Error: "banner: 554 go away", Took: 3 * time.Second,
		})
		synctest.Wait()
		wantAll(t, "a's events", b.history("a"), []string{
			"internet/a starting → up by probe: the first probe passed",
		})
		wantAll(t, "b's events", b.history("b"), []string{
			"internet/b starting → down by probe: the first probe failed: banner: 554 go away",
		})
	})
}

func TestReadyEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a")
		b.prober.takes = time.Hour
		b.run(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := b.monitor.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		want(t, "the verdict", b.member("a").Health.Health, backend.HealthUnknown)
	})
}

// Whom Ready waits for may leave before it has a verdict; a later one is not
// waited for, nor one that is not probed at all.
func TestReadyWaitsForMembersOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a", "b")
		b.registry.SetMembers("fax", []backend.Spec{{Pool: "fax", Name: "f", Address: "192.0.2.9:25"}})
		b.prober.takes = time.Minute
		b.run(t)
		ready := make(chan error)
		go func() { ready <- b.monitor.Ready(t.Context()) }()
		pass(30 * time.Second)
		b.members("a", "c2", "c")
		if err := <-ready; err != nil {
			t.Error(err)
		}
		want(t, "ready after", time.Since(b.prober.start), 60100*time.Millisecond)
		want(t, "c's verdict", b.member("c").Health.Health, backend.HealthUnknown)
		want(t, "probes of the unwatched pool", len(b.prober.times("f")), 0)
	})
}

// The schedule, with the middle of every jitter: fast until two probes in a row
// have passed, then each interval after the end of the last probe.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a")
		b.prober.takes = 400 * time.Millisecond
		b.run(t)
		pass(13 * time.Second)
		ms := time.Millisecond
		wantAll(t, "probes", b.prober.times("a"), []time.Duration{100 * ms, 1500 * ms, 6900 * ms, 12300 * ms})
	})
}

func TestJitterBounds(t *testing.T) {
	for _, share := range []float64{0, 0.25, 0.999} {
		w := newWatch(&Monitor{rand: func() float64 { return share }}, newPool(Pool{Config: *machineConfig()}), new(backend.Backend))
		got := time.Duration(w.jittered(10 * time.Second))
		if lowest := 9 * time.Second; got < lowest || got > 11*time.Second {
			t.Errorf("10 s with jitter 0.2 became %v", got)
		}
		w.pool.set.Load().Jitter = 0
		want(t, "without jitter", time.Duration(w.jittered(10*time.Second)), 10*time.Second)
	}
}

func TestProbesNeverOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a")
		b.prober.takes = 14 * time.Second // longer than any interval
		b.run(t)
		for range 60 {
			b.traffic("a", backend.StageMail, backend.Failure)
			pass(time.Second)
		}
		if b.prober.beside {
			t.Error("a probe began before the last one had ended")
		}
		if n := len(b.prober.times("a")); n < 3 {
			t.Errorf("only %d probes", n)
		}
	})
}

// Five failures eject it before the fifth End returns; as probes to EHLO are not
// as deep as RCPT, it comes back on trial, and transactions close the circuit.
func TestTrafficEjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a", "b")
		b.run(t)
		pass(10 * time.Second)
		for range 4 {
			b.traffic("a", backend.StageMail, backend.Success)
			b.traffic("a", backend.StageRcpt, backend.Failure)
			b.traffic("a", backend.StageRcpt, backend.Deferral)
			b.traffic("a", backend.StageRcpt, backend.Neutral)
		}
		want(t, "after four", b.member("a").State, backend.StateUp)
		b.traffic("a", backend.StageRcpt, backend.Failure)
		want(t, "after five", b.member("a").State, backend.StateEjected)
		want(t, "eligible", b.member("a").Eligible, false)
		const why = "5 attempts in a row failed; last: rcpt: no answer in 1s; out for 5s or longer"
		want(t, "the reason", b.member("a").Reason, why)

		pass(4900 * time.Millisecond)
		b.traffic("a", backend.StageFinalDot, backend.Success)
		want(t, "not yet", b.member("a").State, backend.StateEjected)
		pass(2 * time.Second)
		want(t, "on trial", b.member("a").State, backend.StateRecovering)
		want(t, "one at a time", b.member("a").Health.Limit, 1)
		want(t, "stuck, though it answered", b.member("a").Health.Stuck, false)
		for range 2 {
			b.traffic("a", backend.StageMail, backend.Success)
			b.traffic("a", backend.StageRcpt, backend.Success)
		}
		want(t, "cured", b.member("a").State, backend.StateUp)
		wantAll(t, "events", b.history("a"), []string{
			"internet/a starting → up by probe: the first probe passed",
			"internet/a up → ejected by traffic: " + why,
			"internet/a ejected → recovering by probe: on trial, after: " + why,
			"internet/a recovering → up by traffic: cured: passed rcpt again",
		})
	})
}

// The connectors are compared without anybody asking: what went silent is out
// soon after its patience has ended, and an attempt is told when to move on.
func TestSilenceEjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a", "b")
		b.run(t)
		pass(10 * time.Second)
		var tickets []backend.Ticket
		for range 3 {
			tickets = append(tickets, b.monitor.Begin(b.member("a").Backend, backend.StageMail, time.Now()))
		}
		want(t, "patience", tickets[0].Patience, 10*time.Second)
		dot := b.monitor.Begin(b.member("a").Backend, backend.StageFinalDot, time.Now())
		want(t, "patience past the commit point", dot.Patience, 0)
		pass(10*time.Second + 2*sitting)
		want(t, "the state", b.member("a").State, backend.StateEjected)
		want(t, "stuck", b.member("a").Health.Stuck, true)
		for _, ticket := range append(tickets, dot) {
			b.monitor.End(ticket, backend.Outcome{Verdict: backend.Waited})
		}
		pass(10 * time.Second)
		want(t, "stuck on trial", b.member("a").Health.Stuck, true)
		for range 2 {
			b.traffic("a", backend.StageMail, backend.Success)
		}
		want(t, "stuck when it is cured", b.member("a").Health.Stuck, false)
		want(t, "still waiting", (*b.monitor.watches.Load())[b.member("a").Backend].machine.ledger.underWay(), 0)
	})
}

// A failure in traffic brings the next probe forward, but never closer to the
// last one than the fast interval.
func TestFailureInTrafficWakesTheProber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a")
		b.run(t)
		pass(1500 * time.Millisecond) // probes at 0.1 s and 1.1 s; the next would be at 6.1 s
		for range 5 {
			b.traffic("a", backend.StageRcpt, backend.Failure)
			b.traffic("a", backend.StageRcpt, backend.Success)
		}
		synctest.Wait()
		want(t, "probes before the fast interval", len(b.prober.times("a")), 2)
		pass(time.Second)
		ms := time.Millisecond
		wantAll(t, "probes", b.prober.times("a"), []time.Duration{100 * ms, 1100 * ms, 2100 * ms})

		pass(1700 * time.Millisecond) // 4.2 s: two good probes since, so the next is at 8.1 s
		b.traffic("a", backend.StageRcpt, backend.Failure)
		pass(time.Millisecond)
		wantAll(t, "probes", b.prober.times("a")[3:], []time.Duration{3100 * ms, 4200 * ms})
	})
}

func TestProbesTakeDownAndBringBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a")
		b.prober.caps = backend.Capabilities{Known: true, Ext: backend.ExtPipelining}
		b.run(t)
		pass(2 * time.Second) // probes at 0.1 s and 1.1 s; the next at 6.1 s
		b.prober.set("a", errors.New("connect: connection refused"))
		pass(5 * time.Second) // 7.0 s: one failed
		want(t, "after one", b.member("a").State, backend.StateUp)
		want(t, "the probe's word", b.member("a").Probe().OK, false)
		pass(2 * time.Second) // 9.0 s: three failed
		want(t, "after three", b.member("a").State, backend.StateDown)
		want(t, "capabilities while down", b.member("a").Health.Capabilities, b.prober.caps)
		b.prober.set("a", nil)
		pass(4 * time.Second) // 13.0 s: not probed since
		want(t, "not probed yet", b.member("a").State, backend.StateDown)
		pass(1500 * time.Millisecond) // 14.5 s: probes at 13.1 s and 14.1 s
		want(t, "after two good ones", b.member("a").State, backend.StateUp)
		wantAll(t, "events", b.history("a")[1:], []string{
			"internet/a up → down by probe: 3 probes in a row failed; last: connect: connection refused",
			"internet/a down → up by probe: 2 probes in a row passed",
		})
	})
}

func TestFollowsMembership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a", "b")
		b.run(t)
		pass(time.Second / 2)
		gone := b.member("b").Backend
		b.members("a", "z", "c") // b leaves, z and c come
		b.members("a", "c")      // and c moves to another address, z leaves at once
		pass(100 * time.Second)
		want(t, "probes of b", len(b.prober.times("b")), 1)
		want(t, "probes of z", len(b.prober.times("z")), 0)
		want(t, "c", b.member("c").State, backend.StateUp)
		if len(b.prober.times("a")) < 15 {
			t.Errorf("a was probed only %d times: its watch began anew or ended", len(b.prober.times("a")))
		}
		for range 5 {
			b.monitor.End(b.monitor.Begin(gone, backend.StageMail, time.Now()), backend.Outcome{Verdict: backend.Failure})
		}
		want(t, "watches", len(*b.monitor.watches.Load()), 2)
		events, _ := b.log.Since(0)
		want(t, "events", len(events), 3) // a, b and c came up
	})
}

// Removal ends a probe under way, and what it would have found is not told.
func TestRemovalEndsTheProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a")
		b.prober.takes = time.Hour
		b.run(t)
		pass(time.Second)
		b.members()
		synctest.Wait()
		want(t, "open probes", b.prober.open["a"], 0)
		want(t, "events", len(b.history("a")), 0)
	})
}

// An operator's flag hides the verdict: it is kept, but it is no transition.
func TestDrainHidesTheVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a")
		b.run(t)
		pass(time.Second / 2)
		b.registry.SetAdmin(backend.ID{Pool: "internet", Name: "a"}, backend.AdminFact{Admin: backend.AdminDrain, Reason: "reboot"})
		b.prober.set("a", errors.New("connect: connection refused"))
		pass(time.Minute)
		want(t, "state", b.member("a").State, backend.StateDrain)
		want(t, "health", b.member("a").Health.Health, backend.HealthDown)
		want(t, "events", len(b.history("a")), 1)
	})
}

// When everything fails in traffic at once, whatever the reason, one connector
// stays and says why; when another is back, it is its turn.
func TestTrafficLeavesTheLastOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a", "b", "c")
		b.run(t)
		pass(10 * time.Second)
		b.registry.SetAdmin(backend.ID{Pool: "internet", Name: "c"}, backend.AdminFact{Admin: backend.AdminDrain})
		var wg sync.WaitGroup
		for range 10 {
			for _, name := range []string{"a", "b"} {
				wg.Go(func() { b.traffic(name, backend.StageEHLO, backend.Failure) })
			}
		}
		wg.Wait()
		want(t, "eligible", b.registry.Snapshot().Pool("internet").Eligible, 1)
		kept := b.member("a")
		if !kept.Eligible {
			kept = b.member("b")
		}
		want(t, "the reason", kept.Reason, "5 attempts in a row failed; "+
			"last: ehlo: no answer in 1s; kept, because nothing else in the pool takes mail")
		pass(10 * time.Second)
		want(t, "both are back", b.registry.Snapshot().Pool("internet").Eligible, 2)
		b.traffic(kept.Spec.Name, backend.StageEHLO, backend.Failure)
		want(t, "the one that was kept", b.member(kept.Spec.Name).State, backend.StateEjected)
	})
}

// Two that fail at the same moment must not each rely on the other. The monitor
// has ended, so nothing but traffic judges here.
func TestTrafficLeavesTheLastOneInARace(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 200 {
		b := newBench("a", "b")
		if err := b.monitor.Run(ctx); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for _, name := range []string{"a", "b"} {
			w := (*b.monitor.watches.Load())[b.member(name).Backend]
			w.pool.mu.Lock()
			w.machine.probed(time.Now(), nil)
			w.publish(byProbe, time.Now())
			w.pool.mu.Unlock()
			for range 4 {
				b.traffic(name, backend.StageData, backend.Failure)
			}
		}
		for _, name := range []string{"a", "b"} {
			wg.Go(func() { b.traffic(name, backend.StageData, backend.Failure) })
		}
		wg.Wait()
		want(t, "eligible", b.registry.Snapshot().Pool("internet").Eligible, 1)
	}
}

// What a probe says that was cut because weir stops is no verdict.
func TestStoppingIsNoVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a")
		b.prober.takes = time.Hour
		b.prober.set("a", errors.New("banner: connection closed"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := b.monitor.Run(ctx); err != nil {
			t.Error(err)
		}
		want(t, "probes", len(b.prober.times("a")), 1)
		want(t, "verdict", b.member("a").Health.Health, backend.HealthUnknown)
	})
}

// Run with -race: outcomes from many sessions beside probes and membership.
func TestConcurrentOutcomes(t *testing.T) {
	b := newBench("a", "b")
	b.run(t)
	if err := b.monitor.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 500 {
				name, verdict := "a", backend.Success
				if i%2 == 0 {
					name, verdict = "b", backend.Failure
				}
				if i == 7 && n%100 == 0 {
					b.members("a", "b", fmt.Sprint("c", n))
				}
				b.traffic(name, backend.Stage(n)%backend.Stages, verdict)
			}
		})
	}
	wg.Wait()
	want(t, "a", b.member("a").State, backend.StateUp)
	want(t, "b", b.member("b").State, backend.StateEjected)
}

// The steady path, a success while nothing stands against the connector, costs
// no allocation.
func TestSuccessAllocatesNothing(t *testing.T) {
	b := newBench("a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.monitor.Run(ctx); err != nil { // follows the registry once
		t.Fatal(err)
	}
	record := b.member("a").Backend
	now := time.Now()
	allocations := testing.AllocsPerRun(100, func() {
		b.monitor.End(b.monitor.Begin(record, backend.StageMail, now), backend.Outcome{Verdict: backend.Success, At: now})
	})
	want(t, "allocations", allocations, 0)
}

// Many goroutines bring news of a pool, each with the time at which it looked.
func TestNewsNeverTurnTheClockBack(t *testing.T) {
	var p pool
	first := time.Now()
	later := first.Add(time.Second)
	for i, step := range []struct{ at, want time.Time }{{first, first}, {later, later}, {first, later}} {
		if got := p.heardAt(step.at); !got.Equal(step.want) {
			t.Errorf("step %d: %v, want %v", i+1, got, step.want)
		}
	}
	if got := new(pool).heardAt(time.Time{}); got.Before(first) {
		t.Errorf("without a time: %v, want now", got)
	}
}

func BenchmarkSuccess(b *testing.B) {
	bench := newBench("a")
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	if err := bench.monitor.Run(ctx); err != nil {
		b.Fatal(err)
	}
	record := bench.member("a").Backend
	now := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			bench.monitor.End(bench.monitor.Begin(record, backend.StageMail, now), backend.Outcome{Verdict: backend.Success, At: now})
		}
	})
}

// BenchmarkSuccessOfMany is a message's five stages at one of a thousand connectors,
// none of which is in the processor's cache when its turn comes.
func BenchmarkSuccessOfMany(b *testing.B) {
	bench := newLargeBench(1000)
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	if err := bench.monitor.Run(ctx); err != nil {
		b.Fatal(err)
	}
	members := bench.registry.Snapshot().Pool("internet").Members
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		record, now := members[i%len(members)].Backend, time.Now()
		for _, stage := range []backend.Stage{backend.StageMail, backend.StageRcpt, backend.StageData, backend.StageBody, backend.StageFinalDot} {
			bench.monitor.End(bench.monitor.Begin(record, stage, now), backend.Outcome{Verdict: backend.Success, At: now})
		}
	}
}

// One that moved in the middle of a message is not judged where it was.
func TestMovedIsLeftAlone(t *testing.T) {
	b := newLargeBench(1)
	old := b.registry.Snapshot().Pool("internet").Members[0].Backend
	old.Acquire()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 3 {
		if i > 0 {
			b.registry.SetMembers("internet", []backend.Spec{{Pool: "internet", Name: "c0000", Address: "192.0.2.9:25", Weight: i}})
		}
		if err := b.monitor.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if _, watched := (*b.monitor.watches.Load())[old]; watched != (i == 0) {
			t.Errorf("turn %d: watched %t", i, watched)
		}
	}
	fresh := b.registry.Snapshot().Pool("internet").Member("c0000").Backend
	if watches := *b.monitor.watches.Load(); len(watches) != 1 || watches[fresh] == nil {
		t.Errorf("%d watches, of the new one %v", len(watches), watches[fresh])
	}
	if _, waited := b.monitor.unjudged()[old]; waited {
		t.Error("a verdict is awaited where nothing is asked")
	}
}
