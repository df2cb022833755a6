package sim

import (
	"math"
	"time"
)

// Result is what came of a scenario. Times are virtual.
type Result struct {
	Scenario   string         `json:"scenario"`
	Seed       uint64         `json:"seed"`
	Connectors int            `json:"connectors"`
	Replicas   int            `json:"replicas"`
	Bucket     float64        `json:"bucket_seconds"` // of the series
	Policies   []PolicyResult `json:"policies"`
}

// PolicyResult is what came of it with one policy.
type PolicyResult struct {
	Policy     string  `json:"policy"`
	Messages   int64   `json:"messages"` // Delivered and Deferred
	Delivered  int64   `json:"delivered"`
	Deferred   int64   `json:"deferred"`  // answered 451
	Ambiguous  int64   `json:"ambiguous"` // of those: the connector may have taken it
	Moved      int64   `json:"moved"`     // that another connector was asked for
	Seconds    float64 `json:"seconds"`   // until the last message came
	Rate       float64 `json:"rate"`      // messages a second
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	P999       float64 `json:"p999_ms"`
	MaxMean    float64 `json:"imbalance_max_mean"` // of the connectors that nothing happens to, by weight; 0: there is none
	CV         float64 `json:"imbalance_cv"`       // their coefficient of variation
	BadShare   float64 `json:"bad_share"`          // of the messages that came while some connector was bad, sent to a bad one first
	EvenShare  float64 `json:"bad_even_share"`     // what the bad ones would have got by their weight
	Sicknesses int64   `json:"sicknesses"`         // a connector that fails mail, as seen by one replica
	Ejected    int64   `json:"ejected"`            // of those
	EjectMean  float64 `json:"ejected_after_mean_s"`
	EjectMax   float64 `json:"ejected_after_max_s"`
	False      int64   `json:"false_ejections"` // of connectors that nothing was wrong with
	Groups     []Share `json:"groups"`
	Series     []Point `json:"series"`
}

// Share is a group's part of all attempts.
type Share struct {
	Group string  `json:"group"`
	Share float64 `json:"share"`
}

// Point is a part of the time series.
type Point struct {
	At        float64 `json:"at_s"`
	Arrived   int64   `json:"arrived"`
	Delivered int64   `json:"delivered"` // of those that arrived then
	Deferred  int64   `json:"deferred"`
	Moved     int64   `json:"moved"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	BadShare  float64 `json:"bad_share"`
	Eligible  float64 `json:"eligible"` // connectors, as the mean of all replicas
}

// result puts a tally into figures. World is any one of its worlds, at its end.
func (y *tally) result(w *world) PolicyResult {
	p := PolicyResult{
		Policy: w.policy, Messages: y.arrivals, Delivered: y.ends[delivered], Ambiguous: y.ends[ambiguous],
		Deferred: y.ends[deferred] + y.ends[ambiguous], Moved: y.moved,
		Seconds: round(time.Duration(y.last).Seconds()),
		P50:     milliseconds(y.total.quantile(0.5)), P99: milliseconds(y.total.quantile(0.99)), P999: milliseconds(y.total.quantile(0.999)),
		BadShare: ratio(y.toBad, y.whileBad), EvenShare: ratio(y.even, y.whileBad*1e6),
		Sicknesses: y.episodes, Ejected: y.found, False: y.falseEjections,
		EjectMean: round(ratio(y.ejectSum, y.ejections*1e9)), EjectMax: round(float64(y.ejectMax) / 1e9),
	}
	if y.last > 0 {
		p.Rate = round(float64(y.arrivals) / time.Duration(y.last).Seconds())
	}
	p.MaxMean, p.CV = w.imbalance(y.sends)
	p.Groups = w.shares(y.sends)
	p.Series = y.points()
	return p
}

// imbalance compares what the connectors got that nothing has happened to, each by
// its weight: the most against the mean, and the coefficient of variation.
func (w *world) imbalance(sends []int64) (maxMean, cv float64) {
	var n, sum, squares, highest float64
	for i := range w.connectors {
		c := &w.connectors[i]
		if c.touched || !c.first {
			continue
		}
		got := float64(sends[i]) / float64(c.spec.Weight)
		n, sum, squares, highest = n+1, sum+got, squares+got*got, max(highest, got)
	}
	if sum == 0 {
		return 0, 0
	}
	mean := sum / n
	return round(highest / mean), round(math.Sqrt(max(squares/n-mean*mean, 0)) / mean)
}

func (w *world) shares(sends []int64) []Share {
	var total int64
	groups := make([]int64, len(w.sc.groups))
	for i := range w.connectors {
		groups[w.connectors[i].group] += sends[i]
		total += sends[i]
	}
	shares := make([]Share, len(groups))
	for i, n := range groups {
		shares[i] = Share{w.sc.groups[i].name, ratio(n, total)}
	}
	return shares
}

func (y *tally) points() []Point {
	var all []Point
	for i := range y.series {
		b := &y.series[i]
		if b.arrived == 0 && b.samples == 0 {
			continue
		}
		all = append(all, Point{
			At: round(time.Duration(int64(i) * y.width).Seconds()), Arrived: b.arrived, Delivered: b.delivered, Deferred: b.deferred, Moved: b.moved,
			P50: milliseconds(b.total.quantile(0.5)), P99: milliseconds(b.total.quantile(0.99)),
			BadShare: ratio(b.toBad, b.sends), Eligible: round(ratio(b.eligible, b.samples)),
		})
	}
	return all
}

func ratio(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return math.Round(float64(a)/float64(b)*1e6) / 1e6
}

// round leaves three digits behind the point.
func round(f float64) float64 { return math.Round(f*1000) / 1000 }
