package health

import (
	"fmt"
	"slices"
	"time"

	"weir/internal/backend"
)

// How long a connector may take, by what the others of its pool take: patience is
// a small multiple of what they need nearly always.
const (
	patienceQuantile = 0.99
	patienceFactor   = 3
	// stuckEnough attempts open a circuit; with little traffic two are many.
	stuckEnough    = 3
	stuckEnoughLow = 2
	lowTraffic     = 20 // answers to MAIL within about half an hour
	// latencyEnough answers are compared, and slower counts from latencyFloor.
	latencyEnough = 40
	latencyFloor  = 50 * time.Millisecond
	latencyFactor = 2
	leastShare    = 0.1
)

// weigh compares how long a stage takes, connector by connector.
func (j *jury) weigh(stage backend.Stage, now time.Time) {
	own, needs := j.scales(len(j.members))
	var all histogram
	for i, m := range j.members {
		m.ledger.weigh(stage, &own[i], m.turned, now)
		needs.add(own[i].quantile(patienceQuantile))
		all.merge(&own[i], 1)
	}
	j.totals[stage].known = false
	needs.sort()
	floor := j.cfg.Breaker.StuckAfter[stage]
	for i, m := range j.members {
		m.patience[stage], m.usual[stage] = 0, needs.without(i)
		if floor > 0 && len(j.members) > 1 {
			m.patience[stage] = max(floor, patienceFactor*m.usual[stage])
		}
		if telling(stage) && own[i].n > 0 {
			others := all
			others.merge(&own[i], -1)
			m.compare(stage, &own[i], &others)
		} else {
			m.slow[stage] = 0
		}
	}
}

// scales returns empty histograms, and an empty list of needs, for n connectors.
// They are used again each time, as large pools are weighed often.
func (j *jury) scales(n int) ([]histogram, *needs) {
	if cap(j.own) < n {
		j.own = make([]histogram, n)
	}
	j.own = j.own[:n]
	for i := range j.own {
		if j.own[i].n > 0 {
			j.own[i] = histogram{}
		}
	}
	j.needs.each, j.needs.known = j.needs.each[:0], j.needs.known[:0]
	return j.own, &j.needs
}

// needs is how long each connector of a pool needs.
type needs struct {
	each  []time.Duration // 0: not known
	known []time.Duration // sorted
}

func (d *needs) add(need time.Duration) {
	d.each = append(d.each, need)
	if need > 0 {
		d.known = append(d.known, need)
	}
}

func (d *needs) sort() { slices.Sort(d.known) }

// without returns what the connectors other than one need: the middle one of
// those known, the lower of two. So a second one that hangs is no excuse for the
// first.
func (d *needs) without(one int) time.Duration {
	mine, others := d.each[one], len(d.known)
	if mine > 0 {
		others--
	}
	if others == 0 {
		return 0
	}
	middle := (others - 1) / 2
	if mine > 0 && mine <= d.known[middle] {
		middle++ // it stands at or before that place itself
	}
	return d.known[middle]
}

// telling are the stages whose latency is the connector's doing.
func telling(s backend.Stage) bool {
	return s == backend.StageMail || s == backend.StageRcpt || s == backend.StageData || s == backend.StageFinalDot
}

// compare notes by what factor the median of one is above that of the others,
// where that is worth mentioning. While there is too little to compare, as there
// is once the share has fallen, what was found stands.
func (m *machine) compare(stage backend.Stage, own, others *histogram) {
	enough := uint32(latencyEnough)
	if m.slow[stage] > 0 {
		enough = latencyEnough / 4
	}
	if own.n < enough || others.n < enough {
		if own.n == 0 {
			m.slow[stage] = 0
		}
		return
	}
	mine, theirs := own.quantile(0.5), max(others.quantile(0.5), time.Millisecond)
	m.slow[stage] = 0
	if mine >= latencyFloor && mine >= latencyFactor*theirs {
		m.slow[stage] = float64(mine) / float64(theirs)
	}
}

// setLatency sets the share that the slowest stage leaves.
func (m *machine) setLatency() {
	m.latency = 0
	for _, slow := range m.slow {
		if slow > 0 && (m.latency == 0 || 1/slow < m.latency) {
			m.latency = max(1/slow, leastShare)
		}
	}
}

// stuck accuses a connector that has gone silent at a stage (P16).
func (j *jury) stuck(m *member, now time.Time) {
	if m.circuit.state() == backend.BreakerOpen {
		return
	}
	for stage := range backend.Stages {
		patience := m.patience[stage]
		if patience == 0 {
			continue
		}
		var since time.Time
		if stage <= backend.StageBanner {
			since = m.capacity.cut // what has waited since before that was part of the crowd
		}
		n, oldest := m.ledger.stuck(stage, patience, m.usual[stage], since, now)
		if n < m.stuckEnough(now) {
			continue
		}
		why := fmt.Sprintf("%s waiting for up to %s at %s%s", counted(n, "message"), span(now.Sub(oldest)), stage, othersNeed(m.usual[stage]))
		if stage <= backend.StageBanner && m.ledger.stages[backend.StageFinalDot].passed.After(oldest.Add(patience/2)) {
			m.full(now, stage, why, m.ledger.underWay()) // it is at work all the while (P18)
			continue
		}
		m.accuse(stage, why, false)
		m.accused.silent = true
		return
	}
}

// stuckEnough is how many stuck attempts are enough.
func (m *machine) stuckEnough(now time.Time) int {
	known := m.ledger.stages[backend.StageMail].answers.usual(now)
	switch {
	case m.circuit.state() == backend.BreakerHalfOpen:
		return 1
	case known.n < lowTraffic:
		return stuckEnoughLow
	}
	return stuckEnough
}
