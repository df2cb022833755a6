package backend

import "time"

// derive fills in what follows from the facts of a pool's members: state with
// its reason, and eligibility, which depends on the other members too. A member
// of which nothing follows but what did before stays as it is; another one is
// replaced by a copy, as members never change.
func derive(p *Pool, started bool, now time.Time) {
	verdicts := make([]verdict, len(p.Members))
	p.Eligible, p.Panic = 0, false
	for i, m := range p.Members {
		v := &verdicts[i]
		v.state, v.reason = deriveState(m)
		v.eligible = v.state == StateUp || v.state == StateRecovering
		if v.eligible {
			p.Eligible++
		}
	}
	panicIn(p, verdicts)
	if p.Eligible == 0 && started {
		tryUnjudged(p, verdicts)
	}
	for i, m := range p.Members {
		p.Members[i] = verdicts[i].on(m, now)
	}
}

// verdict is what follows from a member's facts.
type verdict struct {
	state    State
	reason   string
	eligible bool
}

// on returns the member with this verdict.
func (v verdict) on(m *Member, now time.Time) *Member {
	if v.state == m.State && v.reason == m.Reason && v.eligible == m.Eligible {
		return m
	}
	next := *m
	if v.state != m.State {
		next.Since = now
	}
	next.State, next.Reason, next.Eligible = v.state, v.reason, v.eligible
	return &next
}

// tryUnjudged makes connectors without a verdict eligible where there is nothing
// better: one that fails is left by the relay's failover and judged by the next
// probe.
func tryUnjudged(p *Pool, verdicts []verdict) {
	for i := range verdicts {
		if v := &verdicts[i]; v.state == StateStarting {
			v.eligible = true
			p.Eligible++
		}
	}
}

// deriveState returns the first state that holds, from the operator's word down.
func deriveState(m *Member) (State, string) {
	switch {
	case m.Admin.Admin == AdminDisabled:
		return StateDisabled, m.Admin.words()
	case m.Admin.Admin == AdminDrain:
		return StateDrain, m.Admin.words()
	case m.Was != "":
		return StateDrain, m.Was + " has moved to another address: this is forgotten when what runs here has ended"
	case m.Gone:
		return StateDrain, "no source knows it any more: it is forgotten when what runs there has ended"
	case m.Spec.Maintenance != "":
		return StateDrain, m.Spec.Maintenance
	case m.Health.Health == HealthDown:
		return StateDown, m.Health.Reason
	case m.Spec.Critical != "":
		return StateDown, m.Spec.Critical
	case m.Health.Breaker == BreakerOpen, m.Health.Breaker == BreakerHalfOpen && !m.Health.Recovering:
		return StateEjected, m.Health.Reason
	case m.Health.Health == HealthUnknown:
		return StateStarting, "no probe has ended yet"
	case m.Health.Recovering:
		return StateRecovering, m.Health.Reason
	default:
		return StateUp, m.Health.Reason
	}
}
