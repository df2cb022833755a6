package backend

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Traffic counts what the data path did with a connector since weir started
// it. Its owner is the balancer; everybody may read.
type Traffic struct {
	Messages  atomic.Int64 // accepted by the connector at the final dot
	Failures  atomic.Int64 // attempts that count against the connector
	Ambiguous atomic.Int64 // terminator written, no answer (RFC 1047)
	Open      atomic.Int64 // connections open, idle ones included
	Idle      atomic.Int64 // connections kept for the next transaction
	Latency   Latency      // of a transaction's stages together, without the body: what the connector makes mail wait
	Stages    [Stages]Histogram
	Total     Histogram // a message, from its first stage to the final reply
}

// Histogram is a lock-free record of durations in buckets that are a quarter
// of an octave wide, from 16 µs to 19 hours: quantiles are within an eighth of
// the truth. The zero value is ready for use.
type Histogram struct {
	buckets [histogramBuckets]atomic.Uint32
}

const (
	histogramShift   = 4 // durations below 1<<histogramShift µs share a bucket
	histogramOctaves = 32
	histogramBuckets = histogramOctaves*4 + 1
)

// Observe records one duration.
func (h *Histogram) Observe(d time.Duration) { h.buckets[bucketOf(d)].Add(1) }

// Quantile returns the duration below which a share q (0 … 1) of the recorded
// ones lies, or 0 when nothing was recorded.
func (h *Histogram) Quantile(q float64) time.Duration {
	var counts [histogramBuckets]uint64
	var total uint64
	for i := range h.buckets {
		counts[i] = uint64(h.buckets[i].Load())
		total += counts[i]
	}
	if total == 0 {
		return 0
	}
	rank := uint64(q * float64(total-1))
	for i, n := range counts {
		if n > rank {
			return bucketMiddle(i)
		}
		rank -= n
	}
	return bucketMiddle(histogramBuckets - 1)
}

func bucketOf(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	if us < 1<<histogramShift {
		return 0
	}
	octave := bits.Len64(us) - 1
	quarter := us >> (octave - 2) & 3
	return min(1+(octave-histogramShift)*4+int(quarter), histogramBuckets-1)
}

func bucketMiddle(i int) time.Duration {
	if i == 0 {
		return 1 << (histogramShift - 1) * time.Microsecond
	}
	octave, quarter := (i-1)/4+histogramShift, uint64(i-1)%4
	low := (4 + quarter) << (octave - 2)
	return time.Duration(low+1<<(octave-3)) * time.Microsecond
}
