package backend

import "time"

// derive fills in what follows from the facts of a pool's members: state with
// its reason, and eligibility, which depends on the other members too.
func derive(p *Pool, started bool, now time.Time) {
	p.Eligible, p.Panic = 0, false
	for i := range p.Members {
		m := &p.Members[i]
		state, reason := deriveState(m)
		if state != m.State {
			m.Since = now
		}
		m.State, m.Reason = state, reason
		m.Eligible = state == StateUp || state == StateRecovering
		if m.Eligible {
			p.Eligible++
		}
	}
	panicIn(p)
	if p.Eligible > 0 || !started {
		return
	}
	// Nothing better: connectors without a verdict are worth a try. One that
	// fails is left by the relay's failover and judged by the next probe.
	for i := range p.Members {
		if m := &p.Members[i]; m.State == StateStarting {
			m.Eligible = true
			p.Eligible++
		}
	}
}

// panicIn makes the ejected eligible again where too few others are: when nearly
// everybody is ejected, the few that are left would only be the next. What was
// ejected in the body or at the final dot stays out: mail is lost sight of there,
// not refused.
func panicIn(p *Pool) {
	if 100*p.Eligible >= p.PanicPercent*len(p.Members) {
		return
	}
	for i := range p.Members {
		m := &p.Members[i]
		if m.State == StateEjected && m.Health.Stage != StageBody && m.Health.Stage != StageFinalDot {
			m.Eligible, p.Panic = true, true
			p.Eligible++
		}
	}
}

// deriveState returns the first state that holds, from the operator's word down.
func deriveState(m *Member) (State, string) {
	switch {
	case m.Admin.Admin == AdminDisabled:
		return StateDisabled, m.Admin.Reason
	case m.Admin.Admin == AdminDrain:
		return StateDrain, m.Admin.Reason
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
