package dns

import (
	"net/netip"

	"weir/internal/backend"
)

// Cluster is what this room asks of the replicas. It is asked often, and must not
// block.
type Cluster interface {
	// Leading returns the term in which this replica is the one that writes.
	// ok: it is. Another term is another value.
	Leading() (term Term, ok bool)
	// Votes returns how many replicas are live, this one included, and how many of
	// them have the connector out for reasons of health. live 0: it is not known.
	Votes(id backend.ID) (out, live int)
	// Replicas returns those that are live, this one included, and those that have
	// said that they leave. Nobody: they are not known now.
	Replicas() []Replica
}

// Term is one time as the leader. It is comparable.
type Term interface {
	// Valid reports whether it has not ended; one that has ended once is never
	// valid again.
	Valid() bool
}

// Replica is one replica of weir.
type Replica struct {
	Name      string
	Addresses []netip.Addr // that it advertises
	Standby   bool         // it was told to leave, or has left in an orderly way
	Blind     bool         // no connector at all is eligible in its view
}

// Alone is the Cluster of a weir that shares nothing with others: it always leads,
// and its own view is the majority.
type Alone struct {
	Registry  *backend.Registry
	Addresses []netip.Addr
	Standby   func() bool // nil: never
}

type forever struct{}

func (forever) Valid() bool { return true }

// Leading returns the one term there is.
func (Alone) Leading() (term Term, ok bool) { return forever{}, true }

// Votes returns this weir's own view.
func (a Alone) Votes(id backend.ID) (out, live int) {
	if p := a.Registry.Snapshot().Pool(id.Pool); p != nil {
		if m := p.Member(id.Name); m != nil && ill(m) && !m.Eligible {
			return 1, 1
		}
	}
	return 0, 1
}

// Replicas returns this weir.
func (a Alone) Replicas() []Replica {
	return []Replica{{Name: "this weir", Addresses: a.Addresses, Standby: a.Standby != nil && a.Standby()}}
}
