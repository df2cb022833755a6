package policies

import (
	"cmp"
	"slices"
)

// secondChoice takes over the mail of a first choice that failed. It leaps
// through the cycle, by another width on each lap: were it always the next in
// the ring, the whole load of a dead connector would fall on that neighbour.
func (t *Tier) secondChoice(ticket uint64) int {
	n := uint64(len(t.turns))
	at, lap := ticket%n, ticket/n
	first := t.turns[at]
	leap := 1 + lap%(n-1)
	for range 8 {
		at = (at + leap) % n
		if t.turns[at] != first {
			return int(t.turns[at])
		}
	}
	// Nearly the whole cycle is the first one's, or the leaps only meet it.
	for t.turns[at] == first {
		at = (at + 1) % n
	}
	return int(t.turns[at])
}

// The length of a cycle is bounded, so that odd weights in a large pool (which
// would need a cycle as long as their sum) do not cost memory.
const (
	turnsBase      = 4096
	turnsPerMember = 4
)

// turn is the k-th appearance of a member in a cycle.
type turn struct {
	member int32
	weight int64
	place  int64 // divided by its weight: the position in the cycle
}

// turns lays out a full cycle: a member of weight w appears w times, evenly
// spread, at the positions (k + phase) / w. Each member has a phase of its own,
// so that the light ones do not all fall into the middle of the heavy one's.
func turns(members []Candidate) []int32 {
	weights := cycleWeights(members)
	n := int64(len(members))
	var all []turn
	for i, w := range weights {
		for k := range w {
			all = append(all, turn{member: int32(i), weight: w, place: 2*n*k + 2*int64(i) + 1})
		}
	}
	slices.SortFunc(all, func(a, b turn) int {
		if c := cmp.Compare(a.place*b.weight, b.place*a.weight); c != 0 {
			return c
		}
		return cmp.Compare(a.member, b.member)
	})
	cycle := make([]int32, len(all))
	for i := range all {
		cycle[i] = all[i].member
	}
	return cycle
}

// cycleWeights returns the weights in lowest terms and, where their sum is over
// the bound, scaled down: shares are then right to one part in the bound, and
// nobody's falls to none.
func cycleWeights(members []Candidate) []int64 {
	weights := make([]int64, len(members))
	var divisor, sum int64
	for i := range members {
		weights[i] = max(int64(members[i].Weight), 1)
		divisor = gcd(weights[i], divisor)
	}
	for i := range weights {
		weights[i] /= divisor
		sum += weights[i]
	}
	bound := int64(turnsBase + turnsPerMember*len(members))
	if sum <= bound {
		return weights
	}
	for i, w := range weights {
		weights[i] = max((w*bound+sum/2)/sum, 1)
	}
	return weights
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
