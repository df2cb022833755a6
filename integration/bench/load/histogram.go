package load

import (
	"math/bits"
	"time"
)

// Each power of two of nanoseconds has this many buckets.
const (
	fineBits = 6
	fine     = 1 << fineBits
)

// histogram counts durations in buckets of about 2 %, without allocation.
type histogram struct {
	counts [(64 - fineBits) * fine]uint64
	n      uint64
	max    time.Duration
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(uint64(d))]++
	h.n++
	h.max = max(h.max, d)
}

// bucket is where a value belongs: values below fine have one each, larger ones share it with those of the same first bits.
func bucket(v uint64) int {
	if v < fine {
		return int(v)
	}
	shift := bits.Len64(v) - fineBits - 1
	return shift<<fineBits + int(v>>shift)
}

// upper is the largest value of a bucket.
func upper(i int) uint64 {
	if i < 2*fine {
		return uint64(i)
	}
	shift := i>>fineBits - 1
	return (uint64(i&(fine-1)|fine)+1)<<shift - 1
}

// quantile is a duration that the share q of all does not exceed; 0 of nothing.
func (h *histogram) quantile(q float64) time.Duration {
	want := uint64(q * float64(h.n))
	if float64(want) < q*float64(h.n) {
		want++
	}
	var seen uint64
	for i, c := range h.counts {
		if seen += c; c > 0 && seen >= want {
			return min(time.Duration(upper(i)), h.max)
		}
	}
	return 0
}

func (h *histogram) latency() Latency {
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	return Latency{us(h.quantile(0.5)), us(h.quantile(0.9)), us(h.quantile(0.99)), us(h.quantile(0.999)), us(h.max)}
}
