package policies

import (
	"fmt"
	"testing"
	"time"

	"weir/internal/backend"
)

// affine are all policies, without affinity and with it.
func affine(t testing.TB, run func(name string, p *Policy)) {
	for _, name := range every() {
		run(name, newPolicy(t, Options{Policy: name, Seed: 1}))
		run(name+" with affinity", newPolicy(t, Options{Policy: name, Seed: 1, Affinity: KeySender, AffinityTTL: time.Hour}))
	}
}

func TestPickDoesNotAllocate(t *testing.T) {
	c := NewCandidates(pool(make([]backend.Spec, 10), nil))
	for _, m := range c.Tiers[0].Members {
		m.Traffic.Latency.Observe(time.Second, false, time.Unix(1000, 0))
	}
	affine(t, func(name string, p *Policy) {
		r := &Request{Client: client(1), From: "somebody@example.com", Now: time.Unix(1000, 0)}
		var cur Cursor
		if n := testing.AllocsPerRun(100, func() {
			p.Start(r, c, &cur)
			p.Settled(r, p.Next(&cur).Backend)
			for p.Next(&cur) != nil {
				_ = cur
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	})
}

func started(p *Policy, c *Candidates) *Cursor {
	var cur Cursor
	p.Start(&Request{Client: client(0)}, c, &cur)
	return &cur
}

func BenchmarkPick(b *testing.B) {
	for _, n := range []int{4, 1000} {
		specs := make([]backend.Spec, n)
		for i := range specs {
			specs[i].Weight = 1 + i%7
		}
		c := NewCandidates(pool(specs, nil))
		now := time.Unix(1000, 0)
		for i, m := range c.Tiers[0].Members {
			for range i % 5 {
				m.Traffic.Latency.Observe(time.Duration(1+i%50)*time.Millisecond, false, now)
			}
			for range 1 + i%3 {
				m.Acquire()
			}
		}
		affine(b, func(name string, p *Policy) {
			p.Next(started(p, c)) // makes what is made once
			b.Run(fmt.Sprintf("policy=%s/backends=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					var cur Cursor
					req := &Request{From: "somebody@example.com", Now: now.Add(time.Second)}
					for i := 0; pb.Next(); i++ {
						req.Client = client(i)
						p.Start(req, c, &cur)
						p.Next(&cur)
					}
				})
			})
		})
	}
}

func BenchmarkNewCandidates(b *testing.B) {
	for _, n := range []int{4, 1000, 5000} {
		for name, weight := range map[string]func(i int) int{
			"even": func(int) int { return 100 },
			"odd":  func(i int) int { return 1 + (i*733)%999 },
		} {
			specs := make([]backend.Spec, n)
			for i := range specs {
				specs[i].Weight = weight(i)
			}
			p := pool(specs, nil)
			b.Run(fmt.Sprintf("backends=%d/weights=%s", n, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					NewCandidates(p)
				}
			})
		}
	}
}

func BenchmarkMaglevTable(b *testing.B) {
	for _, n := range []int{10, 650, 1000, 5000} {
		b.Run(fmt.Sprintf("backends=%d", n), func(b *testing.B) {
			members := make([]maglevMember, n)
			for i := range members {
				members[i] = maglevMember{fmt.Sprintf("mx%d.example.com", i), uint64(1 + (i*733)%999)}
			}
			b.ReportAllocs()
			for b.Loop() {
				maglevSlots(members, maglevSizeFor(n))
			}
		})
	}
}
