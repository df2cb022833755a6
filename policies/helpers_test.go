package policies

import (
	"fmt"

	"weir/internal/backend"
)

// pool builds a snapshot through the registry, as it is in real life. Members
// are up unless change says otherwise.
func pool(specs []backend.Spec, change func(i int, f *backend.HealthFact)) *backend.Pool {
	r := backend.NewRegistry([]backend.PoolConfig{{Name: "p"}})
	for i := range specs {
		specs[i].Pool = "p"
		if specs[i].Name == "" {
			specs[i].Name = fmt.Sprintf("b%04d", i)
		}
		if specs[i].Weight == 0 {
			specs[i].Weight = backend.DefaultWeight
		}
		specs[i].Address = fmt.Sprintf("10.0.%d.%d:25", i/250, i%250)
	}
	r.SetMembers("p", specs)
	p := r.Snapshot().Pool("p")
	for i := range specs {
		fact := backend.HealthFact{Health: backend.HealthUp}
		if change != nil {
			change(i, &fact)
		}
		r.SetHealth(p.Member(specs[i].Name).Backend, fact)
	}
	return r.Snapshot().Pool("p")
}

// order returns the names of one transaction's whole order.
func order(p *Policy, c *Candidates, n Needs) []string {
	var cur Cursor
	p.Start(&Request{Needs: n}, c, &cur)
	var names []string
	for b := p.Next(&cur); b != nil; b = p.Next(&cur) {
		names = append(names, b.ID().Name)
	}
	return names
}

func known(ext backend.Extension, size int64) backend.Capabilities {
	return backend.Capabilities{Known: true, Ext: ext, Size: size}
}
