package sim

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDistributions(t *testing.T) {
	for _, tt := range []struct {
		text              string
		mean, median, p99 time.Duration
	}{
		{"20ms", 20 * time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond},
		{"constant(20ms)", 20 * time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond},
		{"exponential(10ms)", 10 * time.Millisecond, 6931 * time.Microsecond, 46052 * time.Microsecond},
		// The mean of a lognormal is median × e^(σ²/2), here with σ = ln 5 / 2.3263.
		{"lognormal(80ms, 400ms)", 101637 * time.Microsecond, 80 * time.Millisecond, 400 * time.Millisecond},
	} {
		t.Run(tt.text, func(t *testing.T) {
			d, bad := distribution(tt.text)
			if bad != nil {
				t.Fatal(bad.what)
			}
			const n = 200_000
			rng := rand.New(rand.NewPCG(1, 2))
			samples, sum := make([]float64, n), 0.0
			for i := range samples {
				samples[i] = d.sample(rng)
				sum += samples[i]
			}
			slices.Sort(samples)
			near(t, "mean", sum/n, tt.mean, 0.01)
			near(t, "median", samples[n/2], tt.median, 0.01)
			near(t, "99th percentile", samples[n*99/100], tt.p99, 0.03)
		})
	}
}

func near(t *testing.T, what string, got float64, want time.Duration, within float64) {
	t.Helper()
	if got < float64(want)*(1-within) || got > float64(want)*(1+within) {
		t.Errorf("%s: %v, want %v within %g", what, time.Duration(got), want, within)
	}
}

func TestHistogramIsWithinAThirtieth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ns := rapid.Int64Range(int64(100*time.Microsecond), int64(time.Hour)).Draw(t, "ns")
		var h histogram
		h.add(ns)
		if got := float64(h.quantile(0.5)); got < float64(ns)*29/30 || got > float64(ns)*31/30 {
			t.Fatalf("%v counts as %v", time.Duration(ns), time.Duration(got))
		}
	})
}

func TestHistogramQuantiles(t *testing.T) {
	var a, b histogram
	for i := range 1000 {
		h := &a
		if i%2 == 0 {
			h = &b
		}
		h.add(int64(i+1) * int64(time.Millisecond))
	}
	a.merge(&b)
	for _, q := range []float64{0.5, 0.99, 0.999} {
		near(t, "quantile", float64(a.quantile(q)), time.Duration(q*float64(time.Second)), 0.035)
	}
	if (&histogram{}).quantile(0.5) != 0 {
		t.Error("an empty histogram has a quantile")
	}
	a.add(-1)
	a.add(int64(longest))
}

func TestQueueIsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var last event
		for range rapid.IntRange(1, 200).Draw(t, "events") {
			q.push(event{at: rapid.Int64Range(0, 50).Draw(t, "at")})
			if rapid.Bool().Draw(t, "pop") {
				last = event{}
				q.pop()
			}
		}
		for len(q.heap) > 0 {
			e := q.pop()
			if e.before(&last) {
				t.Fatalf("%v after %v", e, last)
			}
			last = e
		}
	})
}

func TestLine(t *testing.T) {
	var l line
	for i := range int32(10) {
		l.join(waiter{txn: i})
	}
	for i := range int32(10) {
		if w, ok := l.next(); !ok || w.txn != i {
			t.Fatalf("got %v, %v as number %d", w, ok, i)
		}
		l.join(waiter{txn: 10 + i})
	}
	if n := len(l.waiting) - l.from; n != 10 {
		t.Errorf("%d wait, want 10", n)
	}
}
