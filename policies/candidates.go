package policies

import (
	"cmp"
	"math"
	"slices"
	"sync/atomic"

	"weir/internal/backend"
)

// Candidate is a connector that may be tried.
type Candidate struct {
	*backend.Backend
	Weight       int // relative to the others: hundredths of the configured weight
	Cost         int
	Capabilities backend.Capabilities
	part         int // of fullShare: the share that health leaves it, against the largest in its tier
}

// Serves reports whether the connector can serve the needs, by what it was last
// seen to offer; one that nobody has seen yet is believed to.
func (c *Candidate) Serves(n Needs) bool { return serves(c.Capabilities, n) }

// Tier holds the candidates of one cost. Within a tier the policy decides; the
// next tier is tried when this one is exhausted.
type Tier struct {
	Cost    int
	Members []Candidate // ordered by name
	turns   []int32     // a full cycle of the weighted round robin, as indices of Members: any of them is a draw by weight
	mean    float64     // of the weights
}

// Exclusion says why a connector is no candidate.
type Exclusion struct {
	ID     backend.ID
	Reason string // "down: connect: connection refused"
}

// Candidates is what a pool's snapshot offers to a transaction. It never
// changes; it is built once for each snapshot of the pool (see [Cache]).
type Candidates struct {
	Tiers []*Tier // lowest cost first, none empty
	Out   []Exclusion
	pool  *backend.Pool
}

// NewCandidates turns a pool's snapshot into candidates. A candidate's weight is
// the configured one times the share of it that health leaves the connector, for
// slow start or because it is slower than its peers. All are counted in
// hundredths, so that a connector of weight 1 can have a tenth of its mail too;
// the policy brings weights into lowest terms, so that this costs nothing while
// all have their full share.
func NewCandidates(p *backend.Pool) *Candidates { return newCandidates(p, false) }

// newCandidates leaves out who is only in by panic, if calm.
func newCandidates(p *backend.Pool, calm bool) *Candidates {
	c := &Candidates{pool: p}
	in := make([]Candidate, 0, p.Eligible)
	for _, m := range p.Members {
		if !m.Eligible || calm && m.State == backend.StateEjected {
			c.Out = append(c.Out, Exclusion{ID: m.Spec.ID(), Reason: exclusionReason(m)})
			continue
		}
		in = append(in, Candidate{
			Backend: m.Backend, Weight: weightOf(m), Cost: m.Spec.Cost,
			Capabilities: m.Health.Capabilities, part: partOf(m),
		})
	}
	// Stable: members of a tier stay in the pool's order, which is by name.
	slices.SortStableFunc(in, func(a, b Candidate) int { return cmp.Compare(a.Cost, b.Cost) })
	for len(in) > 0 {
		n := 1
		for n < len(in) && in[n].Cost == in[0].Cost {
			n++
		}
		c.Tiers = append(c.Tiers, newTier(in[:n:n]))
		in = in[n:]
	}
	return c
}

func newTier(members []Candidate) *Tier {
	var sum, most int
	for i := range members {
		sum += members[i].Weight
		most = max(most, members[i].part)
	}
	for i := range members {
		members[i].part = members[i].part * fullShare / most
	}
	return &Tier{
		Cost: members[0].Cost, Members: members,
		turns: turns(members), mean: float64(sum) / float64(len(members)),
	}
}

// find returns the index of the member of that name, or -1.
func (t *Tier) find(name string) int {
	low, high := 0, len(t.Members)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if t.Members[middle].ID().Name < name {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low < len(t.Members) && t.Members[low].ID().Name == name {
		return low
	}
	return -1
}

// fullShare is the number of parts that a weight is divided into.
const fullShare = 100

// weightOf never returns 0: a connector that gets no mail can show no cure.
func weightOf(m *backend.Member) int {
	return max(int(math.Round(float64(m.Spec.Weight)*shareOf(m)*fullShare)), 1)
}

// partOf is the share in whole parts, and never 0.
func partOf(m *backend.Member) int { return max(int(math.Round(shareOf(m)*fullShare)), 1) }

// shareOf is the share of its weight that health leaves a connector.
func shareOf(m *backend.Member) float64 {
	if share := m.Health.Share; share > 0 && share < 1 {
		return share
	}
	return 1
}

func exclusionReason(m *backend.Member) string {
	if m.Reason == "" {
		return m.State.String()
	}
	return m.State.String() + ": " + m.Reason
}

// Cache keeps the candidates of one pool for as long as its snapshot stays the
// same. Its zero value is ready for use, from many goroutines.
type Cache struct {
	last, calm atomic.Pointer[Candidates]
}

// Of returns the candidates of the snapshot. Calm ones are without the connectors
// that are only in by panic: for when another pool has somebody proper.
func (c *Cache) Of(p *backend.Pool, calm bool) *Candidates {
	calm = calm && p.Panic // else both are the same
	kept := &c.last
	if calm {
		kept = &c.calm
	}
	if last := kept.Load(); last != nil && last.pool == p {
		return last
	}
	// Several may build the same at once; that is rare and harmless.
	built := newCandidates(p, calm)
	kept.Store(built)
	return built
}
