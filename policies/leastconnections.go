package policies

// Among how many members least-connections finds the least: all of a tier, or, where
// that has more, so many drawn, which is as good in practice, and costs the same
// however large the tier is.
const (
	compared = 64
	drawn    = 32
)

// leastConnections prefers who has the least in flight for its weight. Weights
// count as in HAProxy: who is idle has no load at all, and others have the load
// that one more transaction would make, divided by the weight. Ties go by the
// weighted round robin, so idle connectors get mail by their weights.
type leastConnections struct{}

func (leastConnections) first(t *Tier, cur *Cursor) int {
	return least(t, cur, t.turn(cur.ticket), -1)
}

func (leastConnections) second(t *Tier, cur *Cursor) int {
	return least(t, cur, t.turnAfter(cur.ticket, cur.first), cur.first)
}

// share is a load that can be compared without dividing.
type share struct{ load, weight int64 }

func (s share) under(other share) bool { return s.load*other.weight < other.load*s.weight }

func (c *Candidate) connections() share {
	n := c.InFlight()
	if n > 0 {
		n++
	}
	return share{n, int64(c.Weight)}
}

// least returns the member with the least load for its weight, but not that one.
// The one whose turn it is wins a tie.
func least(t *Tier, cur *Cursor, turn, not int) int {
	best, lowest := -1, share{}
	n := len(t.Members)
	if n > compared {
		n = drawn
	}
	for k := range n {
		i := (turn + k) % len(t.Members)
		if k > 0 && n < len(t.Members) {
			i = int(t.turns[below(cur.random(uint64(k)), len(t.turns))])
		}
		m := &t.Members[i]
		if i == not || !m.Serves(cur.needs) {
			continue
		}
		if load := m.connections(); best < 0 || load.under(lowest) {
			best, lowest = i, load
		}
		if lowest.load == 0 && best == turn {
			return best
		}
	}
	if best < 0 {
		return turn // nobody can serve it: who is passed over first does not matter
	}
	return tied(t, cur, best, not, lowest)
}

// tied returns one of those that have no more load than the least: the next ones
// in the cycle by leaps, as if those before them had failed. Were it always the
// next in the ring, it would get the turns of all the busy ones before it.
func tied(t *Tier, cur *Cursor, best, not int, lowest share) int {
	n := uint64(len(t.turns))
	at, leap := cur.ticket%n, 1+cur.ticket/n%max(n-1, 1)
	for range draws {
		i := int(t.turns[at])
		m := &t.Members[i]
		if i != not && m.Serves(cur.needs) && !lowest.under(m.connections()) {
			return i
		}
		at = (at + leap) % n
	}
	return best
}
