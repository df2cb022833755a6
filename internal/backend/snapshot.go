package backend

import (
	"slices"
	"strings"
	"time"
)

// PoolConfig is what the registry must know of a pool to derive states.
type PoolConfig struct {
	Name           string
	Policy         string
	Protocol       string
	MaxConnections int // per connector; 0: no limit
	MinRedundancy  int // eligible connectors below which the pool is not redundant; 0: off
	PanicPercent   int // share of a cost tier, in percent, below which its ejected ones are used again; 0: off
}

// Member is one connector in a snapshot: its facts at that moment, and what
// follows from them. It never changes; one about which nothing is new is the
// same *Member in the next snapshot.
type Member struct {
	*Backend
	Spec     Spec
	Gone     bool   // no source knows it any more; it is forgotten when nothing runs there
	Was      string // the name of a gone one that has moved: the name is with its new address
	Health   HealthFact
	Admin    AdminFact
	State    State
	Eligible bool
	Since    time.Time // when State last changed
	Reason   string    // why State is what it is
}

// ID returns the member's identity. It is that of its [Backend], except where Was
// says otherwise.
func (m *Member) ID() ID { return m.Spec.ID() }

// Pool is one pool in a snapshot. Members are ordered by name.
type Pool struct {
	PoolConfig
	Members    []*Member
	Membership uint64 // another number whenever Members are others, or their Spec
	Eligible   int
	Panic      bool // ejected connectors are eligible, because too few others are
}

// Redundant reports whether as many connectors are eligible as the pool's
// min_redundancy asks for. Those that are used in panic do not count.
func (p *Pool) Redundant() bool {
	n := p.Eligible
	for _, m := range p.Members {
		if p.Panic && m.Eligible && m.State == StateEjected {
			n--
		}
	}
	return n >= p.MinRedundancy
}

// Left returns how many transactions run at addresses that the connector of that
// name has moved away from.
func (p *Pool) Left(name string) (inFlight int64) {
	for _, m := range p.Members {
		if m.Was == name && name != "" {
			inFlight += m.InFlight()
		}
	}
	return inFlight
}

// Member returns the connector of that name, or nil.
func (p *Pool) Member(name string) *Member {
	i, ok := p.find(name)
	if !ok {
		return nil
	}
	return p.Members[i]
}

func (p *Pool) find(name string) (int, bool) {
	return slices.BinarySearchFunc(p.Members, name, func(m *Member, n string) int {
		return strings.Compare(m.Spec.Name, n)
	})
}

// Snapshot is everything known at one moment. It never changes; a pool that did
// not change is the same *Pool in the next snapshot, so what was computed from
// it may be kept.
type Snapshot struct {
	Version uint64
	Pools   []*Pool // in the order of the config
}

// Pool returns the pool of that name, or nil.
func (s *Snapshot) Pool(name string) *Pool {
	for _, p := range s.Pools {
		if p.Name == name {
			return p
		}
	}
	return nil
}
