package sim

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets a sixteenth of an octave wide, from 1 µs
// to two hours: quantiles are within a thirtieth of the truth.
type histogram struct {
	buckets [histogramBuckets]uint32
}

const (
	subBits          = 4
	subBuckets       = 1 << subBits
	histogramOctaves = 30
	histogramBuckets = histogramOctaves * subBuckets
)

func bucketOf(ns int64) int {
	us := uint64(max(ns, 0)) / uint64(time.Microsecond)
	if us < subBuckets {
		return int(us)
	}
	octave := bits.Len64(us) - 1
	sub := us >> (octave - subBits) & (subBuckets - 1)
	return min((octave-subBits+1)*subBuckets+int(sub), histogramBuckets-1)
}

// middleOf is the middle of a bucket, in nanoseconds.
func middleOf(i int) int64 {
	if i < subBuckets {
		return (2*int64(i) + 1) * int64(time.Microsecond) / 2
	}
	octave, sub := i/subBuckets+subBits-1, int64(i%subBuckets)
	width := int64(1) << (octave - subBits)
	return ((subBuckets+sub)*width*2 + width) * int64(time.Microsecond) / 2
}

func (h *histogram) add(ns int64) { h.buckets[bucketOf(ns)]++ }

func (h *histogram) merge(o *histogram) {
	for i, n := range o.buckets {
		h.buckets[i] += n
	}
}

// quantile returns the duration below which a share q (0 … 1) lies; 0 when nothing
// was counted.
func (h *histogram) quantile(q float64) time.Duration {
	var total uint64
	for _, n := range h.buckets {
		total += uint64(n)
	}
	if total == 0 {
		return 0
	}
	rank := uint64(q * float64(total-1))
	for i, n := range h.buckets {
		if uint64(n) > rank {
			return time.Duration(middleOf(i))
		}
		rank -= uint64(n)
	}
	return time.Duration(middleOf(histogramBuckets - 1))
}
