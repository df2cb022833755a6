package metrics

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// bounds are the upper ends of a histogram's buckets. They fit mail: a stage takes a
// millisecond or two on a LAN, seconds where filters run or tarpits stand, and minutes
// at a final dot.
var bounds = [...]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
}

// histogram counts durations. It is here instead of the client library's because that
// one takes longer, and a message has five of them. The zero value is ready for use
// by many goroutines.
type histogram struct {
	buckets [len(bounds) + 1]atomic.Uint64 // by how many are in each alone; the last one is of what is above all bounds
	sum     atomic.Uint64                  // seconds, as the bits of a float64
}

func (h *histogram) observe(d time.Duration) {
	i := 0
	for i < len(bounds) && d > bounds[i] { // mostly the first one
		i++
	}
	h.buckets[i].Add(1)
	for {
		old := h.sum.Load()
		if h.sum.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+d.Seconds())) {
			return
		}
	}
}

// metric is what the histogram holds now. What ends meanwhile may be counted in one of
// its parts and not yet in another.
func (h *histogram) metric(desc *prometheus.Desc, labels ...string) (prometheus.Metric, error) {
	var count uint64
	upTo := make(map[float64]uint64, len(bounds))
	for i := range h.buckets {
		count += h.buckets[i].Load()
		if i < len(bounds) {
			upTo[bounds[i].Seconds()] = count
		}
	}
	return prometheus.NewConstHistogram(desc, count, math.Float64frombits(h.sum.Load()), upTo, labels...)
}
