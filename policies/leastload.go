package policies

import "time"

// leastLoad takes the better one of two choices. The first is whose turn it is in
// the weighted round robin, the second is drawn by weight, and it is taken only
// where its cost is clearly lower. So the mail follows the weights while all are
// alike, and evades who is slow or has much in flight, without that all run to
// the one that looks best. Cost is what is in flight, and one more, for its
// weight, times the latency.
type leastLoad struct{}

const (
	// alike is how many times slower a connector may be than another before that
	// counts: real ones are never quite alike.
	alike = 2
	// slack is how much more may be in flight at a connector than at another before
	// that counts, in transactions of the one with the lower weight: with equal
	// weights, one. Were it less, then with 3 to 1 in weight and little traffic, one
	// in flight at either would drive the next away from it, and shares would follow
	// the traffic instead of the weights.
	slack = 1.9
)

func (leastLoad) first(t *Tier, cur *Cursor) int {
	return better(t, cur, 0, t.turn(cur.ticket), -1)
}

func (leastLoad) second(t *Tier, cur *Cursor) int {
	return better(t, cur, 2, t.turnAfter(cur.ticket, cur.first), cur.first)
}

// better returns the better one of a member and another one that is drawn. Where
// only the first itself is drawn it is compared with a neighbour in the cycle: a
// slow one of two would get a quarter of the mail if a second draw could be the
// same as the first.
func better(t *Tier, cur *Cursor, salt uint64, turn, not int) int {
	if !t.Members[turn].Serves(cur.needs) {
		if drawn := cur.draw(t, salt, not, -1); drawn >= 0 {
			turn = drawn
		}
	}
	other := cur.draw(t, salt+1, turn, not)
	if other < 0 && len(t.Members) > 1 {
		other = t.turnAfter(cur.ticket, turn)
	}
	if other < 0 || other == not || !t.Members[other].Serves(cur.needs) {
		return turn
	}
	if t.dearer(&t.Members[turn], &t.Members[other], cur.now) {
		return other
	}
	return turn
}

// dearer reports whether a costs clearly more than b.
func (t *Tier) dearer(a, b *Candidate, now time.Time) bool {
	costA := max(1, t.load(a)-slack*t.mean/float64(min(a.Weight, b.Weight)))
	costB := t.load(b)
	if times := a.Traffic.Latency.Slower(&b.Traffic.Latency, now); times > alike {
		costA *= times
	}
	if times := b.Traffic.Latency.Slower(&a.Traffic.Latency, now); times > alike {
		costB *= times
	}
	return costA > costB
}

// load is 1 for an idle connector, whatever its weight: the draws see to that.
func (t *Tier) load(c *Candidate) float64 {
	return 1 + float64(c.InFlight())*t.mean/float64(c.Weight)
}
