package health

import (
	"slices"
	"time"

	"weir/internal/backend"
)

// ledger is the evidence of live traffic on one connector: what is under way,
// how long answers took lately, and which were deferrals. It is pure: it is told
// the time. It is used under its owner's lock.
type ledger struct {
	slots  []attempt
	free   []int32
	stages [backend.Stages]evidence
	seen   stageSet // stages of which there is any evidence
}

// attempt is an attempt at one stage that has begun and not ended.
type attempt struct {
	began time.Time // zero: the slot is free
	stage backend.Stage
}

// evidence is what is known of one stage. What every answer touches stands together,
// here and in its parts: it goes from one processor's cache to another's each time.
type evidence struct {
	took     recent
	passed   time.Time // of the last success
	answered time.Time // when the youngest attempt that was answered had begun
	left     []wait    // attempts that were left without an answer
	answers  answers
}

// wait is an attempt that was left without an answer.
type wait struct {
	began  time.Time
	waited time.Duration
}

// maxLeft bounds how many unanswered attempts are remembered; more than are
// ever needed to call a connector stuck.
const maxLeft = 8

// begin notes an attempt and returns its slot.
func (l *ledger) begin(stage backend.Stage, now time.Time) int32 {
	var slot int32
	if n := len(l.free); n > 0 {
		slot, l.free = l.free[n-1], l.free[:n-1]
	} else {
		slot = int32(len(l.slots))
		l.slots = append(l.slots, attempt{})
	}
	l.slots[slot] = attempt{began: now, stage: stage}
	l.seen |= 1 << stage
	return slot
}

// end closes a slot; a negative one is of an attempt that was never noted.
func (l *ledger) end(slot int32) {
	if slot >= 0 && int(slot) < len(l.slots) && !l.slots[slot].began.IsZero() {
		l.slots[slot] = attempt{}
		l.free = append(l.free, slot)
	}
}

// answeredAt notes an answer to an attempt that began at that time.
func (l *ledger) answeredAt(stage backend.Stage, began, now time.Time, deferral bool) {
	l.seen |= 1 << stage
	e := &l.stages[stage]
	e.took.add(now.Sub(began), now)
	e.answers.add(deferral, now)
	if !deferral {
		e.passed = now
	}
	if began.After(e.answered) {
		e.answered = began
	}
	if len(e.left) > 0 { // attempts before this one were held up, but not for good
		e.left = slices.DeleteFunc(e.left, func(left wait) bool { return left.began.Before(began) })
	}
}

// leftAt notes an attempt that ended without an answer.
func (l *ledger) leftAt(stage backend.Stage, began, now time.Time) {
	l.seen |= 1 << stage
	e := &l.stages[stage]
	if len(e.left) < maxLeft && began.After(e.answered) {
		e.left = append(e.left, wait{began, now.Sub(began)})
	}
}

// stuck counts the attempts at a stage that are older than patience, among those
// that began after the youngest attempt that was answered, and returns when the
// oldest of them began (P16). So one message that hangs hides nothing, and
// counts for nothing while others pass. An attempt that was left goes on ageing,
// if whoever left waited for longer than usual: most senders wait for minutes,
// some only for seconds. What began before since does not count.
func (l *ledger) stuck(stage backend.Stage, patience, usual time.Duration, since, now time.Time) (n int, oldest time.Time) {
	if !l.knows(stage) {
		return 0, oldest
	}
	e := &l.stages[stage]
	count := func(began time.Time) {
		if now.Sub(began) < patience || !began.After(e.answered) || began.Before(since) {
			return
		}
		if n++; oldest.IsZero() || began.Before(oldest) {
			oldest = began
		}
	}
	for _, s := range l.slots {
		if s.stage == stage && !s.began.IsZero() {
			count(s.began)
		}
	}
	for _, left := range e.left {
		if left.waited > patienceFactor*usual {
			count(left.began)
		}
	}
	return n, oldest
}

// knows reports whether there is any evidence of a stage. It saves large pools, of
// which most connectors are quiet, from looking through what is empty.
func (l *ledger) knows(stage backend.Stage) bool { return l.seen&(1<<stage) != 0 }

// before counts the attempts under way that began before a time.
func (l *ledger) before(at time.Time) int {
	n := 0
	for _, s := range l.slots {
		if !s.began.IsZero() && s.began.Before(at) {
			n++
		}
	}
	return n
}

// underWay counts the attempts under way.
func (l *ledger) underWay() int { return len(l.slots) - len(l.free) }

// weigh adds what this connector knows of a stage to a histogram: recent
// answers, and attempts under way or left at the age they have, or had. What began
// before since hangs there from before the connector's last change.
func (l *ledger) weigh(stage backend.Stage, into *histogram, since, now time.Time) {
	if !l.knows(stage) {
		return
	}
	e := &l.stages[stage]
	e.took.weigh(into, now)
	for _, s := range l.slots {
		if s.stage == stage && !s.began.IsZero() && !s.began.Before(since) {
			into.add(now.Sub(s.began))
		}
	}
	for _, left := range e.left {
		into.add(left.waited)
	}
}

// forget drops what was held against the connector, when it begins anew.
func (l *ledger) forget(now time.Time) {
	for i := range l.stages {
		e := &l.stages[i]
		e.left, e.answers, e.answered = nil, answers{}, now
	}
}
