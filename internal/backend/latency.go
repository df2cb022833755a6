package backend

import (
	"math"
	"sync/atomic"
	"time"
)

const (
	latencyRise   = 1. / 4 // share of a longer duration that counts at once
	latencyFall   = 1. / 8 // of a shorter one
	latencySpread = 1. / 4 // of a deviation
	// latencyDoubt is the deviation that the first observation is taken to have: with
	// it, three are needed to call a connector slow that is ten times slower.
	latencyDoubt = 1.5
	// latencySure is how far the true average may be away, in deviations: more than
	// the standard error of a moving average of gain g, which is √(g/(2-g)).
	latencySure = 0.6
	// latencyMemory is the time constant in which what was observed loses its
	// certainty while nothing new is.
	latencyMemory = 10 * time.Second
)

// Latency is a peak-sensitive moving average of durations, with a measure of how
// sure it is. A longer duration counts twice as much as a shorter one. What is
// averaged are logarithms, so that it takes several long ones to make a connector
// slow: a single peak of a hundred times the usual, which a busy machine has now
// and then, would else drive the mail away for a long time. The gain is by
// observation, not by time, so that the averages of a busy connector and of an
// idle one that are alike come out alike. The zero value is ready for use, from
// many goroutines.
type Latency struct {
	state atomic.Uint64 // average and mean deviation of the logarithms of nanoseconds, as the bits of two float32; 0: nothing was observed
	at    atomic.Int64  // Unix time of the last observation, in nanoseconds
}

// Observe takes in a duration that ended at now. One that ended in failure counts
// only where it raises the average: failing fast is not being fast.
func (l *Latency) Observe(d time.Duration, failed bool, now time.Time) {
	took := math.Log(float64(max(d, time.Microsecond)))
	for {
		old := l.state.Load()
		average, deviation := unpack(old)
		switch {
		case failed && took <= average:
			return
		case old == 0:
			average, deviation = took, latencyDoubt
		default:
			average, deviation = moved(average, deviation, took)
		}
		if l.state.CompareAndSwap(old, pack(average, deviation)) {
			l.at.Store(now.UnixNano())
			return
		}
	}
}

func moved(average, deviation, took float64) (float64, float64) {
	off, gain := took-average, latencyFall
	if off > 0 {
		gain = latencyRise
	}
	return average + gain*off, deviation + latencySpread*(math.Abs(off)-deviation)
}

// Value returns the average, 0 where nothing was observed yet.
func (l *Latency) Value() time.Duration {
	state := l.state.Load()
	if state == 0 {
		return 0
	}
	average, _ := unpack(state)
	return time.Duration(math.Exp(average))
}

// Slower says how many times slower than the other it surely is: at least 1, and
// 1 where the durations of both are too scattered, too few or too old to tell. So
// who is new is not judged, and who was once slow is tried again after a while.
func (l *Latency) Slower(other *Latency, now time.Time) float64 {
	state, otherState := l.state.Load(), other.state.Load()
	if state == 0 || otherState == 0 {
		return 1
	}
	mine, doubt := unpack(state)
	theirs, theirDoubt := unpack(otherState)
	sure := mine - theirs - latencySure*(doubt+theirDoubt)
	if sure <= 0 {
		return 1
	}
	// The age of the faster one does not matter: were it slow by now, it would be
	// found out as soon as it was chosen.
	if age := now.UnixNano() - l.at.Load(); age > 0 {
		sure *= math.Exp(-float64(age) / float64(latencyMemory))
	}
	return math.Exp(sure)
}

func pack(average, deviation float64) uint64 {
	return uint64(math.Float32bits(float32(average)))<<32 | uint64(math.Float32bits(float32(deviation)))
}

func unpack(state uint64) (average, deviation float64) {
	return float64(math.Float32frombits(uint32(state >> 32))), float64(math.Float32frombits(uint32(state)))
}
