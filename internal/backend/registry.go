package backend

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Registry joins the facts of all owners and publishes them.
type Registry struct {
	now     func() time.Time
	current atomic.Pointer[Snapshot]

	mu          sync.Mutex
	started     bool
	pools       []*Pool
	flags       map[ID]AdminFact // of members and of who may come back
	membership  uint64
	subscribers map[chan struct{}]struct{}
}

// NewRegistry returns a registry of empty pools.
func NewRegistry(pools []PoolConfig) *Registry { return NewRegistryAt(pools, time.Now) }

// NewRegistryAt returns a registry of empty pools that goes by another clock.
func NewRegistryAt(pools []PoolConfig, now func() time.Time) *Registry {
	r := &Registry{now: now, flags: map[ID]AdminFact{}, subscribers: map[chan struct{}]struct{}{}}
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

// SetPools replaces the pools by those of a new config, in its order. A pool
// that keeps its name keeps its members and all facts; one that is not named any
// more is forgotten at once, with its members, but not their flags.
func (r *Registry) SetPools(pools []PoolConfig) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.pools
	r.pools = make([]*Pool, len(pools))
	for i, cfg := range pools {
		p := &Pool{PoolConfig: cfg}
		if j := slices.IndexFunc(old, func(p *Pool) bool { return p.Name == cfg.Name }); j >= 0 {
			p = old[j]
		}
		r.pools[i] = p
		if p.PoolConfig != cfg {
			r.pools[i] = &Pool{PoolConfig: cfg, Members: p.Members, Membership: p.Membership}
			r.replace(i, slices.Clone(p.Members))
		}
	}
	r.publish()
}

// SetMembers replaces the full membership of a pool (discovery's fact). A
// connector that keeps its name and address keeps its record and its facts; one
// that changes its address begins anew. The operator's flag is known by ID, so
// it finds its connector again however often that leaves and comes back. One
// that leaves while something runs there stays, drained, until [Registry.Forget];
// if its name has gone to another address, as NAME-ADDRESS.
func (r *Registry) SetMembers(pool string, specs []Spec) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.index(pool)
	if i < 0 {
		return
	}
	old, now := r.pools[i], r.now()
	values := make([]Member, len(specs)) // at once: a pool may have thousands
	members := make([]*Member, 0, len(specs))
	for j, spec := range specs {
		m := &values[j]
		*m = Member{Spec: spec, Since: now, Admin: r.flags[spec.ID()]}
		if prev := old.at(spec.Name, spec.Address); prev != nil {
			back := prev.Gone && prev.Was != ""
			since, flag := m.Since, m.Admin
			*m = *prev
			if m.Spec, m.Gone, m.Was = spec, false, ""; back {
				m.Since, m.Admin = since, flag
			}
		}
		if m.Backend == nil {
			m.Backend = newBackend(spec.ID(), spec.Address)
		}
		members = append(members, m)
	}
	members = append(members, leaving(old, specs)...)
	if byName := func(a, b *Member) int { return strings.Compare(a.Spec.Name, b.Spec.Name) }; !slices.IsSortedFunc(members, byName) {
		slices.SortFunc(members, byName)
	}
	r.seat(i, members)
	r.publish()
}

// at returns the member of a name at an address, even if it has moved away from
// there; nil: there is none.
func (p *Pool) at(name, address string) *Member {
	m := p.Member(name)
	if m == nil || m.Spec.Address == address {
		return m
	}
	for _, m := range p.Members {
		if m.Was == name && m.Spec.Address == address {
			return m
		}
	}
	return nil
}

// leaving returns the members that are not named any more, or not at their
// address, and where something runs. Those whose name is taken get another one.
func leaving(old *Pool, specs []Spec) (left []*Member) {
	var named map[string]string // addresses by name
	for _, prev := range old.Members {
		if prev.InFlight() == 0 {
			continue
		}
		if named == nil {
			named = make(map[string]string, len(specs))
			for i := range specs {
				named[specs[i].Name] = specs[i].Address
			}
		}
		name, address := prev.Spec.Name, prev.Spec.Address
		at, taken := named[name]
		if taken && at == address || prev.Was != "" && named[prev.Was] == address {
			continue
		}
		m := *prev
		m.Gone = true
		if taken {
			m.Was = cmp.Or(m.Was, name)
			m.Spec.Name = freeName(NameOf(m.Was+"@"+address), named)
		}
		named[m.Spec.Name] = address
		left = append(left, &m)
	}
	return left
}

func freeName(name string, taken map[string]string) string {
	for {
		if _, ok := taken[name]; !ok {
			return name
		}
		name += "_"
	}
}

// Forget drops the connectors that no source knows and where nothing runs any
// more. It reports whether there are others that no source knows.
func (r *Registry) Forget() (more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	forgot := false
	for i, p := range r.pools {
		left := slices.DeleteFunc(slices.Clone(p.Members), func(m *Member) bool { return m.Gone && m.InFlight() == 0 })
		more = more || slices.ContainsFunc(left, func(m *Member) bool { return m.Gone })
		if len(left) < len(p.Members) {
			r.seat(i, left)
			forgot = true
		}
	}
	if forgot {
		r.publish()
	}
	return more
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
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.update(b.ID(), func(m *Member) bool {
		m.Health = fact
		return m.Backend == b
	})
}

// SetAdmin records the operator's flag. It is kept for a connector that is not a
// member now, too: ok only says whether it is one. An enabled one has no flag: who
// lifted it is told by the event, not kept here.
func (r *Registry) SetAdmin(id ID, fact AdminFact) (edge Transition, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if fact.Admin == AdminEnabled {
		fact = AdminFact{}
		delete(r.flags, id)
	} else {
		r.flags[id] = fact
	}
	set := func(m *Member) bool {
		m.Admin = fact
		return true
	}
	if i := r.index(id.Pool); i >= 0 { // what runs where it was is meant, too
		for _, m := range r.pools[i].Members {
			if m.Was != "" && m.Was == id.Name {
				r.update(m.ID(), set)
			}
		}
	}
	return r.update(id, set)
}

// update puts a changed copy in the place of a member, unless change says no.
func (r *Registry) update(id ID, change func(*Member) bool) (edge Transition, ok bool) {
	i := r.index(id.Pool)
	if i < 0 {
		return edge, false
	}
	j, found := r.pools[i].find(id.Name)
	if !found {
		return edge, false
	}
	m := *r.pools[i].Members[j]
	if !change(&m) {
		return edge, false
	}
	edge.From = m.State
	members := slices.Clone(r.pools[i].Members)
	members[j] = &m
	r.replace(i, members)
	edge.To = members[j].State
	r.publish()
	return edge, true
}

func (r *Registry) index(pool string) int {
	return slices.IndexFunc(r.pools, func(p *Pool) bool { return p.Name == pool })
}

// seat replaces a pool's members by others.
func (r *Registry) seat(i int, members []*Member) {
	r.replace(i, members)
	r.membership++
	r.pools[i].Membership = r.membership
}

// replace puts a new Pool value in place of the old one, with everything that is
// derived computed afresh. members is the new value's from now on.
func (r *Registry) replace(i int, members []*Member) {
	p := &Pool{PoolConfig: r.pools[i].PoolConfig, Members: members, Membership: r.pools[i].Membership}
	derive(p, r.started, r.now())
	for _, m := range members {
		m.setLimit(p.MaxConnections, m.Health.Limit)
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
