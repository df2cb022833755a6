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

// Monitor judges the connectors of a registry, by probes and by what the data
// path tells it. Its methods are safe for use by many goroutines.
type Monitor struct {
	registry *backend.Registry
	events   *events.Log
	rand     func() float64 // 0 … 1

	// Both are replaced as a whole: pools by a reload, watches when membership
	// changes, so that Begin and End find their connector without a lock.
	pools   atomic.Pointer[map[string]*pool]
	watches atomic.Pointer[map[*backend.Backend]*watch]

	reloaded chan struct{} // capacity 1: pools are others

	mu      sync.Mutex // of who replaces the above
	leaving []*pool    // removed by a reload, and still watched
}

// New returns a monitor; [Monitor.Run] starts it. Connectors of a pool that is
// not among pools are left alone.
func New(registry *backend.Registry, log *events.Log, pools []Pool) *Monitor {
	m := &Monitor{registry: registry, events: log, rand: rand.Float64, reloaded: make(chan struct{}, 1)}
	m.pools.Store(&map[string]*pool{})
	m.watches.Store(&map[*backend.Backend]*watch{})
	m.Reload(pools)
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
		case <-m.reloaded:
			m.follow(ctx, &running)
		case <-tick.C:
			for _, p := range *m.pools.Load() {
				p.sitIfDue(time.Now())
			}
		}
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
	pools := *m.pools.Load()
	for _, p := range m.registry.Snapshot().Pools {
		if pools[p.Name] == nil {
			continue
		}
		for _, member := range p.Members {
			if member.Health.Health == backend.HealthUnknown && member.Was == "" {
				out[member.Backend] = struct{}{}
			}
		}
	}
	return out
}

// Begin is told that the data path begins an attempt at a stage with b, and
// returns what [Monitor.End] wants back. From Begin to End it is the connector
// that is waited for: while a sender takes its time with the content there must
// be no ticket for the body, or a slow sender looks like a stuck connector.
func (m *Monitor) Begin(b *backend.Backend, stage backend.Stage, now time.Time) backend.Ticket {
	slot, patience := int32(-1), time.Duration(0)
	if w := (*m.watches.Load())[b]; w != nil {
		slot, patience = w.noted(stage, now)
	}
	return backend.Ticket{Backend: b, Stage: stage, Began: now, Slot: slot, Patience: patience}
}

// End is told how an attempt ended, and when; no time is now. When that takes the
// connector out, the registry knows it before End returns.
func (m *Monitor) End(t backend.Ticket, o backend.Outcome) {
	if w := (*m.watches.Load())[t.Backend]; w != nil { // else it is not ours, or gone
		w.told(&t, &o)
	}
}
