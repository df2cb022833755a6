package sim

import (
	"math"
	"math/rand/v2"
	"time"
)

// shape is the form of a distribution.
type shape uint8

const (
	constant shape = iota
	exponential
	lognormal
)

// dist is a distribution of durations. The zero value is always 0.
type dist struct {
	shape shape
	scale float64 // nanoseconds: the value, the mean, or the median
	sigma float64 // of a lognormal: that of its logarithm
}

// z99 is the 99th percentile of the standard normal distribution.
const z99 = 2.3263478740408408

// lognormalOf has this median, and one in a hundred is above p99.
func lognormalOf(median, p99 time.Duration) dist {
	return dist{lognormal, float64(median), math.Log(float64(p99)/float64(median)) / z99}
}

// longest bounds a sample: the tail of a lognormal has no end.
const longest = float64(24 * time.Hour)

// sample draws a duration in nanoseconds.
func (d *dist) sample(r *rand.Rand) float64 {
	switch d.shape {
	case exponential:
		return min(d.scale*r.ExpFloat64(), longest)
	case lognormal:
		return min(d.scale*math.Exp(d.sigma*r.NormFloat64()), longest)
	default:
		return d.scale
	}
}
