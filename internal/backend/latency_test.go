package backend

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func observed(durations ...time.Duration) *Latency {
	var l Latency
	for _, d := range durations {
		l.Observe(d, false, time.Unix(1000, 0))
	}
	return &l
}

func times(n int, d time.Duration) []time.Duration {
	all := make([]time.Duration, n)
	for i := range all {
		all[i] = d
	}
	return all
}

func near(got, want time.Duration) bool {
	return math.Abs(float64(got-want)) <= 0.01*float64(want)
}

func TestLatencyValue(t *testing.T) {
	if got := new(Latency).Value(); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	for _, d := range []time.Duration{time.Microsecond, time.Millisecond, time.Second, time.Hour} {
		if got := observed(d).Value(); !near(got, d) {
			t.Errorf("one of %v: %v", d, got)
		}
		if got := observed(append(times(3, d), times(100, 30*d)...)...).Value(); !near(got, 30*d) {
			t.Errorf("after many of %v: %v", 30*d, got)
		}
	}
	if got := observed(-time.Second, 0).Value(); got <= 0 || got > 2*time.Microsecond {
		t.Errorf("none and less than none: %v", got)
	}
	up := float64(observed(append(times(20, time.Second), 2*time.Second)...).Value()) / float64(time.Second)
	down := float64(time.Second) / float64(observed(append(times(20, time.Second), time.Second/2)...).Value())
	if up <= down {
		t.Errorf("twice as long raises it %.2f times, half as long lowers it %.2f times", up, down)
	}
}

func TestLatencyOfFailuresNeverFalls(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l Latency
		for range rapid.IntRange(1, 20).Draw(t, "observations") {
			before, failed := l.Value(), rapid.Bool().Draw(t, "failed")
			l.Observe(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "took")), failed, time.Unix(1000, 0))
			if failed && l.Value() < before {
				t.Fatalf("a failure lowered %v to %v", before, l.Value())
			}
		}
	})
}

func TestSlower(t *testing.T) {
	usual := observed(times(20, 10*time.Millisecond)...)
	tests := []struct {
		name      string
		l         *Latency
		age       time.Duration
		low, high float64
	}{
		{"nothing is known of it", &Latency{}, 0, 1, 1},
		{"alike", observed(times(20, 10*time.Millisecond)...), 0, 1, 1},
		{"faster", observed(times(20, time.Millisecond)...), 0, 1, 1},
		{"ten times slower", observed(times(20, 100*time.Millisecond)...), 0, 9, 10.1},
		{"so far seen once", observed(100 * time.Millisecond), 0, 1, 4.1},
		{"so far seen three times", observed(times(3, 100*time.Millisecond)...), 0, 3, 10},
		{"one peak of a hundred times", observed(append(times(20, 10*time.Millisecond), time.Second)...), 0, 1, 2},
		{"peaks in a row", observed(append(times(20, 10*time.Millisecond), times(6, time.Second)...)...), 0, 4, 100},
		{"slow a while ago", observed(times(20, 100*time.Millisecond)...), latencyMemory, 2, 2.5},
		{"slow long ago", observed(times(20, 100*time.Millisecond)...), 10 * latencyMemory, 1, 1.01},
		{"the clock went back", observed(times(20, 100*time.Millisecond)...), -time.Hour, 9, 10.1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.l.Slower(usual, time.Unix(1000, 0).Add(tt.age))
			if got < tt.low || got > tt.high {
				t.Errorf("%.2f times, want %v to %v", got, tt.low, tt.high)
			}
			if got := usual.Slower(&Latency{}, time.Unix(1000, 0)); got != 1 {
				t.Errorf("than one of which nothing is known: %.2f times", got)
			}
		})
	}
}

// Connectors that are alike are hardly ever called twice as slow, however
// scattered their durations are; one that is ten times slower nearly always is.
func TestSlowerTellsNoiseFromSlowness(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	scattered := func(median time.Duration) time.Duration {
		return time.Duration(math.Exp(r.NormFloat64()) * float64(median))
	}
	var a, b, slow Latency
	const n = 20000
	wrong, right := 0, 0
	for range n {
		now := time.Unix(1000, 0)
		a.Observe(scattered(time.Second), false, now)
		b.Observe(scattered(time.Second), false, now)
		slow.Observe(scattered(10*time.Second), false, now)
		if a.Slower(&b, now) > 2 {
			wrong++
		}
		if slow.Slower(&a, now) > 2 {
			right++
		}
	}
	if wrong > n/100 || right < n*8/10 {
		t.Errorf("%d times of %d one of two alike was called slow, %d times the slow one was", wrong, n, right)
	}
}

func TestLatencyOfManyAtATime(t *testing.T) {
	var l, other Latency
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				l.Observe(time.Second, false, time.Unix(1000, 0))
				other.Observe(time.Millisecond, false, time.Unix(1000, 0))
				l.Slower(&other, time.Unix(1000, 0))
			}
		})
	}
	wg.Wait()
	if got := l.Value(); !near(got, time.Second) {
		t.Errorf("got %v", got)
	}
}
