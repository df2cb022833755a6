package backend

import (
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Every quantile is that of the exact order statistics, within an eighth: half
// of the widest bucket.
func TestQuantileErrorBound(t *testing.T) {
	durations := rapid.Custom(func(t *rapid.T) time.Duration {
		// Even over the octaves, from below the first bucket to 18 hours.
		octave := rapid.IntRange(0, 35).Draw(t, "octave")
		return time.Duration(rapid.Int64Range(1<<octave, 2<<octave-1).Draw(t, "µs")) * time.Microsecond
	})
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(durations, 1, 200).Draw(t, "durations")
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		var h Histogram
		for _, d := range all {
			h.Observe(d)
		}
		slices.Sort(all)
		exact, got := all[int(q*float64(len(all)-1))], h.Quantile(q)
		if exact < 16*time.Microsecond {
			if got > 16*time.Microsecond {
				t.Errorf("quantile %v is %v, want below 16 µs as %v is", q, got, exact)
			}
			return
		}
		if off := math.Abs(float64(got-exact)) / float64(exact); off > 0.125 {
			t.Errorf("quantile %v is %v, want %v: off by %.1f %%", q, got, exact, 100*off)
		}
	})
}

func TestHistogramEdges(t *testing.T) {
	var h Histogram
	if got := h.Quantile(0.5); got != 0 {
		t.Errorf("quantile of nothing is %v, want 0", got)
	}
	h.Observe(-time.Second)
	if got := h.Quantile(1); got > 16*time.Microsecond {
		t.Errorf("a negative duration is shown as %v", got)
	}
	h = Histogram{}
	h.Observe(math.MaxInt64)
	if got := h.Quantile(0); got != bucketMiddle(histogramBuckets-1) {
		t.Errorf("the longest duration is shown as %v, want the last bucket", got)
	}
}

func TestBucketsAreOrderedAndHoldTheirMiddle(t *testing.T) {
	for i := 1; i < histogramBuckets; i++ {
		if bucketMiddle(i) <= bucketMiddle(i-1) {
			t.Errorf("bucket %d is not above bucket %d", i, i-1)
		}
		if got := bucketOf(bucketMiddle(i)); got != i {
			t.Errorf("the middle of bucket %d is counted in bucket %d", i, got)
		}
	}
}

func TestObserveLosesNothing(t *testing.T) {
	const workers, rounds = 8, 1000
	var h Histogram
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range rounds {
				h.Observe(time.Millisecond)
				h.Quantile(0.99)
			}
		})
	}
	wg.Wait()
	if got := h.buckets[bucketOf(time.Millisecond)].Load(); got != workers*rounds {
		t.Errorf("%d recorded of %d", got, workers*rounds)
	}
}
