package backend

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// PoolConfig is what the registry must know of a pool to derive states.
type PoolConfig struct {
	Name           string
	Policy         string
	Protocol       string
	MaxConnections int // per connector; 0: no limit
	MinRedundancy  int // eligible connectors below which the pool is not redundant; 0: off
	PanicPercent   int // share of the members, in percent, below which ejected ones are used again; 0: off
}

// Member is one connector in a snapshot: its facts at that moment, and what
// follows from them.
type Member struct {
	*Backend
	Spec     Spec
	Health   HealthFact
	Admin    AdminFact
	State    State
	Eligible bool
	Since    time.Time // when State last changed
	Reason   string    // why State is what it is
}

// Pool is one pool in a snapshot. Members are ordered by name.
type Pool struct {
	PoolConfig
	Members  []Member
	Eligible int
	Panic    bool // ejected connectors are eligible, because too few others are
}

// Redundant reports whether as many connectors are eligible as the pool's
// min_redundancy asks for. Those that are used in panic do not count.
func (p *Pool) Redundant() bool {
	n := p.Eligible
	for i := range p.Members {
		if m := &p.Members[i]; p.Panic && m.Eligible && m.State == StateEjected {
			n--
		}
	}
	return n >= p.MinRedundancy
}

// Member returns the connector of that name, or nil.
func (p *Pool) Member(name string) *Member {
	i, ok := slices.BinarySearchFunc(p.Members, name, func(m Member, n string) int {
		return strings.Compare(m.Spec.Name, n)
	})
	if !ok {
		return nil
	}
	return &p.Members[i]
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

// Registry joins the facts of all owners and publishes them.
type Registry struct {
	now     func() time.Time
	current atomic.Pointer[Snapshot]

	mu          sync.Mutex
	started     bool
	pools       []*Pool
	subscribers map[chan struct{}]struct{}
}

// NewRegistry returns a registry of empty pools.
func NewRegistry(pools []PoolConfig) *Registry {
	r := &Registry{now: time.Now, subscribers: map[chan struct{}]struct{}{}}
	for _, cfg := range pools {
		r.pools = append(r.pools, &Pool{PoolConfig: cfg})
	}
	r.current.Store(&Snapshot{Pools: slices.Clone(r.pools)})
	return r
}

// Snapshot returns the present state. It costs no lock and is never nil.
func (r *Registry) Snapshot() *Snapshot { return r.current.Load() }

// Subscribe returns a channel that receives a token after every change; tokens
// coalesce. The caller stops it with cancel, which does not close the channel.
func (r *Registry) Subscribe() (changed <-chan struct{}, cancel func()) {
	ch := make(chan struct{}, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subscribers[ch] = struct{}{}
	return ch, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.subscribers, ch)
	}
}

// SetStarted ends the start-up phase: from now on a pool that has nothing
// better may use connectors on which no probe has given a verdict yet.
func (r *Registry) SetStarted() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started = true
	for i := range r.pools {
		r.replace(i, slices.Clone(r.pools[i].Members))
	}
	r.publish()
}

// SetMembers replaces the full membership of a pool (discovery's fact). A
// connector that keeps its name and address keeps its record and its facts;
// one that changes its address begins anew, but keeps the operator's flag.
func (r *Registry) SetMembers(pool string, specs []Spec) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.index(pool)
	if i < 0 {
		return
	}
	old := r.pools[i]
	members := make([]Member, 0, len(specs))
	for _, spec := range specs {
		m := Member{Spec: spec, Since: r.now()}
		if prev := old.Member(spec.Name); prev != nil {
			m.Admin = prev.Admin
			if prev.Spec.Address == spec.Address {
				m = *prev
				m.Spec = spec
			}
		}
		if m.Backend == nil {
			m.Backend = newBackend(spec.ID(), spec.Address)
		}
		members = append(members, m)
	}
	slices.SortFunc(members, func(a, b Member) int { return strings.Compare(a.Spec.Name, b.Spec.Name) })
	r.replace(i, members)
	r.publish()
}

// Transition is the edge that a new fact made: the connector's state before and
// after. The fact's owner reports it; From and To are equal when nothing that
// people see has changed.
type Transition struct{ From, To State }

// Changed reports whether the state is another one than before.
func (t Transition) Changed() bool { return t.From != t.To }

// SetHealth records health's verdict on a connector. One that is no longer a
// member, or was replaced at another address, is ignored: ok is false.
func (r *Registry) SetHealth(b *Backend, fact HealthFact) (edge Transition, ok bool) {
	return r.update(b.ID(), func(m *Member) bool {
		if m.Backend != b {
			return false
		}
		m.Health = fact
		return true
	})
}

// SetAdmin records the operator's flag; ok is false when there is no such
// connector.
func (r *Registry) SetAdmin(id ID, fact AdminFact) (edge Transition, ok bool) {
	return r.update(id, func(m *Member) bool {
		m.Admin = fact
		return true
	})
}

func (r *Registry) update(id ID, change func(*Member) bool) (edge Transition, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.index(id.Pool)
	if i < 0 {
		return edge, false
	}
	members := slices.Clone(r.pools[i].Members)
	j := slices.IndexFunc(members, func(m Member) bool { return m.Spec.Name == id.Name })
	if j < 0 || !change(&members[j]) {
		return edge, false
	}
	edge.From = members[j].State
	r.replace(i, members)
	edge.To = members[j].State
	r.publish()
	return edge, true
}

func (r *Registry) index(pool string) int {
	return slices.IndexFunc(r.pools, func(p *Pool) bool { return p.Name == pool })
}

// replace puts a new Pool value in place of the old one, with everything that
// is derived computed afresh.
func (r *Registry) replace(i int, members []Member) {
	p := &Pool{PoolConfig: r.pools[i].PoolConfig, Members: members}
	derive(p, r.started, r.now())
	for j := range members {
		members[j].setLimit(p.MaxConnections, members[j].Health.Limit)
	}
	r.pools[i] = p
}

func (r *Registry) publish() {
	r.current.Store(&Snapshot{Version: r.current.Load().Version + 1, Pools: slices.Clone(r.pools)})
	for ch := range r.subscribers {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}
