package balancer

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"weir/internal/backend"
	"weir/policies"
)

// waiters are those who wait for a place at a pool's connectors. The order is that of
// coming: a place that becomes free belongs to the first who would take it, and
// whoever comes later leaves it alone, or a busy pool would serve those who are
// lucky and let the others wait until their time is up.
type waiters struct {
	list []*waiter
	n    atomic.Int32 // its length, to be read without the pool's lock
}

// waiter is a transaction that waits. The pool's lock guards what it waits for.
type waiter struct {
	since  time.Time
	woken  chan struct{} // of capacity 1: it is to try again
	queued bool

	needs policies.Needs
	asked [maxCandidates]*backend.Backend
	moved bool           // it was at a connector already
	tiers policies.Tiers // where its order ended
	calm  bool           // without those that are only used in panic
}

// queue waits for a place in a pool, up to the pool's queue timeout.
func (t *transaction) queue(p *pool, limit time.Time) *backend.Backend {
	now := time.Now()
	until := now.Add(p.QueueTimeout)
	if limit.Before(until) {
		until = limit
	}
	w := &waiter{since: now, woken: make(chan struct{}, 1)}
	t.waiter = w
	t.s.stepAside()
	defer func() { t.waiter = nil }()
	for {
		p.enqueue(w, &t.choice)
		b, full := t.tryPick()
		switch {
		case b != nil || full == nil:
			p.leaveQueue(w)
			return b
		case full != p && time.Now().Before(until):
			p.leaveQueue(w)
			p = full // a reload has replaced it, or another pool has come first
		case !wait(t.s.srv.base, w.woken, until):
			p.leaveQueue(w)
			return nil
		}
		t.tick()
	}
}

// enqueue notes what w waits for, and puts it into its place in the queue where it
// has none. Who enqueues tries once more before waiting, or it could miss a release.
func (p *pool) enqueue(w *waiter, c *choice) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.needs, w.tiers, w.moved = c.req.Needs, c.tiers, len(c.asked) > 0
	w.calm = c.turn < len(c.places) && c.places[c.turn].calm
	clear(w.asked[copy(w.asked[:], c.asked):])
	if w.queued {
		return
	}
	w.queued = true
	i := len(p.waiting.list)
	for i > 0 && w.since.Before(p.waiting.list[i-1].since) {
		i--
	}
	p.waiting.list = slices.Insert(p.waiting.list, i, w)
	p.waiting.n.Add(1)
	if p.retired.Load() {
		w.wake()
	}
}

// leaveQueue takes w out again. Who comes behind it may have a place now that was
// its before.
func (p *pool) leaveQueue(w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !w.queued {
		return
	}
	w.queued = false
	i := slices.Index(p.waiting.list, w) // the first ones leave soonest
	p.waiting.list = slices.Delete(p.waiting.list, i, i+1)
	if p.waiting.n.Add(-1) == 0 {
		return
	}
	for _, m := range p.view().Members {
		p.wakeFor(m)
	}
}

// seat takes a place at a connector, but none that somebody waits for who came
// before w; nil: it does not wait yet. It is none where no connection can be had.
func (p *pool) seat(b *backend.Backend, w *waiter) bool {
	if !p.inReach(b) || p.waiting.n.Load() > 0 && (!hasPlace(b) || p.owed(b, w)) {
		return false
	}
	return b.Acquire()
}

func (p *pool) owed(b *backend.Backend, w *waiter) bool {
	m := p.member(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, before := range p.waiting.list {
		if before == w {
			return false
		}
		if before.wants(m) {
			return true
		}
	}
	return false
}

// release gives a transaction's place back, and lets the first try who waits for it.
// He is in the new pool's queue where a reload has replaced this one.
func (p *pool) release(b *backend.Backend) {
	b.Release()
	p = p.latest()
	if p.waiting.n.Load() == 0 {
		return
	}
	m := p.member(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wakeFor(m)
}

// wakeFor wakes the first who waits for a connector that has a place. The caller
// holds the lock.
func (p *pool) wakeFor(m *backend.Member) {
	if m == nil || !hasPlace(m.Backend) {
		return
	}
	for _, w := range p.waiting.list {
		if w.wants(m) {
			w.wake()
			return
		}
	}
}

// wakeAll has all who wait look for themselves. The caller holds the lock.
func (w *waiters) wakeAll() {
	for _, one := range w.list {
		one.wake()
	}
}

func (w *waiter) wake() {
	select {
	case w.woken <- struct{}{}:
	default: // it knows
	}
}

// wants reports whether it would take a place at a connector; nil: one that may get
// no mail.
func (w *waiter) wants(m *backend.Member) bool {
	return m != nil && m.Eligible && serves(m, w.needs) && !w.tiers.End(m.Spec.Cost, w.moved) &&
		(!w.calm || m.State != backend.StateEjected) && !slices.Contains(w.asked[:], m.Backend)
}

func hasPlace(b *backend.Backend) bool {
	limit := b.Limit()
	return limit <= 0 || b.InFlight() < limit
}

// wait blocks until there is something in w, and reports false when ctx or the
// deadline ends first.
func wait(ctx context.Context, w <-chan struct{}, deadline time.Time) bool {
	t := time.NewTimer(time.Until(deadline))
	defer t.Stop()
	select {
	case <-w:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}
