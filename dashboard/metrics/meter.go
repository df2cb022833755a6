package metrics

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/backend"
)

// outcomes are the label values of a transaction's end; what is none of them is
// counted as the last.
var outcomes = [...]string{"delivered", "rejected", "deferred", "aborted", "ambiguous", "delivered-unacknowledged", "other"}

// deferred is the place of that outcome.
const deferred = 2

// Reply classes that are told apart: the first digits of a code.
const (
	lowestClass  = 2
	highestClass = 5
)

// Who a reply comes from.
const (
	byWeir = iota
	byConnector
	givers
)

var giverNames = [givers]string{"weir", "connector"}

// Meter counts transactions on the data path. Once a connector, pool and listener
// were seen, counting allocates nothing and takes no lock. It is safe for use by many
// goroutines.
type Meter struct {
	// known is a copy of routes that never changes: each new route makes another, so
	// that those who count need no lock. There are as many as connectors.
	known atomic.Pointer[map[route]*routeCounts]

	mu        sync.RWMutex
	routes    map[route]*routeCounts
	pools     map[string]*poolCounts
	listeners map[string]*listenerCounts
}

type route struct{ listener, pool, backend string }

type routeCounts struct {
	outcomes [len(outcomes)]atomic.Int64
	pool     *poolCounts // its own, and forgotten together with it
	listener *listenerCounts
}

type poolCounts struct {
	replays   atomic.Int64
	stages    [backend.Stages]histogram
	deferring spell // by weir itself
}

type listenerCounts struct {
	replies [givers][highestClass + 1]atomic.Int64
}

func newMeter() *Meter {
	m := &Meter{
		routes:    map[route]*routeCounts{},
		pools:     map[string]*poolCounts{},
		listeners: map[string]*listenerCounts{},
	}
	m.known.Store(&map[route]*routeCounts{})
	return m
}

// Transaction counts one that has ended. pool and connector are empty when it got
// to none; by is weir or connector, whose reply ended it, and class the first
// digit of that; empty and 0 when the sender got no reply. stages holds the time
// spent in each stage that was passed, else 0; replays is how often it moved.
func (m *Meter) Transaction(listener, pool, connector, outcome, by string, class int, stages *[backend.Stages]time.Duration, replays int) {
	r := m.counts(route{listener, pool, connector})
	i := slices.Index(outcomes[:], outcome)
	if i < 0 {
		i = len(outcomes) - 1
	}
	r.outcomes[i].Add(1)
	if replays > 0 {
		r.pool.replays.Add(int64(replays))
	}
	for stage, d := range stages {
		if d > 0 {
			r.pool.stages[stage].observe(d)
		}
	}
	if by == "" || class < lowestClass || class > highestClass {
		return
	}
	giver := byWeir
	if by == giverNames[byConnector] {
		giver = byConnector
	}
	r.listener.replies[giver][class].Add(1)
	if giver == byWeir && outcome == outcomes[deferred] && pool != "" {
		r.pool.deferring.note(time.Now())
	}
}

// counts returns what is counted for a route, made now if it is new.
func (m *Meter) counts(key route) *routeCounts {
	if r := (*m.known.Load())[key]; r != nil {
		return r
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.routes[key]
	if r == nil {
		r = &routeCounts{pool: entry(m.pools, key.pool), listener: entry(m.listeners, key.listener)}
		m.routes[key] = r
		m.publish()
	}
	return r
}

// entry returns what is in a map under a name, made now if there is nothing.
func entry[T any](in map[string]*T, name string) *T {
	if in[name] == nil {
		in[name] = new(T)
	}
	return in[name]
}

// publish has routes found without the lock, which the caller holds.
func (m *Meter) publish() {
	known := maps.Clone(m.routes)
	m.known.Store(&known)
}

// forget drops the series of connectors and pools that are not known any more.
func (m *Meter) forget(s *backend.Snapshot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.pools {
		if name != "" && s.Pool(name) == nil {
			delete(m.pools, name)
		}
	}
	before := len(m.routes)
	for key := range m.routes {
		if !known(s, key.pool, key.backend) {
			delete(m.routes, key)
		}
	}
	if len(m.routes) < before {
		m.publish()
	}
}

// known reports whether there is such a connector; with an empty name, whether
// there is such a pool, and with both empty, which is for transactions that got to
// no pool, always.
func known(s *backend.Snapshot, pool, connector string) bool {
	p := s.Pool(pool)
	if p == nil {
		return pool == ""
	}
	return connector == "" || p.Member(connector) != nil
}
