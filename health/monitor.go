package health

import (
	"context"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/backend"
	"weir/internal/events"
)

// Pool is how one pool's connectors are judged, and by which prober.
type Pool struct {
	Config
	Prober Prober
}

// pool is a Pool under watch.
type pool struct {
	Pool
	mu      sync.Mutex // of the jury, its members and their machines
	jury    jury
	review  *review
	watches []*watch
}

// Monitor judges the connectors of a registry, by probes and by what the data
// path tells it. Its methods are safe for use by many goroutines.
type Monitor struct {
	registry *backend.Registry
	events   *events.Log
	pools    map[string]*pool
	rand     func() float64 // 0 … 1

	// watches is replaced as a whole when membership changes, so that Begin and
	// End find their connector without a lock.
	watches atomic.Pointer[map[*backend.Backend]*watch]
}

// New returns a monitor; [Monitor.Run] starts it. Connectors of a pool that is
// not among pools are left alone.
func New(registry *backend.Registry, log *events.Log, pools []Pool) *Monitor {
	m := &Monitor{registry: registry, events: log, pools: map[string]*pool{}, rand: rand.Float64}
	for _, p := range pools {
		under := &pool{Pool: p, review: newReview(p.Interval)}
		under.jury.cfg = &under.Config
		m.pools[p.Pool] = under
	}
	m.watches.Store(&map[*backend.Backend]*watch{})
	return m
}

// Run probes the registry's connectors, following its membership, until ctx is
// done; then it waits for the probes under way, which end at once, and returns
// nil. It is called once.
func (m *Monitor) Run(ctx context.Context) error {
	changed, unsubscribe := m.registry.Subscribe()
	defer unsubscribe()
	var running sync.WaitGroup
	defer running.Wait()
	tick := time.NewTicker(sitting)
	defer tick.Stop()
	m.follow(ctx, &running)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			m.follow(ctx, &running)
		case <-tick.C:
			for _, p := range m.pools {
				p.sit(time.Now())
			}
		}
	}
}

// sitting is how often the connectors are compared with each other.
const sitting = 250 * time.Millisecond

// sit has the jury look at everybody and publishes what has changed.
func (p *pool) sit(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jury.sit(now)
	for _, w := range p.watches {
		w.publish(byPeers, now)
	}
}

// follow starts a watch on each new connector and ends those on connectors that
// are gone. The watch is found by the connector's record, so one that has moved
// to another address is a new connector.
func (m *Monitor) follow(ctx context.Context, running *sync.WaitGroup) {
	old := *m.watches.Load()
	current := make(map[*backend.Backend]*watch, len(old))
	var fresh []*watch
	for _, p := range m.registry.Snapshot().Pools {
		watched := m.pools[p.Name]
		if watched == nil {
			continue
		}
		for _, member := range p.Members {
			b := member.Backend
			w := old[b]
			if w == nil {
				w = newWatch(m, watched, b)
				fresh = append(fresh, w)
			}
			current[b] = w
		}
	}
	if len(fresh) == 0 && len(current) == len(old) {
		return // facts have changed, membership has not
	}
	m.watches.Store(&current)
	m.seat(current)
	for b, w := range maps.All(old) {
		if current[b] == nil {
			w.stop()
			w.leave()
		}
	}
	for _, w := range fresh {
		running.Add(1)
		watching, stop := context.WithCancel(ctx)
		w.stop = stop
		go w.run(watching, running)
	}
}

// Ready waits until every connector that is a member now, and is probed, has a
// first verdict or is gone. It returns ctx's error when ctx ends before that.
func (m *Monitor) Ready(ctx context.Context) error {
	changed, unsubscribe := m.registry.Subscribe()
	defer unsubscribe()
	awaited := m.unjudged()
	for {
		now := m.unjudged()
		maps.DeleteFunc(awaited, func(b *backend.Backend, _ struct{}) bool {
			_, still := now[b]
			return !still
		})
		if len(awaited) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (m *Monitor) unjudged() map[*backend.Backend]struct{} {
	out := map[*backend.Backend]struct{}{}
	for _, p := range m.registry.Snapshot().Pools {
		if m.pools[p.Name] == nil {
			continue
		}
		for _, member := range p.Members {
			if member.Health.Health == backend.HealthUnknown {
				out[member.Backend] = struct{}{}
			}
		}
	}
	return out
}

// seat has the juries know the members of their pools.
func (m *Monitor) seat(current map[*backend.Backend]*watch) {
	for _, p := range m.pools {
		p.mu.Lock()
		p.watches, p.jury.members = nil, nil
		for _, w := range current {
			if w.pool == p {
				p.watches = append(p.watches, w)
				p.jury.members = append(p.jury.members, w.member)
			}
		}
		p.mu.Unlock()
	}
}

// Begin is told that the data path begins an attempt at a stage with b, and
// returns what [Monitor.End] wants back. From Begin to End it is the connector
// that is waited for: while a sender takes its time with the content there must
// be no ticket for the body, or a slow sender looks like a stuck connector.
func (m *Monitor) Begin(b *backend.Backend, stage backend.Stage, now time.Time) backend.Ticket {
	t := backend.Ticket{Backend: b, Stage: stage, Began: now, Slot: -1}
	w := (*m.watches.Load())[b]
	if w == nil {
		return t
	}
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	t.Slot = w.machine.begin(stage, now)
	if stage < backend.StageFinalDot && !w.pool.jury.moves.futile(now) {
		t.Patience = w.machine.patience[stage]
	}
	return t
}

// End is told how an attempt ended. When that takes the connector out, the
// registry knows it before End returns.
func (m *Monitor) End(t backend.Ticket, o backend.Outcome) {
	w := (*m.watches.Load())[t.Backend]
	if w == nil {
		return // not ours, or gone
	}
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	w.end(t, o, time.Now())
}
