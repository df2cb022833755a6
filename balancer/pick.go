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
	from   *backend.Pool      // of whom that is
	cursor policies.Cursor    // the place in that
	full   *pool              // the first in which a connector had no place
	tiers  policies.Tiers     // of this turn
	waiter *waiter            // its place in a queue; nil: it waits in none
	asked  []*backend.Backend // connectors that were tried
	noted  []*backend.Backend // connectors that were passed over, as far as the record names them
}

// pick takes a place at the next candidate. It waits in a pool's queue for one of
// those that come first when these are all at their limit.
func (t *transaction) pick(limit time.Time) *backend.Backend {
	if len(t.asked) >= maxCandidates || !t.now.Before(limit) {
		return nil // who is asked without time to answer would be blamed for it
	}
	b, full := t.tryPick()
	if b != nil {
		return b
	}
	if full != nil {
		b = t.queue(full, limit)
		if t.tick(); b != nil {
			return b
		}
	}
	if len(t.asked) == 0 {
		t.lastFault = fault{kind: faultNoPlace}
		for i := range t.places {
			t.noteUnable(t.places[i].pool)
		}
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
		t.opened, t.tiers = true, policies.Tiers{}
		t.req.Now, t.from = t.now, p.pool.view()
		policy.Start(&t.req, p.pool.cache.Of(t.from, p.calm), &t.cursor)
	}
	for c := policy.Next(&t.cursor); c != nil; c = policy.Next(&t.cursor) {
		if t.tiers.End(c.Cost, len(t.asked) > 0) {
			return nil
		}
		switch {
		case slices.Contains(t.asked, c.Backend):
		case p.pool.view() != t.from && !p.pool.usable(c.Backend):
			t.passOver(p.pool, c.Backend)
		case p.pool.seat(c.Backend, t.waiter):
			t.asked = append(t.asked, c.Backend)
			t.pool, t.rec.Pool = p.pool, p.pool.Name
			return c.Backend
		default:
			t.tiers.Full(c.Cost)
			if t.full == nil {
				t.full = p.pool
			}
			t.passOver(p.pool, c.Backend)
		}
	}
	return nil
}

// Bounds of the tries that a record names.
const (
	maxPassed = 4  // connectors of one way that were passed over
	maxTries  = 24 // of all ways
)

// passOver notes why a connector was not asked.
func (t *transaction) passOver(p *pool, b *backend.Backend) { t.note(b, p.whyPassed(b)) }

// note has the record name it once, however many ways lead there.
func (t *transaction) note(b *backend.Backend, why string) {
	if len(t.noted) >= maxPassed || slices.Contains(t.noted, b) {
		return
	}
	t.noted = append(t.noted, b)
	if try := (Try{Backend: b.ID().String(), Why: why}); !slices.Contains(t.rec.Tries, try) {
		t.noteTried(try.Backend, try.Why)
	}
}

// noteTried has the record name who did not get the message, and why.
func (t *transaction) noteTried(who, why string) {
	if len(t.rec.Tries) < maxTries {
		t.rec.Tries = append(t.rec.Tries, Try{Backend: who, Why: why})
	}
}

// noteUnable notes of a pool's connectors why they cannot be asked.
func (t *transaction) noteUnable(p *pool) {
	members := p.view().Members
	if len(members) == 0 {
		t.noteTried(p.Name, "has no connector")
	}
	for _, m := range members {
		switch {
		case !m.Eligible:
			t.note(m.Backend, stateOf(m))
		case !serves(m, t.req.Needs):
			t.note(m.Backend, lacks(m.Health.Capabilities, t.req.Needs))
		}
	}
}

// whyPassed says why a candidate gets no mail.
func (p *pool) whyPassed(b *backend.Backend) string {
	switch m := p.view().Member(b.ID().Name); {
	case m == nil || m.Backend != b:
		return "is no member any more"
	case !m.Eligible:
		return "is no candidate any more: " + stateOf(m)
	case !p.inReach(b):
		return "weir has no descriptor left for a connection to it"
	case hasPlace(b):
		return "others wait for its places"
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
