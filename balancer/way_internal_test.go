package balancer

import (
	"testing"

	"pgregory.net/rapid"

	"weir/internal/backend"
	"weir/policies"
)

// Whatever the pools of a way are like: those with somebody proper come first, by
// cost; nobody who is eligible anywhere is left out; and who is only used in panic
// comes after everybody proper.
func TestOrderOfPools(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFront(t)
		needs := policies.Needs{Ext: rapid.SampledFrom([]backend.Extension{0, backend.Ext8BitMIME}).Draw(t, "needs")}
		way := &policies.Way{}
		for i, p := range f.pools {
			way.Targets = append(way.Targets, policies.Target{Pool: p.Name, Cost: i / 2})
		}
		seen := map[*backend.Backend]bool{}
		panicked, cost := false, 0
		for _, at := range f.places(way, needs, nil) {
			proper := false
			for _, tier := range at.candidates().Tiers {
				for i := range tier.Members {
					c := &tier.Members[i]
					if !c.Serves(needs) {
						continue
					}
					ejected := at.pool.view().Member(c.ID().Name).State == backend.StateEjected
					if !ejected && !seen[c.Backend] {
						proper = true
					}
					seen[c.Backend] = true
				}
			}
			if proper && panicked {
				t.Fatalf("somebody proper in %s comes after those who are used in panic", at.pool.Name)
			}
			if proper && at.cost < cost {
				t.Fatalf("%s of cost %d comes after cost %d", at.pool.Name, at.cost, cost)
			}
			panicked, cost = panicked || !proper, at.cost
		}
		for _, p := range f.pools {
			for _, m := range p.view().Members {
				if m.Eligible && serves(m, needs) != seen[m.Backend] {
					t.Fatalf("%s: serves %t, asked %t", m.ID(), serves(m, needs), seen[m.Backend])
				}
			}
		}
	})
}

func drawFront(t *rapid.T) *front {
	names := []string{"p", "q", "r", "s"}[:rapid.IntRange(1, 4).Draw(t, "pools")]
	var pools []backend.PoolConfig
	for _, name := range names {
		pools = append(pools, backend.PoolConfig{Name: name, PanicPercent: rapid.SampledFrom([]int{0, 50, 100}).Draw(t, "percent")})
	}
	registry := backend.NewRegistry(pools)
	f := &front{all: map[string]*pool{}, routes: policies.NewRoutes(nil, "mx.test")}
	for _, name := range names {
		var specs []backend.Spec
		for _, member := range []string{"a", "b", "c"}[:rapid.IntRange(0, 3).Draw(t, "members")] {
			specs = append(specs, backend.Spec{Pool: name, Name: member, Address: member + ":25", Weight: 100, Cost: rapid.IntRange(0, 1).Draw(t, "cost")})
		}
		registry.SetMembers(name, specs)
		for _, m := range registry.Snapshot().Pool(name).Members {
			registry.SetHealth(m.Backend, backend.HealthFact{
				Health:  rapid.SampledFrom([]backend.Health{backend.HealthUp, backend.HealthUp, backend.HealthDown}).Draw(t, "health"),
				Breaker: rapid.SampledFrom([]backend.Breaker{backend.BreakerClosed, backend.BreakerOpen}).Draw(t, "breaker"),
				Stage:   backend.StageRcpt,
				Capabilities: backend.Capabilities{
					Known: true, Ext: rapid.SampledFrom([]backend.Extension{0, backend.Ext8BitMIME}).Draw(t, "ext"),
				},
			})
		}
		p := &pool{PoolConfig: PoolConfig{Name: name}, srv: &Server{deps: Deps{Registry: registry}}}
		f.all[name], f.pools = p, append(f.pools, p)
	}
	return f
}
