package policies

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/internal/backend"
)

// drawPool makes a pool as drawSpecs does, some of it sick or unable, busy or slow.
func drawPool(t *rapid.T) *backend.Pool {
	p := pool(drawSpecs(t), func(_ int, f *backend.HealthFact) {
		f.Health = rapid.SampledFrom([]backend.Health{backend.HealthUp, backend.HealthUp, backend.HealthDown}).Draw(t, "health")
		f.Capabilities = known(rapid.SampledFrom([]backend.Extension{0, backend.Ext8BitMIME}).Draw(t, "ext"), 0)
		f.Share = rapid.SampledFrom([]float64{0, 0, 0.1, 0.35}).Draw(t, "share")
	})
	for _, m := range p.Members {
		for range rapid.IntRange(0, 3).Draw(t, "in flight") {
			m.Acquire()
		}
		for range rapid.IntRange(0, 5).Draw(t, "observations") {
			ms := rapid.IntRange(1, 1000).Draw(t, "ms")
			m.Traffic.Latency.Observe(time.Duration(ms)*time.Millisecond, false, time.Unix(1000, 0))
		}
	}
	return p
}

func drawRequest(t *rapid.T) *Request {
	return &Request{
		Client: client(rapid.IntRange(0, 1000).Draw(t, "client")),
		From:   rapid.SampledFrom([]string{"", "a@example.com", "b@example.com"}).Draw(t, "from"),
		Rcpt:   "c@example.net",
		Needs:  Needs{Ext: rapid.SampledFrom([]backend.Extension{0, backend.Ext8BitMIME}).Draw(t, "needs")},
		Now:    time.Unix(1000+int64(rapid.IntRange(0, 100).Draw(t, "later")), 0),
	}
}

func drawOptions(t *rapid.T) Options {
	key := rapid.SampledFrom([]Key{KeyClient, KeyNetwork, KeySender})
	o := Options{
		Policy: rapid.SampledFrom(every()).Draw(t, "policy"),
		Hash:   key.Draw(t, "hash"),
		Seed:   rapid.Uint64().Draw(t, "seed"),
	}
	if rapid.Bool().Draw(t, "affine") {
		o.Affinity, o.AffinityTTL = key.Draw(t, "affinity"), time.Minute
	}
	return o
}

func mustNew(t *rapid.T, o Options) *Policy {
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// rest returns the names that are left in an order.
func rest(p *Policy, cur *Cursor) (names []string) {
	for b := p.Next(cur); b != nil; b = p.Next(cur) {
		names = append(names, b.ID().Name)
	}
	return names
}

// Every eligible connector that serves the needs comes exactly once, nobody else
// ever, tier by tier, whatever the policy, the affinity, the loads and latencies.
func TestEveryCandidateExactlyOnceAndNobodyElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		snapshot, p := drawPool(t), mustNew(t, drawOptions(t))
		c := NewCandidates(snapshot)
		if rapid.Bool().Draw(t, "any ticket") {
			p.tickets.Store(rapid.Uint64().Draw(t, "ticket"))
		}
		for range 30 {
			r := drawRequest(t)
			var want []string
			for _, m := range snapshot.Members {
				if m.Eligible && m.Health.Capabilities.Has(r.Needs.Ext) {
					want = append(want, m.Spec.Name)
				}
			}
			var cur Cursor
			p.Start(r, c, &cur)
			got := rest(p, &cur)
			if len(got) > 0 {
				p.Settled(r, snapshot.Member(got[len(got)-1]).Backend)
			}
			cost := -1
			for _, name := range got {
				next := snapshot.Member(name).Spec.Cost
				if next < cost {
					t.Fatalf("tiers out of order: %v", got)
				}
				cost = next
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Fatalf("got %v, want %v", got, want)
			}
		}
	})
}

// Equal input and seed make an equal order, and a preview is what comes next.
func TestOrdersAreStableAndPreviewed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, c := drawOptions(t), NewCandidates(drawPool(t))
		if o.Seed == 0 {
			o.Seed = 1
		}
		one, two := mustNew(t, o), mustNew(t, o)
		for range 20 {
			r := drawRequest(t)
			var previewed, again, a, b Cursor
			one.Preview(r, c, &previewed)
			one.Preview(r, c, &again)
			want := rest(one, &previewed)
			one.Start(r, c, &a)
			two.Start(r, c, &b)
			for _, cur := range []*Cursor{&again, &a, &b} {
				if got := rest(one, cur); !slices.Equal(got, want) {
					t.Fatalf("%s: %v, and %v before", o.Policy, got, want)
				}
			}
			if len(want) > 0 {
				m := c.pool.Member(want[len(want)-1])
				one.Settled(r, m.Backend)
				two.Settled(r, m.Backend)
			}
		}
	})
}

func TestSeedsMatter(t *testing.T) {
	c := NewCandidates(pool(make([]backend.Spec, 20), nil))
	for _, name := range []string{RoundRobin, LeastConnections, LeastLoad, Random} {
		orders := map[string]bool{}
		for seed := range uint64(8) {
			orders[order(newPolicy(t, Options{Policy: name, Seed: seed + 1}), c, Needs{})[0]] = true
		}
		if len(orders) < 2 {
			t.Errorf("%s: eight seeds begin with one and the same connector", name)
		}
	}
}

// Idle connectors get mail by their weights: from a handful of tickets on where
// the policy takes turns, within six standard deviations where it draws.
func TestWeightsHoldAtIdle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		specs := drawSpecs(t)
		var sum int
		for i := range specs {
			specs[i].Cost = 0
			sum += specs[i].Weight
		}
		o := drawOptions(t)
		o.Affinity, o.Hash = KeyNone, KeyClient
		p, c := mustNew(t, o), NewCandidates(pool(specs, nil))
		const n = 6000
		counts := map[string]int{}
		for i := range n {
			var cur Cursor
			p.Start(&Request{Client: client(i)}, c, &cur)
			counts[p.Next(&cur).ID().Name]++
		}
		for _, s := range specs {
			share := float64(s.Weight) / float64(sum)
			off := float64(counts[s.Name]) - n*share
			// 36 variances, and for maglev some slots of its table, which has 65537.
			limit := 36*n*share*(1-share) + 40
			if o.Policy == RoundRobin || o.Policy == LeastConnections || o.Policy == LeastLoad {
				limit = float64(s.Weight * s.Weight)
			}
			if off*off > limit {
				t.Fatalf("%s: %s of weight %d of %d got %d of %d", o.Policy, s.Name, s.Weight, sum, counts[s.Name], n)
			}
		}
	})
}

// Where only some can serve the needs, those share by weight as well.
func TestWeightsHoldAmongTheAble(t *testing.T) {
	for _, name := range every() {
		c := NewCandidates(pool(make([]backend.Spec, 8), func(i int, f *backend.HealthFact) {
			f.Capabilities = known(0, 0)
			if i%2 == 0 {
				f.Capabilities = known(backend.Ext8BitMIME, 0)
			}
		}))
		p := newPolicy(t, Options{Policy: name, Hash: KeyClient, Seed: 9})
		counts := map[string]int{}
		for i := range 8000 {
			var cur Cursor
			p.Start(&Request{Client: client(i), Needs: Needs{Ext: backend.Ext8BitMIME}}, c, &cur)
			counts[p.Next(&cur).ID().Name]++
		}
		for who, n := range counts {
			if n < 1700 || n > 2300 {
				t.Errorf("%s: %s got %d of 8000, want a quarter", name, who, n)
			}
		}
	}
}

func TestBadOptions(t *testing.T) {
	for _, o := range []Options{
		{Policy: "sideways"},
		{},
		{Policy: Maglev},
		{Policy: Random, Affinity: KeyClient},
		{Policy: Random, Affinity: KeyClient, AffinityTTL: -time.Second},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("a policy was made of %+v", o)
		}
	}
}
