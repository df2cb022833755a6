package health

import (
	"math"
	"math/bits"
	"time"
)

// histogram counts durations in buckets half an octave wide, from 1 ms to 9
// hours: what decides about patience, which is given in seconds, need not be
// finer.
type histogram struct {
	n       uint32
	buckets [histogramBuckets]uint32
}

const histogramBuckets = 51

func (h *histogram) add(d time.Duration) {
	h.buckets[bucketOf(d)]++
	h.n++
}

func (h *histogram) merge(o *histogram, sign int) {
	if o.n == 0 {
		return
	}
	for i, n := range o.buckets {
		h.buckets[i] += uint32(sign) * n // wraps around to a subtraction
	}
	h.n += uint32(sign) * o.n
}

// quantile returns an upper bound of the duration below which a share q of the
// counted ones lies; 0 when nothing was counted.
func (h *histogram) quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := uint32(math.Ceil(q * float64(h.n-1))) // of few, rather the larger one
	for i, n := range h.buckets {
		if rank < n {
			return bucketEnd(i)
		}
		rank -= n
	}
	return bucketEnd(histogramBuckets - 1)
}

func bucketOf(d time.Duration) int {
	ms := uint64(max(d, 0) / time.Millisecond)
	if ms == 0 {
		return 0
	}
	octave := bits.Len64(ms) - 1
	half := 0
	if octave > 0 {
		half = int(ms>>(octave-1)) & 1
	}
	return min(1+2*octave+half, histogramBuckets-1)
}

func bucketEnd(i int) time.Duration {
	if i == 0 {
		return time.Millisecond
	}
	octave, half := (i-1)/2, (i-1)%2
	return time.Duration((2+half+1)<<octave) * time.Millisecond / 2
}

// epoch is how long a recent histogram gathers before it becomes the older half;
// where traffic is rare, until it has gathered epochEnough, but for longEpoch at
// most.
const (
	epoch       = 30 * time.Second
	longEpoch   = 15 * time.Minute
	epochEnough = 20
)

// recent is a histogram of the last epoch and of the one before it.
type recent struct {
	since       time.Time
	now, before histogram
}

// turn begins a new epoch when it is time for one.
func (r *recent) turn(now time.Time) {
	switch age := now.Sub(r.since); {
	case age < epoch, age < longEpoch && r.now.n < epochEnough:
		return
	case age < 2*longEpoch:
		r.before = r.now
	default:
		r.before = histogram{}
	}
	r.now, r.since = histogram{}, now
}

func (r *recent) add(d time.Duration, now time.Time) {
	r.turn(now)
	r.now.add(d)
}

func (r *recent) weigh(into *histogram, now time.Time) {
	r.turn(now)
	into.merge(&r.before, 1)
	into.merge(&r.now, 1)
}
