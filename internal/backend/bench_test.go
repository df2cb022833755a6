package backend

import (
	"fmt"
	"testing"
)

// manyOf is a registry of one pool with n connectors, all up.
func manyOf(n int) *Registry {
	r := NewRegistry([]PoolConfig{{Name: "internet"}})
	specs := make([]Spec, n)
	for i := range specs {
		specs[i] = specOf("internet", fmt.Sprintf("mx%04d", i), fmt.Sprintf("192.0.2.1:%d", 10_000+i))
	}
	r.SetMembers("internet", specs)
	for _, m := range r.Snapshot().Pool("internet").Members {
		r.SetHealth(m.Backend, HealthFact{Health: HealthUp})
	}
	return r
}

// What every transaction does: the present state, its pool, and one member.
func BenchmarkSnapshot(b *testing.B) {
	for _, n := range []int{4, 1000} {
		r := manyOf(n)
		b.Run(fmt.Sprintf("backends=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if m := r.Snapshot().Pool("internet").Member("mx0003"); m == nil || !m.Eligible {
						b.Error("the connector is not there")
						return
					}
				}
			})
		})
	}
}

// What a verdict of health's costs: a pool is derived anew and published.
func BenchmarkDerive(b *testing.B) {
	for _, n := range []int{4, 1000} {
		b.Run(fmt.Sprintf("backends=%d", n), func(b *testing.B) {
			r := manyOf(n)
			record := r.Snapshot().Pool("internet").Member("mx0003").Backend
			verdicts := []HealthFact{{Health: HealthDown}, {Health: HealthUp}}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if edge, ok := r.SetHealth(record, verdicts[i%2]); !ok || !edge.Changed() {
					b.Fatal("nothing has changed")
				}
			}
		})
	}
}
