package policies

import (
	"math/bits"
	"slices"
)

// turn returns the member whose turn it is.
func (t *Tier) turn(ticket uint64) int { return int(t.turns[ticket%uint64(len(t.turns))]) }

// turnAfter takes over the mail of a member that failed. It leaps through the
// cycle, by another width on each lap: were it always the next in the ring, the
// whole load of a dead connector would fall on that neighbour. There are two
// members at least.
func (t *Tier) turnAfter(ticket uint64, failed int) int {
	n := uint64(len(t.turns))
	at, lap := ticket%n, ticket/n
	leap := 1 + lap%(n-1)
	for range 8 {
		at = (at + leap) % n
		if int(t.turns[at]) != failed {
			return int(t.turns[at])
		}
	}
	// Nearly the whole cycle is that one's, or the leaps only meet it.
	for int(t.turns[at]) == failed {
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

// turns lays out a full cycle: a member of weight w appears w times, evenly
// spread, at the positions (k + phase) / w. Each member has a phase of its own,
// so that the light ones do not all fall into the middle of the heavy one's.
// Positions are numbers with the member in their low bits: so sorting them is
// fast, and those that are equal are in the order of the members.
func turns(members []Candidate) []int32 {
	weights := cycleWeights(members)
	n, low := uint64(len(members)), bits.Len(uint(len(members)))
	var sum int64
	for _, w := range weights {
		sum += w
	}
	places := make([]uint64, 0, sum)
	for i, w := range weights {
		// (k + (i + ½) / n) / w as a whole fraction, so that equal ones come out equal.
		width := 2 * n * uint64(w)
		for place := 2*uint64(i) + 1; place < width; place += 2 * n {
			high, rest := bits.Mul64(place, 1<<(63-low))
			position, _ := bits.Div64(high, rest, width)
			places = append(places, position<<low|uint64(i))
		}
	}
	slices.Sort(places)
	cycle := make([]int32, len(places))
	for i, place := range places {
		cycle[i] = int32(place & (1<<low - 1))
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
