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

	// Of the last sitting.
	own    []histogram // see scales
	needs  needs
	totals [backend.Stages]total
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

// A sitting looks at everybody: each stage is weighed, then the members are
// judged, some at a time. Between these steps others may have their say, so that
// nobody waits for the whole of it.

// atOneGo is how many members are judged in a step.
const atOneGo = 250

// sit holds a whole sitting. It is called a few times a second.
func (j *jury) sit(now time.Time) {
	for stage := range backend.Stages {
		j.weigh(stage, now)
	}
	for from := 0; from < len(j.members); from += atOneGo {
		j.judge(from, now)
	}
}

// judge judges some members, from one on.
func (j *jury) judge(from int, now time.Time) {
	for _, m := range j.members[from:min(from+atOneGo, len(j.members))] {
		m.tick(now)
		m.setLatency()
		j.stuck(m, now)
		if m.accused == nil {
			j.outlier(m, now)
		}
		j.decide(m, now)
	}
}

// heardAtOnce is up to which size of a pool 4xx are compared with the others' at
// every single one. Where it takes longer, they wait for the next sitting.
const heardAtOnce = 100

// hear judges one connector at once, after something was said against it.
func (j *jury) hear(m *member, now time.Time) {
	if m.accused == nil && m.deferrals >= j.cfg.Breaker.ConsecutiveFailures && len(j.members) <= heardAtOnce {
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
			m.stuck = m.stuck || a.silent // a trial that fails in another way does not make it less so
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
		if left == 0 && o.takesMail() { // one is enough to know, and it costs a look-up
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
		m.stuck = a.silent
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
