package policies

// roundRobin is the smooth weighted round robin. A transaction's ticket is its
// position in each tier's precomputed cycle, so a pick is one atomic addition and
// a look-up, and nobody waits for anybody.
type roundRobin struct{}

func (roundRobin) first(t *Tier, cur *Cursor) int {
	return int(t.turns[cur.ticket%uint64(len(t.turns))])
}

func (roundRobin) second(t *Tier, cur *Cursor) int { return t.secondChoice(cur.ticket) }
