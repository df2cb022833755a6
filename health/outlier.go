package health

import (
	"fmt"
	"time"

	"weir/internal/backend"
)

// chanceAtMost is how improbable a connector's share of 4xx must be, were it no
// worse than its peers. With a thousand messages a second and greylisting on all
// connectors, less would eject somebody by accident every day.
const chanceAtMost = 1e-9

// deferralStages are those at which a 4xx is compared with the peers' (P17).
func deferralStages() [4]backend.Stage {
	return [...]backend.Stage{backend.StageMail, backend.StageRcpt, backend.StageData, backend.StageFinalDot}
}

// outlier accuses a connector whose 4xx are its own (P17): those in a row since
// its last other answer, or a good part of its last ones.
func (j *jury) outlier(m *member, now time.Time) {
	if m.circuit.state() != backend.BreakerClosed {
		return
	}
	for _, stage := range deferralStages() {
		if !m.ledger.knows(stage) {
			continue
		}
		a := &m.ledger.stages[stage].answers
		if a.held.deferrals < j.cfg.Breaker.ConsecutiveFailures {
			continue // neither of these can have more
		}
		for _, own := range [...]sample{a.run(), a.latest(time.Time{})} {
			if why := j.stands(m, stage, &own, now); why != "" {
				m.accuse(stage, why, false)
				return
			}
		}
	}
}

// stands reports in words why a sample of a connector's answers stands out from
// its peers', or "".
func (j *jury) stands(m *member, stage backend.Stage, own *sample, now time.Time) string {
	b, ratio := &j.cfg.Breaker, j.cfg.Ejection.OutlierRatio
	if ratio <= 0 || own.deferrals < b.ConsecutiveFailures || own.share() < b.FailureRatio {
		return ""
	}
	if len(j.members) > heardAtOnce && own.share() < ratio*j.total(stage, now).without(m, stage, now) {
		return ""
	}
	known, usual := j.peers(m, stage, own.since, now)
	if known.n < b.ConsecutiveFailures || own.share() < ratio*usual || own.chance(usual) > chanceAtMost {
		return ""
	}
	return fmt.Sprintf("%d of its last %d answers at %s were 4xx, against %d of the others' last %d",
		own.deferrals, own.n, stage, known.deferrals, known.n)
}

// peers sums up what the others answered lately at a stage, and returns what
// share of 4xx is to be expected by that: the highest among the last answers,
// those of the same time, and those of the last half hour. Connectors that are
// out already are nobody's measure.
func (j *jury) peers(m *member, stage backend.Stage, since, now time.Time) (latest sample, usual float64) {
	var same, long sample
	for _, o := range j.members {
		if o == m || o.circuit.state() != backend.BreakerClosed || !o.ledger.knows(stage) {
			continue
		}
		a := &o.ledger.stages[stage].answers
		latest.merge(a.held)
		same.merge(a.latest(since))
		long.merge(a.usual(now))
	}
	return latest, max(same.share(), total{latest: latest, long: long}.usual())
}

// total is what all connectors of a pool answered lately at a stage.
type total struct {
	latest, long sample
	known        bool // it was summed up since the last sitting began
}

// usual is the share of 4xx to be expected by it.
func (t total) usual() float64 {
	if t.long.n >= t.latest.n {
		return max(t.latest.guess(), t.long.guess())
	}
	return t.latest.guess()
}

// without is at most what [jury.peers] finds to be usual among the others. In a
// large pool in which all defer it saves each from asking all others.
func (t total) without(m *member, stage backend.Stage, now time.Time) float64 {
	a := &m.ledger.stages[stage].answers
	latest, long := a.held, a.usual(now)
	t.latest.n -= latest.n
	t.latest.deferrals -= latest.deferrals
	t.long.n -= long.n
	t.long.deferrals -= long.deferrals
	return t.usual()
}

// total returns the total of a stage. It is summed up once in a sitting, and in most,
// where nobody defers, not at all.
func (j *jury) total(stage backend.Stage, now time.Time) total {
	t := &j.totals[stage]
	if t.known {
		return *t
	}
	*t = total{known: true}
	for _, o := range j.members {
		if o.circuit.state() != backend.BreakerClosed || !o.ledger.knows(stage) {
			continue
		}
		a := &o.ledger.stages[stage].answers
		t.latest.merge(a.held)
		t.long.merge(a.usual(now))
	}
	return *t
}

// alike reports whether the peers defer at a stage like a connector on trial: then
// its 4xx says nothing.
func (j *jury) alike(m *member, stage backend.Stage, now time.Time) bool {
	ratio := j.cfg.Ejection.OutlierRatio
	known, usual := j.peers(m, stage, m.turned, now)
	return ratio <= 0 || known.n > 0 && ratio*usual > 1
}
