package policies

import "time"

// Cursor is a transaction's place in the order. Its zero value is exhausted;
// [Policy.Start] sets it, also anew.
type Cursor struct {
	candidates *Candidates
	needs      Needs
	now        time.Time
	ticket     uint64
	key        uint64 // what maglev goes by
	preferred  string // by affinity: a connector's name; empty: nobody
	tier       int    // index of the tier that is being tried
	step       int    // members of that tier that were passed
	first      int    // index of its first choice
	second     int    // index of its second choice
}

// Next returns the next candidate to try, each at most once, and nil when there
// is none left. Candidates that cannot serve the request's needs are left out;
// lower tiers come first.
func (p *Policy) Next(cur *Cursor) *Candidate {
	if cur.candidates == nil {
		return nil
	}
	for ; cur.tier < len(cur.candidates.Tiers); cur.tier, cur.step = cur.tier+1, 0 {
		t := cur.candidates.Tiers[cur.tier]
		for cur.step < len(t.Members) {
			m := &t.Members[p.choice(t, cur)]
			cur.step++
			if m.Serves(cur.needs) {
				return m
			}
		}
	}
	return nil
}

// choice returns the index of the member at the cursor's step. Affinity comes
// before the policy, but after the cost and what the transaction needs.
func (p *Policy) choice(t *Tier, cur *Cursor) int {
	switch cur.step {
	case 0:
		preferred := cur.preference(t)
		if cur.first = preferred; preferred < 0 {
			cur.first = p.chooser.first(t, cur)
		}
		return cur.first
	case 1:
		cur.second = p.afterFirst(t, cur)
		return cur.second
	}
	return t.rest(cur)
}

// afterFirst returns the policy's own first choice, where affinity came before it.
func (p *Policy) afterFirst(t *Tier, cur *Cursor) int {
	if cur.preference(t) == cur.first {
		if i := p.chooser.first(t, cur); i != cur.first {
			return i
		}
	}
	return p.chooser.second(t, cur)
}

// preference returns the index of the preferred member, where it is in this tier
// and can serve the transaction; -1: it is not.
func (cur *Cursor) preference(t *Tier) int {
	if cur.preferred == "" {
		return -1
	}
	i := t.find(cur.preferred)
	if i >= 0 && !t.Members[i].Serves(cur.needs) {
		return -1
	}
	return i
}

// random returns a number that belongs to this transaction, this tier and this
// draw alone.
func (cur *Cursor) random(draw uint64) uint64 {
	return number(number(cur.ticket, uint64(cur.tier)), draw)
}

// draws is how often a draw is repeated that has met somebody who is of no use.
const draws = 8

// draw returns the index of a member that can serve the transaction and is none of
// the others, by weight and chance; -1: luck was against it. salt tells apart the
// draws of one transaction.
func (cur *Cursor) draw(t *Tier, salt uint64, not, norThis int) int {
	for k := range uint64(draws) {
		i := int(t.turns[below(cur.random(salt*draws+k), len(t.turns))])
		if i != not && i != norThis && t.Members[i].Serves(cur.needs) {
			return i
		}
	}
	return -1
}

// rest returns the member at step 2 and on: the ring behind the first choice,
// without the second. The second stands at a known place there, so that which
// one comes at a step follows from the step alone.
func (t *Tier) rest(cur *Cursor) int {
	n := len(t.Members)
	skipped := (cur.second - cur.first + n) % n
	offset := cur.step - 1
	if offset >= skipped {
		offset++
	}
	return (cur.first + offset) % n
}
