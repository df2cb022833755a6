package health

import (
	"fmt"
	"time"

	"weir/internal/backend"
)

// jury judges the connectors of one pool against each other: how long each may
// be silent, whose 4xx are nobody else's, who is slower, and how many may be
// ejected at once. Like its machines it is pure, and used under the pool's lock.
type jury struct {
	cfg     *Config
	members []*member
	moves   moves
}

// member is a connector before the jury.
type member struct {
	*machine
	// eligible tells whether the connector takes mail as far as others than
	// health are concerned: operators, and its source.
	eligible func() bool
}

// takesMail reports whether the connector gets mail now, as any other.
func (m *member) takesMail() bool {
	return m.verdict == backend.HealthUp && m.circuit.state() == backend.BreakerClosed && m.eligible()
}

// sit looks at everybody. It is called a few times a second.
func (j *jury) sit(now time.Time) {
	for _, m := range j.members {
		m.tick(now)
	}
	for stage := range backend.Stages {
		j.weigh(stage, now)
	}
	for _, m := range j.members {
		m.setLatency()
		j.stuck(m, now)
		if m.accused == nil {
			j.outlier(m, now)
		}
		j.decide(m, now)
	}
}

// hear judges one connector at once, after something was said against it.
func (j *jury) hear(m *member, now time.Time) {
	if m.accused == nil && m.deferrals >= j.cfg.Breaker.ConsecutiveFailures {
		j.outlier(m, now)
	}
	j.decide(m, now)
}

// decide opens the circuit of an accused connector, unless too many are out.
func (j *jury) decide(m *member, now time.Time) {
	a := m.accused
	if m.accused = nil; a == nil || m.circuit.state() == backend.BreakerOpen {
		return
	}
	if m.circuit.state() == backend.BreakerHalfOpen { // it is out already
		if !a.deferral || !j.alike(m, a.stage, now) {
			m.open(now, a.stage, a.why)
		}
		return
	}
	ejected, left := 1, 0
	for _, o := range j.members {
		if o == m {
			continue
		}
		if o.circuit.state() != backend.BreakerClosed {
			ejected++
		}
		if o.takesMail() {
			left++
		}
	}
	// One may always go, or small pools would have no use of max_percent.
	most := 0
	if percent := j.cfg.Ejection.MaxPercent; percent > 0 {
		most = max(1, len(j.members)*percent/100)
	}
	switch {
	case left == 0:
		m.keep(now, a.why+"; kept, because nothing else in the pool takes mail")
	case !a.certain && ejected > most:
		m.keep(now, fmt.Sprintf("%s; kept, because no more than %d of %d may be out at once (max_percent)", a.why, most, len(j.members)))
	default:
		m.open(now, a.stage, a.why)
	}
}

// keep notes why a connector stays in. The words are renewed now and then only,
// as each change makes a new snapshot of the pool.
func (m *machine) keep(now time.Time, why string) {
	if m.kept == "" || now.Sub(m.keptAt) >= keptFor/2 {
		m.kept, m.keptAt = why, now
		m.changes++
	}
}
