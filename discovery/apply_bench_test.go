package discovery

import (
	"fmt"
	"testing"
	"time"

	"weir/internal/backend"
)

// BenchmarkApply5000 is one changed answer of a large source, from the source's
// hands to the registry's new snapshot. The aim is less than 50 ms.
func BenchmarkApply5000(b *testing.B) {
	registry := backend.NewRegistry([]backend.PoolConfig{{Name: "p"}})
	m := NewManager(registry, Options{Dir: b.TempDir(), Members: func(string, []backend.Spec, []backend.Spec) {}})
	m.Reload([]Feed{{Name: "consul", Pools: []string{"p"}, Hold: time.Minute}, StaticFeed("p", nil)})
	now := time.Now()
	for b.Loop() {
		b.StopTimer()
		answer := make([]backend.Spec, 5000)
		for i := range answer {
			answer[i] = backend.Spec{
				Name: fmt.Sprintf("node-%d", i*7919%5000), Address: fmt.Sprintf("10.0.%d.%d:25", i/250, i%250+1), Weight: 100,
				Meta: map[string]string{"rack": "7", "version": fmt.Sprint(now.Unix())},
			}
		}
		answer = answer[int(now.Unix())%100:] // some leave, some come back
		now = now.Add(2 * time.Second)
		b.StartTimer()
		m.hear(m.runs[0], Set{Pool: "p", Source: "consul", Specs: answer}, now)
		m.turn(now)
		m.tell()
	}
}
