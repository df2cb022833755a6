package metrics

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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
// were seen, counting allocates nothing and takes no lock but for reading. It is
// safe for use by many goroutines.
type Meter struct {
	seconds *prometheus.HistogramVec

	mu        sync.RWMutex
	routes    map[route]*routeCounts
	pools     map[string]*poolCounts
	listeners map[string]*listenerCounts
}

type route struct{ listener, pool, backend string }

type routeCounts struct{ outcomes [len(outcomes)]atomic.Int64 }

type poolCounts struct {
	replays   atomic.Int64
	stages    [backend.Stages]prometheus.Observer // nil for no pool
	deferring spell                               // by weir itself
}

type listenerCounts struct {
	replies [givers][highestClass + 1]atomic.Int64
}

// newMeter has buckets that fit mail: a stage takes a millisecond or two on a
// LAN, seconds where filters run or tarpits stand, and minutes at a final dot.
func newMeter() *Meter {
	return &Meter{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "weir_transaction_seconds",
			Help:    "Time that transactions spent in each stage they passed.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600},
		}, []string{"pool", "stage"}),
		routes:    map[route]*routeCounts{},
		pools:     map[string]*poolCounts{},
		listeners: map[string]*listenerCounts{},
	}
}

// Transaction counts one that has ended. pool and connector are empty when it got
// to none; by is weir or connector, whose reply ended it, and class the first
// digit of that; empty and 0 when the sender got no reply. stages holds the time
// spent in each stage that was passed, else 0; replays is how often it moved.
func (m *Meter) Transaction(listener, pool, connector, outcome, by string, class int, stages *[backend.Stages]time.Duration, replays int) {
	r, p, l := m.counts(route{listener, pool, connector})
	i := slices.Index(outcomes[:], outcome)
	if i < 0 {
		i = len(outcomes) - 1
	}
	r.outcomes[i].Add(1)
	if replays > 0 {
		p.replays.Add(int64(replays))
	}
	for stage, d := range stages {
		if d > 0 && p.stages[stage] != nil {
			p.stages[stage].Observe(d.Seconds())
		}
	}
	if by == "" || class < lowestClass || class > highestClass {
		return
	}
	giver := byWeir
	if by == giverNames[byConnector] {
		giver = byConnector
	}
	l.replies[giver][class].Add(1)
	if giver == byWeir && outcome == outcomes[deferred] && pool != "" {
		p.deferring.note(time.Now())
	}
}

// counts returns what is counted for a route, made now if it is new.
func (m *Meter) counts(key route) (*routeCounts, *poolCounts, *listenerCounts) {
	m.mu.RLock()
	r, p, l := m.routes[key], m.pools[key.pool], m.listeners[key.listener]
	m.mu.RUnlock()
	if r != nil && p != nil && l != nil {
		return r, p, l
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.route(key), m.pool(key.pool), m.listener(key.listener)
}

func (m *Meter) route(key route) *routeCounts {
	r := m.routes[key]
	if r == nil {
		r = &routeCounts{}
		m.routes[key] = r
	}
	return r
}

func (m *Meter) pool(name string) *poolCounts {
	p := m.pools[name]
	if p == nil {
		p = &poolCounts{}
		for stage := range backend.Stages {
			if name != "" { // without a pool there is no stage
				p.stages[stage] = m.seconds.WithLabelValues(name, stage.String())
			}
		}
		m.pools[name] = p
	}
	return p
}

func (m *Meter) listener(name string) *listenerCounts {
	l := m.listeners[name]
	if l == nil {
		l = &listenerCounts{}
		m.listeners[name] = l
	}
	return l
}

// forget drops the series of connectors and pools that are not known any more.
func (m *Meter) forget(s *backend.Snapshot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.pools {
		if name != "" && s.Pool(name) == nil {
			delete(m.pools, name)
			m.seconds.DeletePartialMatch(prometheus.Labels{"pool": name})
		}
	}
	for key := range m.routes {
		if !known(s, key.pool, key.backend) {
			delete(m.routes, key)
		}
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
