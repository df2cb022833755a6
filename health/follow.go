package health

import (
	"context"
	"maps"
	"sync"

	"weir/internal/backend"
)

// Reload replaces the pools that are judged. One whose settings are the same goes
// on as it is. In one that has others, connectors keep their verdict, circuit and
// learned limits: none is without a verdict because of a reload. New pools begin
// to be watched and others end to be while [Monitor.Run] runs.
func (m *Monitor) Reload(pools []Pool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := *m.pools.Load()
	next := make(map[string]*pool, len(pools))
	for _, set := range pools {
		if p := old[set.Pool]; p != nil {
			p.reload(set)
			next[set.Pool] = p
		} else {
			next[set.Pool] = newPool(set)
		}
	}
	for name, p := range old {
		if next[name] == nil {
			m.leaving = append(m.leaving, p)
		}
	}
	m.pools.Store(&next)
	select {
	case m.reloaded <- struct{}{}:
	default:
	}
}

// follow starts a watch on each new connector and ends those on connectors that
// are gone, in pools whose membership has changed. The watch is found by the
// connector's record, so one that has moved to another address is a new connector.
func (m *Monitor) follow(ctx context.Context, running *sync.WaitGroup) {
	m.mu.Lock()
	defer m.mu.Unlock()
	snapshot := m.registry.Snapshot()
	var c changes
	for _, p := range m.leaving {
		c.compare(m, p, &backend.Pool{})
	}
	m.leaving = nil
	for name, p := range *m.pools.Load() {
		now := snapshot.Pool(name)
		if now == nil {
			now = &backend.Pool{} // the registry has forgotten it
		}
		if now.Membership != p.membership {
			c.compare(m, p, now)
			p.membership = now.Membership
		}
	}
	if len(c.fresh) == 0 && len(c.gone) == 0 {
		return
	}
	next := maps.Clone(*m.watches.Load())
	for _, w := range c.gone {
		delete(next, w.backend)
	}
	for _, w := range c.fresh {
		next[w.backend] = w
	}
	m.watches.Store(&next)
	for _, w := range c.gone {
		w.stop()
		w.leave()
	}
	for _, w := range c.fresh {
		running.Add(1)
		watching, stop := context.WithCancel(ctx)
		w.stop = stop
		go w.run(watching, running, len(c.fresh))
	}
}

// changes are the watches to begin and to end.
type changes struct{ fresh, gone []*watch }

// compare finds out what is different in one pool, and has its jury know.
func (c *changes) compare(m *Monitor, p *pool, now *backend.Pool) {
	old := *m.watches.Load()
	watches := make([]*watch, 0, len(now.Members))
	for _, member := range now.Members {
		if member.Was != "" {
			continue // it only ends what runs there: nothing is decided by it any more
		}
		w := old[member.Backend]
		if w == nil || w.pool != p {
			w = newWatch(m, p, member.Backend)
			c.fresh = append(c.fresh, w)
		}
		watches = append(watches, w)
	}
	for _, w := range p.watches {
		if m := now.Member(w.backend.ID().Name); m == nil || m.Backend != w.backend {
			c.gone = append(c.gone, w)
		}
	}
	p.seat(watches)
}
