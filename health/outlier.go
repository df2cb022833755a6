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
		a := &m.ledger.stages[stage].answers
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
		if o == m || o.circuit.state() != backend.BreakerClosed {
			continue
		}
		a := &o.ledger.stages[stage].answers
		latest.merge(a.latest(time.Time{}))
		same.merge(a.latest(since))
		long.merge(a.usual(now))
	}
	usual = max(latest.guess(), same.share())
	if long.n >= latest.n {
		usual = max(usual, long.guess())
	}
	return latest, usual
}

// alike reports whether the peers defer at a stage like a connector on trial: then
// its 4xx says nothing.
func (j *jury) alike(m *member, stage backend.Stage, now time.Time) bool {
	ratio := j.cfg.Ejection.OutlierRatio
	known, usual := j.peers(m, stage, m.turned, now)
	return ratio <= 0 || known.n > 0 && ratio*usual > 1
}
