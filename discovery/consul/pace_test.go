package consul

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestNextIndex(t *testing.T) {
	for _, c := range []struct{ asked, got, want uint64 }{
		{0, 0, 1}, {0, 7, 7}, {7, 7, 7}, {7, 9, 9}, {9, 7, 0}, {1, 0, 0},
	} {
		if got := nextIndex(c.asked, c.got); got != c.want {
			t.Errorf("asked %d, got %d: %d, want %d", c.asked, c.got, got, c.want)
		}
	}
}

func TestBackoffIsWithinItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 1<<30).Draw(t, "failures")
		bound := maxBackoff
		if n < 8 {
			bound = min(firstBackoff<<(n-1), maxBackoff)
		}
		if d := backoff(n); d <= 0 || d > bound {
			t.Fatalf("%v after %d failures, want up to %v", d, n, bound)
		}
	})
}

func TestPace(t *testing.T) {
	for _, c := range []struct {
		entries         int
		changed, atOnce bool
		want            time.Duration
	}{
		{4, true, false, 4 * entryPause}, {4, false, false, unchangedPause}, {5000, true, false, time.Second}, {math.MaxInt32, false, false, time.Second}, {0, true, true, time.Second},
	} {
		if got := pace(c.entries, c.changed, c.atOnce); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
