package backend

import (
	"maps"
	"slices"
)

// tally is what panic goes by in one cost tier.
type tally struct {
	present  int // members that are not gone
	eligible int // without panic
	panics   bool
}

// panicIn makes the ejected eligible again in tiers where too few others are: when
// nearly everybody is ejected, the few that are left would only be the next. What
// was ejected in the body or at the final dot stays out: mail is lost sight of
// there, not refused.
func panicIn(p *Pool, verdicts []verdict) {
	if p.PanicPercent <= 0 {
		return
	}
	tiers := tallyTiers(p, verdicts)
	for i, m := range p.Members {
		v := &verdicts[i]
		if v.state == StateEjected && m.Health.Stage != StageBody && m.Health.Stage != StageFinalDot && tiers[m.Spec.Cost].panics {
			v.eligible, p.Panic = true, true
			p.Eligible++
		}
	}
}

// tallyTiers judges each tier by itself. None panics while a later one has
// somebody, as that is what later tiers are for; and none behind a tier that has
// enough by itself, as its few are not leant on.
func tallyTiers(p *Pool, verdicts []verdict) map[int]*tally {
	tiers := map[int]*tally{}
	for i, m := range p.Members {
		t := tiers[m.Spec.Cost]
		if t == nil {
			t = &tally{}
			tiers[m.Spec.Cost] = t
		}
		if !m.Gone {
			t.present++
		}
		if verdicts[i].eligible {
			t.eligible++
		}
	}
	costs := slices.Sorted(maps.Keys(tiers))
	later := p.Eligible // eligible in the tiers behind
	for _, cost := range costs {
		t := tiers[cost]
		later -= t.eligible
		if 100*t.eligible < p.PanicPercent*t.present {
			t.panics = later == 0
		} else if t.eligible > 0 {
			break
		}
	}
	return tiers
}
