package table

import "slices"

// Sample is one run of a load through one front end.
type Sample struct {
	Rate     float64 // messages a second
	CPU      float64 // of the front end, in microseconds a message; 0: it has none
	P50, P99 float64 // of a message, in microseconds; 0: not known
	// What the connectors bear: their own CPU in microseconds a message, and connections a message. 0: not known.
	BehindCPU, BehindConns float64
	// Others is the share of the machine's CPU that processes took which are no part of the benchmark: what they take is
	// missing in the rate.
	Others float64
}

// Round is a run through each front end, by name.
type Round map[string]Sample

// Median is the middle of some numbers, 0 of none.
func Median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(all))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// Spread is the median of some numbers, and the least and the greatest.
type Spread struct{ Median, Min, Max float64 }

// spread of no numbers is zero.
func spread(all []float64) Spread {
	if len(all) == 0 {
		return Spread{}
	}
	return Spread{Median(all), slices.Min(all), slices.Max(all)}
}

// of is what a column says of a front end in each round where it ran.
func of(rounds []Round, front string, column func(Sample) float64) []float64 {
	var all []float64
	for _, r := range rounds {
		if s, ok := r[front]; ok {
			all = append(all, column(s))
		}
	}
	return all
}

// ratios compares two front ends round by round: what disturbs a round disturbs both.
func ratios(rounds []Round, a, b string, column func(Sample) float64) Spread {
	var all []float64
	for _, r := range rounds {
		x, y := column(r[a]), column(r[b])
		if x > 0 && y > 0 {
			all = append(all, x/y)
		}
	}
	return spread(all)
}

func rate(s Sample) float64 { return s.Rate }
func cpu(s Sample) float64  { return s.CPU }
func p50(s Sample) float64  { return s.P50 }
func p99(s Sample) float64  { return s.P99 }

func others(s Sample) float64      { return s.Others }
func behindCPU(s Sample) float64   { return s.BehindCPU }
func behindConns(s Sample) float64 { return s.BehindConns }
