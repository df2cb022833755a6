package policies

// roundRobin is the smooth weighted round robin. A transaction's ticket is its
// position in each tier's precomputed cycle, so a pick is one atomic addition and
// a look-up, and nobody waits for anybody.
type roundRobin struct{}

func (roundRobin) first(t *Tier, cur *Cursor) int { return t.turn(cur.ticket) }

func (roundRobin) second(t *Tier, cur *Cursor) int { return t.turnAfter(cur.ticket, cur.first) }
