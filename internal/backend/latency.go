package backend

import (
	"math"
	"sync/atomic"
	"time"
)

// latencyDecay is the time constant in which a peak is forgotten.
const latencyDecay = 10 * time.Second

// Latency is a peak-sensitive moving average of durations: a longer one counts at
// once and in full, shorter ones bring it down with a time constant of ten
// seconds. The zero value is ready for use, from many goroutines.
type Latency struct {
	value atomic.Uint64 // bits of a float64, in seconds; 0: nothing was observed
	at    atomic.Int64  // Unix time of the last observation, in nanoseconds
}

// Observe takes in a duration that ended at now. One that ended in failure counts
// only where it raises the average: failing fast is not being fast.
func (l *Latency) Observe(d time.Duration, failed bool, now time.Time) {
	seconds, at := d.Seconds(), now.UnixNano()
	for {
		old, last := l.value.Load(), l.at.Load()
		average := math.Float64frombits(old)
		next := seconds
		if seconds < average {
			if failed {
				return
			}
			keep := math.Exp(-float64(max(at-last, 0)) / float64(latencyDecay))
			next = average*keep + seconds*(1-keep)
		}
		if l.value.CompareAndSwap(old, math.Float64bits(next)) {
			l.at.Store(at)
			return
		}
	}
}

// Value returns the average, 0 where nothing was observed yet.
func (l *Latency) Value() time.Duration {
	return time.Duration(math.Float64frombits(l.value.Load()) * float64(time.Second))
}
