package policies

// random draws by weight. What comes is a hash of the transaction's ticket, so
// nobody shares a generator, and a preview shows what really comes next.
type random struct{}

func (random) first(t *Tier, cur *Cursor) int {
	if i := cur.draw(t, 0, -1, -1); i >= 0 {
		return i
	}
	return t.turn(cur.ticket)
}

func (random) second(t *Tier, cur *Cursor) int {
	if i := cur.draw(t, 1, cur.first, -1); i >= 0 {
		return i
	}
	return t.turnAfter(cur.ticket, cur.first)
}
