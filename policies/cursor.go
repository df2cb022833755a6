package policies

// Cursor is a transaction's place in the order. Its zero value is exhausted;
// [Policy.Start] sets it, also anew.
type Cursor struct {
	candidates *Candidates
	needs      Needs
	ticket     uint64
	tier       int // index of the tier that is being tried
	step       int // members of that tier that were passed
	first      int // index of its first choice
	second     int // index of its second choice
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

// choice returns the index of the member at the cursor's step.
func (p *Policy) choice(t *Tier, cur *Cursor) int {
	switch cur.step {
	case 0:
		cur.first = p.chooser.first(t, cur)
		return cur.first
	case 1:
		cur.second = p.chooser.second(t, cur)
		return cur.second
	}
	return t.rest(cur)
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
