package sim

import (
	"time"
)

// fate is how a transaction ended.
type fate uint8

const (
	delivered fate = iota
	deferred       // 451: the sender keeps it
	ambiguous      // 451, though the connector may have taken it (P9)
)

// buckets is how many parts the time series has.
const buckets = 120

// tally counts what happens. It does not grow with the messages, and is made of
// whole numbers only: in whatever order those of several worlds are added, the sum
// is the same.
type tally struct {
	width    int64 // of a bucket, nanoseconds
	replicas int

	total                         histogram // of what was delivered
	arrivals                      int64
	ends                          [ambiguous + 1]int64
	moved                         int64
	last                          int64 // when the last message came
	sends                         []int64
	toBad, whileBad, even         int64 // even in millionths
	episodes, found               int64
	ejections, ejectSum, ejectMax int64
	falseEjections                int64
	series                        [buckets]bucket
}

// bucket is a part of the time series. Messages are counted when they arrive.
type bucket struct {
	arrived, delivered, deferred, moved int64
	sends, toBad                        int64
	eligible, samples                   int64
	total                               histogram
}

func newTally(sc *Scenario, replicas int) *tally {
	return &tally{
		width: max(int64(sc.expected())/buckets, 1), replicas: replicas, sends: make([]int64, sc.connectors()),
	}
}

func (y *tally) at(now int64) *bucket { return &y.series[min(now/y.width, buckets-1)] }

func (y *tally) arrived(now int64) {
	y.arrivals++
	y.last = max(y.last, now)
	y.at(now).arrived++
}

// sent counts an attempt at a connector.
func (y *tally) sent(w *world, c *connector, conn int32, tried int) {
	y.sends[conn]++
	b := y.at(w.now)
	b.sends++
	if c.bad {
		b.toBad++
	}
	if w.ailing > 0 && tried == 1 {
		y.whileBad++
		y.even += int64(w.hurt) * 1e6 / int64(max(w.weight, 1))
		if c.bad {
			y.toBad++
		}
	}
}

func (y *tally) finished(t *txn, now int64, end fate) {
	b := y.at(t.arrived)
	y.ends[end]++
	if end == delivered {
		y.total.add(now - t.arrived)
		b.total.add(now - t.arrived)
		b.delivered++
	} else {
		b.deferred++
	}
	if t.tried > 1 {
		y.moved++
		b.moved++
	}
}

// ejected counts a sick connector that was found out after that long.
func (y *tally) ejected(after int64) {
	y.ejections++
	y.ejectSum += after
	y.ejectMax = max(y.ejectMax, after)
}

// sample notes how many connectors a replica finds eligible.
func (y *tally) sample(now int64, eligible int) {
	b := y.at(now)
	b.eligible += int64(eligible)
	b.samples++
}

// merge adds another world's.
func (y *tally) merge(o *tally) {
	y.replicas += o.replicas
	y.total.merge(&o.total)
	y.arrivals += o.arrivals
	for i := range y.ends {
		y.ends[i] += o.ends[i]
	}
	y.moved += o.moved
	y.last = max(y.last, o.last)
	for i := range y.sends {
		y.sends[i] += o.sends[i]
	}
	y.toBad, y.whileBad, y.even = y.toBad+o.toBad, y.whileBad+o.whileBad, y.even+o.even
	y.episodes, y.found = y.episodes+o.episodes, y.found+o.found
	y.ejections, y.ejectSum = y.ejections+o.ejections, y.ejectSum+o.ejectSum
	y.ejectMax = max(y.ejectMax, o.ejectMax)
	y.falseEjections += o.falseEjections
	for i := range y.series {
		y.series[i].merge(&o.series[i])
	}
}

func (b *bucket) merge(o *bucket) {
	b.arrived += o.arrived
	b.delivered += o.delivered
	b.deferred += o.deferred
	b.moved += o.moved
	b.sends += o.sends
	b.toBad += o.toBad
	b.eligible += o.eligible
	b.samples += o.samples
	b.total.merge(&o.total)
}

func milliseconds(d time.Duration) float64 { return float64(d.Round(time.Microsecond)) / 1e6 }
