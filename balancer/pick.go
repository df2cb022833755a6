package balancer

import (
	"slices"
	"strconv"
	"time"

	"weir/internal/backend"
	"weir/policies"
)

// choice is a transaction's way through the connectors that may take it.
type choice struct {
	way    *policies.Way      // where its recipients go; nil: not known yet, or the listener has a pool of its own
	req    policies.Request   // what the policies know of it
	places []place            // the pools in the order in which they are asked
	turn   int                // the index of the one that is being asked
	begun  bool               // the places are set up; else the next who asks sets them up anew
	opened bool               // the policy of this turn was asked for an order
	cursor policies.Cursor    // the place in that
	full   *pool              // the first in which a connector had no place
	tier   int                // the cost of the last connector that had no place in this turn
	tiered bool               // there was one
	asked  []*backend.Backend // connectors that were tried
	noted  []*backend.Backend // connectors that were passed over, as far as the record names them
}

// pick takes a place at the next candidate. It waits in a pool's queue for one of
// those that come first when these are all at their limit.
func (t *transaction) pick(limit time.Time) *backend.Backend {
	if len(t.asked) >= maxCandidates || !time.Now().Before(limit) {
		return nil // who is asked without time to answer would be blamed for it
	}
	b, full := t.tryPick()
	if b != nil {
		return b
	}
	if full != nil {
		if b = t.queue(full, limit); b != nil {
			return b
		}
	}
	if len(t.asked) == 0 {
		t.lastFault = fault{kind: faultNoPlace}
	}
	return nil
}

// tryPick goes through the order once: pools, their tiers, and in these what the
// policy says. It also returns the first pool in which somebody would do but has
// no place.
func (t *transaction) tryPick() (b *backend.Backend, full *pool) {
	if !t.begun {
		t.places = t.s.front.places(t.way, t.req.Needs, t.places[:0])
		t.begun, t.opened, t.turn, t.full = true, false, 0, nil
	}
	for ; t.turn < len(t.places); t.turn, t.opened = t.turn+1, false {
		if b := t.tryPlace(&t.places[t.turn]); b != nil {
			return b, nil
		}
		if t.full != nil && len(t.asked) == 0 {
			break // this pool is waited for
		}
	}
	t.begun = false // who asks again asks for a new order
	return nil, t.full
}

// tryPlace goes on through one pool's order. It ends before the next tier when
// somebody of this one has no place: tiers are for when there is nobody, not for
// when there is much to do. Mail that failed elsewhere goes on at once.
func (t *transaction) tryPlace(p *place) *backend.Backend {
	policy := p.pool.policy
	if !t.opened {
		t.opened, t.tiered = true, false
		t.req.Now = time.Now()
		policy.Start(&t.req, p.candidates(), &t.cursor)
	}
	for c := policy.Next(&t.cursor); c != nil; c = policy.Next(&t.cursor) {
		if t.tiered && c.Cost != t.tier && len(t.asked) == 0 {
			return nil
		}
		switch {
		case slices.Contains(t.asked, c.Backend):
		case !p.pool.usable(c.Backend):
			t.passOver(p.pool, c.Backend)
		case c.Acquire():
			t.asked = append(t.asked, c.Backend)
			t.pool, t.rec.Pool = p.pool, p.pool.Name
			return c.Backend
		default:
			t.tier, t.tiered = c.Cost, true
			if t.full == nil {
				t.full = p.pool
			}
			t.passOver(p.pool, c.Backend)
		}
	}
	return nil
}

// queue waits for a place in a pool, up to the pool's queue timeout.
func (t *transaction) queue(p *pool, limit time.Time) *backend.Backend {
	until := time.Now().Add(p.QueueTimeout)
	if limit.Before(until) {
		until = limit
	}
	for {
		w := p.enqueue()
		b, full := t.tryPick()
		switch {
		case b != nil || full == nil:
			p.leaveQueue(w)
			return b
		case full != p && time.Now().Before(until):
			p.leaveQueue(w)
			p = full // a reload has replaced it, or another pool has come first
		case !wait(t.s.srv.base, w, until):
			p.leaveQueue(w)
			return nil
		}
	}
}

// maxPassed bounds how many connectors the record names that were passed over.
const maxPassed = 4

// passOver notes why a connector was not asked.
func (t *transaction) passOver(p *pool, b *backend.Backend) {
	if len(t.noted) >= maxPassed || slices.Contains(t.noted, b) {
		return
	}
	t.noted = append(t.noted, b)
	t.rec.Tries = append(t.rec.Tries, Try{Backend: b.ID().String(), Why: p.whyPassed(b)})
}

// whyPassed says why a candidate gets no mail.
func (p *pool) whyPassed(b *backend.Backend) string {
	switch m := p.view().Member(b.ID().Name); {
	case m == nil || m.Backend != b:
		return "is no member any more"
	case !m.Eligible:
		return "is no candidate any more: " + stateOf(m)
	default:
		return allTaken(b)
	}
}

// stateOf is a member's state with its reason.
func stateOf(m *backend.Member) string {
	if m.Reason == "" {
		return m.State.String()
	}
	return m.State.String() + ": " + m.Reason
}

func allTaken(b *backend.Backend) string {
	if n := b.Limit(); n > 1 {
		return "all " + strconv.FormatInt(n, 10) + " places are taken"
	}
	return "its only place is taken"
}
