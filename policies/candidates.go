package policies

import (
	"cmp"
	"slices"
	"sync/atomic"

	"weir/internal/backend"
)

// Candidate is a connector that may be tried.
type Candidate struct {
	*backend.Backend
	Weight, Cost int
	Capabilities backend.Capabilities
}

// Serves reports whether the connector can serve the needs, by what it was last
// seen to offer; one that nobody has seen yet is believed to.
func (c *Candidate) Serves(n Needs) bool { return serves(c.Capabilities, n) }

// Tier holds the candidates of one cost. Within a tier the policy decides; the
// next tier is tried when this one is exhausted.
type Tier struct {
	Cost    int
	Members []Candidate // ordered by name
	turns   []int32     // a full cycle of the weighted round robin, as indices of Members
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

// NewCandidates turns a pool's snapshot into candidates.
func NewCandidates(p *backend.Pool) *Candidates {
	c := &Candidates{pool: p}
	in := make([]Candidate, 0, p.Eligible)
	for i := range p.Members {
		m := &p.Members[i]
		if !m.Eligible {
			c.Out = append(c.Out, Exclusion{ID: m.Spec.ID(), Reason: exclusionReason(m)})
			continue
		}
		in = append(in, Candidate{
			Backend: m.Backend, Weight: m.Spec.Weight, Cost: m.Spec.Cost,
			Capabilities: m.Health.Capabilities,
		})
	}
	// Stable: members of a tier stay in the pool's order, which is by name.
	slices.SortStableFunc(in, func(a, b Candidate) int { return cmp.Compare(a.Cost, b.Cost) })
	for len(in) > 0 {
		n := 1
		for n < len(in) && in[n].Cost == in[0].Cost {
			n++
		}
		c.Tiers = append(c.Tiers, &Tier{Cost: in[0].Cost, Members: in[:n:n], turns: turns(in[:n])})
		in = in[n:]
	}
	return c
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
	last atomic.Pointer[Candidates]
}

// Of returns the candidates of the snapshot.
func (c *Cache) Of(p *backend.Pool) *Candidates {
	if last := c.last.Load(); last != nil && last.pool == p {
		return last
	}
	// Several may build the same at once; that is rare and harmless.
	built := NewCandidates(p)
	c.last.Store(built)
	return built
}
