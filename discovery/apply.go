package discovery

import (
	"time"

	"weir/internal/backend"
)

// settle applies what may be applied of a track, and says what is new about it.
func (m *Manager) settle(t *track, now time.Time, down func(string) bool) {
	if t.settle(now, down) {
		m.merge(t.pool, now)
		if feed := t.run.feed; feed.Keep {
			m.keeper.put(feed.Name, feed.Key, t.set())
		}
	}
	if t.judge(now) && m.opts.Changed != nil {
		status := t.status()
		m.owe(func() { m.opts.Changed(status) })
	}
}

// merge writes a pool's connectors into the registry, if they are others now.
func (m *Manager) merge(pool string, now time.Time) {
	merged := Merge(pool, m.sets(pool))
	before, known := m.merged[pool]
	if known && same(before, merged) {
		return
	}
	m.merged[pool] = merged
	m.registry.SetMembers(pool, merged)
	joined, left := difference(before, merged)
	if len(left) > 0 && m.forget.IsZero() {
		m.forget = now.Add(time.Second)
	}
	if len(joined)+len(left) > 0 && m.opts.Members != nil {
		m.owe(func() { m.opts.Members(pool, joined, left) })
	}
}

// sets returns what is applied of a pool, in order of precedence. What a reload
// took away stands last, for as long as it stands.
func (m *Manager) sets(pool string) []Set {
	var sets []Set
	for _, r := range m.runs {
		if t := r.track(pool); t != nil && t.arrived {
			sets = append(sets, t.set())
		}
	}
	if out := m.outgoing[pool]; out != nil {
		sets = append(sets, out.sets...)
	}
	return sets
}

// downs returns what probes say of a pool's connectors, by address. It looks at
// them only when it is asked.
func (m *Manager) downs(pool string) func(address string) bool {
	var down map[string]bool
	return func(address string) bool {
		if down == nil {
			down = map[string]bool{}
			if p := m.registry.Snapshot().Pool(pool); p != nil {
				for _, member := range p.Members {
					down[member.Address()] = member.Health.Health == backend.HealthDown
				}
			}
		}
		return down[address]
	}
}

// forgetGone has the registry forget the connectors that left in the middle of
// a message, once it has ended, and returns when to ask again.
func (m *Manager) forgetGone(now time.Time) time.Time {
	if !m.forget.IsZero() && !now.Before(m.forget) {
		m.forget = time.Time{}
		if m.registry.Forget() {
			m.forget = now.Add(time.Second)
		}
	}
	return m.forget
}
