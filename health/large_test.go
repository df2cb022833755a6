package health

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"weir/internal/backend"
)

const large = 5000

// followed returns a bench of which the monitor has followed the membership once.
func followed(b testing.TB, connectors int) *bench {
	bench := newLargeBench(connectors)
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	if err := bench.monitor.Run(ctx); err != nil {
		b.Fatal(err)
	}
	return bench
}

// BenchmarkFollow5000 is what one change of the membership costs, beside the
// registry's own part.
func BenchmarkFollow5000(b *testing.B) {
	bench := followed(b, large)
	names := make([]string, large)
	for i := range names {
		names[i] = fmt.Sprintf("c%04d", i)
	}
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		names[n%large] = fmt.Sprintf("d%d", n)
		bench.members(names...)
		b.StartTimer()
		if err := bench.monitor.Run(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFollowFacts5000 is what a change of a fact costs that is no change of
// membership.
func BenchmarkFollowFacts5000(b *testing.B) {
	bench := followed(b, large)
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	b.ReportAllocs()
	for b.Loop() {
		if err := bench.monitor.Run(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSit5000 is what the four comparisons in a second cost, each.
func BenchmarkSit5000(b *testing.B) {
	for name, attempts := range map[string]int{"idle": 0, "busy": 40} {
		b.Run(name, func(b *testing.B) { benchSit(b, attempts, backend.Success) })
	}
	b.Run("all-defer", func(b *testing.B) { benchSit(b, 40, backend.Deferral) })
}

func benchSit(b *testing.B, attempts int, verdict backend.Verdict) {
	bench := followed(b, large)
	p := (*bench.monitor.pools.Load())["internet"]
	now := time.Now()
	for _, w := range p.watches {
		w.machine.probed(now, nil)
		for range attempts {
			for _, stage := range played {
				t := backend.Ticket{Stage: stage, Began: now, Slot: w.machine.begin(stage, now)}
				w.machine.end(&t, &backend.Outcome{Verdict: verdict, Code: 451}, now.Add(time.Millisecond), 1)
			}
		}
	}
	p.sit(now.Add(time.Second))
	b.ReportAllocs()
	for b.Loop() {
		p.sit(now.Add(time.Second))
	}
}

// BenchmarkDecide5000 is what a failure costs in a pool where everybody fails.
func BenchmarkDecide5000(b *testing.B) {
	bench := followed(b, large)
	p := (*bench.monitor.pools.Load())["internet"]
	now := time.Now()
	for _, w := range p.watches {
		w.machine.probed(now, nil)
		w.publish(byProbe, now)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		w := p.watches[n%large]
		w.machine.accuse(backend.StageMail, "the bench says so", false)
		p.jury.hear(w.member, now)
		n++
	}
}

// What is usual is the same as if it was worked out for each connector by itself.
func TestNeedsWithout(t *testing.T) {
	for _, each := range [][]time.Duration{
		{}, {0}, {3}, {0, 3}, {3, 3}, {5, 1}, {5, 0, 1}, {1, 2, 3}, {3, 2, 1, 2}, {2, 2, 2, 9}, {7, 0, 7, 1, 1, 4},
	} {
		var d needs
		for _, need := range each {
			d.add(need)
		}
		d.sort()
		for i := range each {
			var others []time.Duration
			for k, need := range each {
				if k != i && need > 0 {
					others = append(others, need)
				}
			}
			slices.Sort(others)
			expected := time.Duration(0)
			if len(others) > 0 {
				expected = others[(len(others)-1)/2]
			}
			want(t, fmt.Sprintf("%v without %d", each, i), d.without(i), expected)
		}
	}
}
