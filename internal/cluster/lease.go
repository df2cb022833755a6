package cluster

import (
	"sync"
	"time"
)

// leaseAge is how old the last confirmation of leadership may be. A session lives
// for 10 s after its last renewal, so the successor cannot begin before this ends.
const leaseAge = 7 * time.Second

// Term is one time as the leader. What is written in it is fenced by whoever
// writes; Valid only says when to stop. The zero Term is never valid.
type Term struct{ t *term }

// Valid reports whether this replica is still the leader, as far as it can know:
// the last confirmed renewal is not older than 7 s. A term that has ended once is
// never valid again, even if the lock was ours all the time.
func (t Term) Valid() bool { return t.t != nil && t.t.valid() }

// term is a span of leadership without a gap.
type term struct {
	now func() time.Time

	mu        sync.Mutex
	confirmed time.Time // when the last renewal that succeeded was sent
	ended     bool
}

func (t *term) valid() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.holds()
}

func (t *term) holds() bool {
	t.ended = t.ended || t.now().Sub(t.confirmed) > leaseAge
	return !t.ended
}

// confirm moves the term on, unless it has ended.
func (t *term) confirm(sent time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.holds() {
		return false
	}
	t.confirmed = sent
	return t.holds()
}

func (t *term) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
}

// lease is the leadership of this replica, term after term.
type lease struct {
	now func() time.Time

	mu      sync.Mutex
	current *term // nil: not the leader
}

// confirm notes that the lock was ours when a call was sent. won: a term begins.
// The caller sent the call in the last seconds, see callTimeout.
func (l *lease) confirm(sent time.Time) (won bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != nil && l.current.confirm(sent) {
		return false
	}
	l.current = &term{now: l.now, confirmed: sent}
	return true
}

// drop ends the term; it reports whether there was one.
func (l *lease) drop() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == nil {
		return false
	}
	l.current.end()
	l.current = nil
	return true
}

// expire drops a term that is too old.
func (l *lease) expire() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == nil || l.current.valid() {
		return false
	}
	l.current = nil
	return true
}

func (l *lease) get() Term {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Term{l.current}
}
