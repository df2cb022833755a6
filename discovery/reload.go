package discovery

import (
	"slices"
	"time"
)

// outgoing is what the feeds that a reload took away had said of one pool.
type outgoing struct {
	sets  []Set
	until time.Time // an empty pool is not believed before
}

// Reload replaces the feeds, in order of precedence. It may come before and
// during Run, which starts the sources.
//
// A feed with the Name, Key and Pools of one that runs is that one, and goes on
// undisturbed. The others stop; what they said of a pool stands until every feed
// the pool has now has said something (at once, when it has none), and while
// those together name nobody, for the longest [Feed.Hold] among them. So a reload
// does not empty a pool in between. Pools must be known to the registry before.
func (m *Manager) Reload(feeds []Feed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	old := m.runs
	m.runs = make([]*run, 0, len(feeds))
	for _, feed := range feeds {
		i := slices.IndexFunc(old, func(r *run) bool { return r.identical(feed) })
		if i < 0 {
			m.runs = append(m.runs, newRun(feed, now))
			continue
		}
		r := old[i]
		old = slices.Delete(old, i, i+1)
		r.feed.Hold, r.feed.Keep = feed.Hold, feed.Keep
		m.runs = append(m.runs, r)
	}
	for _, r := range old {
		m.retire(r, now)
	}
	for pool := range m.merged {
		m.release(pool, now)
		m.merge(pool, now) // the precedence may be another one
		if !m.fed(pool) {
			delete(m.merged, pool)
		}
	}
	m.nudge()
}

// retire stops a source; what it said goes on standing for now.
func (m *Manager) retire(r *run, now time.Time) {
	r.gone = true
	r.stop()
	for _, t := range r.tracks {
		if !t.arrived {
			continue
		}
		out := m.outgoing[t.pool]
		if out == nil {
			out = &outgoing{}
			m.outgoing[t.pool] = out
		}
		out.sets = append(out.sets, t.set())
		for _, next := range m.runs {
			if next.track(t.pool) != nil && out.until.Before(now.Add(next.feed.Hold)) {
				out.until = now.Add(next.feed.Hold)
			}
		}
	}
}

// release takes out what feeds that are gone had said of a pool, if it is time
// for that; else it returns when it may be (zero: when somebody speaks).
func (m *Manager) release(pool string, now time.Time) time.Time {
	out := m.outgoing[pool]
	if out == nil {
		return time.Time{}
	}
	connectors, feeds := 0, 0
	for _, r := range m.runs {
		t := r.track(pool)
		if t == nil {
			continue
		}
		if !t.arrived && !r.ended {
			return time.Time{}
		}
		feeds, connectors = feeds+1, connectors+len(t.applied)
	}
	if feeds > 0 && connectors == 0 && now.Before(out.until) {
		return out.until
	}
	delete(m.outgoing, pool)
	m.merge(pool, now)
	return time.Time{}
}

// fed reports whether any feed tells of a pool.
func (m *Manager) fed(pool string) bool {
	return slices.ContainsFunc(m.runs, func(r *run) bool { return r.track(pool) != nil })
}
