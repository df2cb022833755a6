package metrics

import (
	"cmp"
	"slices"

	"weir/dashboard"
)

// Traffic tells the page what went from each listener to each pool, and how often
// weir itself deferred, in the order of the names.
func (m *Metrics) Traffic() dashboard.Traffic { return m.meter.traffic() }

func (m *Meter) traffic() dashboard.Traffic {
	type way struct{ listener, pool string }
	sums := map[way]int64{}
	var out dashboard.Traffic
	m.mu.RLock()
	for key, counts := range m.routes {
		for i := range counts.outcomes {
			sums[way{key.listener, key.pool}] += counts.outcomes[i].Load()
		}
	}
	for _, l := range m.listeners {
		out.Deferred += l.replies[byWeir][4].Load()
	}
	m.mu.RUnlock()
	for w, n := range sums {
		out.Routes = append(out.Routes, dashboard.RouteTraffic{Listener: w.listener, Pool: w.pool, Transactions: n})
	}
	slices.SortFunc(out.Routes, func(a, b dashboard.RouteTraffic) int {
		return cmp.Or(cmp.Compare(a.Listener, b.Listener), cmp.Compare(a.Pool, b.Pool))
	})
	return out
}
