package health

import (
	"fmt"
	"time"

	"weir/internal/backend"
)

// What live traffic says of a connector, and what that accuses it of.

// accusation is the reason why a circuit should open.
type accusation struct {
	stage    backend.Stage
	why      string
	certain  bool // connections are refused: max_percent does not hold
	deferral bool // counts only when the peers do not defer alike (P17)
	silent   bool // stuck (P16)
}

// through is how recent a success must be for the connector to be at work still.
const through = 10 * time.Second

// Failures at long intervals: where mail is rare, fewer are enough, if nothing
// has worked for a while.
const (
	lasting       = time.Minute
	lastingEnough = 3
)

// refusedEnough refused connections leave no doubt.
const refusedEnough = 2

// begin is told of an attempt, and returns its slot.
func (m *machine) begin(stage backend.Stage, now time.Time) int32 {
	if stage == backend.StageConnect || stage == backend.StageMail {
		m.fresh = true
	}
	return m.ledger.begin(stage, now)
}

// end takes in how an attempt ended. Afterwards it may be accused of something.
func (m *machine) end(t *backend.Ticket, o *backend.Outcome, now time.Time, underWay int) {
	m.ledger.end(t.Slot)
	if t.Began.Before(m.turned) {
		return // news of a time before the last change
	}
	switch o.Verdict {
	case backend.Success:
		m.passed(t, now)
	case backend.Deferral:
		m.deferred(t, o, now, underWay)
	case backend.Failure:
		m.failed(t, o, now, underWay)
	case backend.Waited:
		m.ledger.leftAt(t.Stage, t.Began, now)
	}
}

func (m *machine) passed(t *backend.Ticket, now time.Time) {
	m.ledger.answeredAt(t.Stage, t.Began, now, false)
	m.failures.clear(contradicts(t.Stage))
	m.ratios[t.Stage].add(now, m.cfg.Breaker.Window, false)
	if t.Stage == backend.StageFinalDot {
		m.deferrals = 0
		m.capacity.room()
	}
	// A transaction counts once, however many recipients or stages it passes.
	if m.fresh && m.circuit.state() == backend.BreakerHalfOpen && contradicts(t.Stage)&(1<<m.circuit.stage) != 0 {
		m.fresh = false
		m.passedTrial(now)
	}
}

// deferred takes in a 4xx. Whether it is held against the connector depends on
// its peers (P17); 452 4.3.1 is a lack of room (P18).
func (m *machine) deferred(t *backend.Ticket, o *backend.Outcome, now time.Time, underWay int) {
	m.ledger.answeredAt(t.Stage, t.Began, now, true)
	m.deferrals++
	switch {
	case o.Full && m.trialFailed(t.Stage, o.Why):
	case o.Full:
		m.full(now, t.Stage, o.Why, underWay)
	case m.circuit.state() == backend.BreakerHalfOpen && t.Stage >= m.circuit.stage:
		m.accused = &accusation{stage: t.Stage, why: "trial failed: " + at(t.Stage, o.Why), deferral: true}
	}
}

// full takes in a sign that the connector has no room for more (P18).
func (m *machine) full(now time.Time, stage backend.Stage, why string, underWay int) {
	m.changes++
	m.capacity.why = at(stage, why)
	if m.capacity.full(now, underWay) {
		m.accuse(stage, "no room for a single transaction, "+inARow(m.capacity.alone, "time")+"; last: "+at(stage, why), false)
	}
}

// passes reports whether others got past a stage a moment ago.
func (m *machine) passes(stage backend.Stage, now time.Time) bool {
	passed := m.ledger.stages[max(stage, backend.StageEHLO)].passed
	return now.Sub(passed) < through && passed.After(m.turned)
}

// noRoom reports whether a failure is a lack of room: 421 while others are let
// in, or no greeting while transactions end well (P18).
func (m *machine) noRoom(stage backend.Stage, o *backend.Outcome, now time.Time) bool {
	return o.Code == 421 && m.passes(stage, now) ||
		o.Silent && stage == backend.StageBanner && m.passes(backend.StageFinalDot, now)
}

func (m *machine) failed(t *backend.Ticket, o *backend.Outcome, now time.Time, underWay int) {
	if m.trialFailed(t.Stage, o.Why) {
		return
	}
	if m.noRoom(t.Stage, o, now) {
		m.full(now, t.Stage, o.Why, underWay)
		return
	}
	if o.Silent {
		m.ledger.leftAt(t.Stage, t.Began, now)
	}
	if m.failures.total() == 0 {
		m.doubted = now
	}
	m.failures.add(t.Stage)
	m.ratios[t.Stage].add(now, m.cfg.Breaker.Window, true)
	m.good = 0 // doubt: probe soon
	m.weighFailures(t.Stage, o, now)
}

// weighFailures accuses the connector when failures have come too often.
func (m *machine) weighFailures(stage backend.Stage, o *backend.Outcome, now time.Time) {
	n := m.failures.total()
	all, failed := m.ratios[stage].sum()
	b := &m.cfg.Breaker
	switch {
	case o.Refused && m.failures.by[backend.StageConnect] >= refusedEnough:
		m.accuse(stage, inARow(n, "attempt")+" failed; last: "+at(stage, o.Why), true)
	case n >= b.ConsecutiveFailures, n >= lastingEnough && now.Sub(m.doubted) >= lasting:
		m.accuse(m.failures.deepest(), inARow(n, "attempt")+" failed; last: "+at(stage, o.Why), o.Refused)
	case all >= b.MinRequests && float64(failed) >= b.FailureRatio*float64(all):
		m.accuse(stage, fmt.Sprintf("%d of %d attempts at %s failed within %s; last: %s", failed, all, stage, short(b.Window), o.Why), false)
	}
}

// trialFailed opens a half-open circuit again: one failure is enough.
func (m *machine) trialFailed(stage backend.Stage, why string) bool {
	if m.circuit.state() != backend.BreakerHalfOpen {
		return false
	}
	m.accuse(stage, "trial failed: "+at(stage, why), true)
	return true
}

func (m *machine) accuse(stage backend.Stage, why string, certain bool) {
	m.accused = &accusation{stage: stage, why: why, certain: certain}
}
