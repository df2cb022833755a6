package policies

import (
	"math/rand/v2"
	"slices"
	"testing"

	"weir/internal/backend"
)

func TestLeastConnectionsFindsTheLeast(t *testing.T) {
	for _, members := range []int{2, 7, compared} {
		c := NewCandidates(pool(make([]backend.Spec, members), nil))
		r := rand.New(rand.NewPCG(1, uint64(members)))
		p := newPolicy(t, Options{Policy: LeastConnections, Seed: 5})
		for range 500 {
			m := c.Tiers[0].Members[r.IntN(members)]
			for range r.IntN(4) {
				m.Acquire()
			}
			loads := make([]int64, members)
			for i := range loads {
				loads[i] = c.Tiers[0].Members[i].InFlight()
			}
			slices.Sort(loads)
			var cur Cursor
			p.Start(&Request{}, c, &cur)
			for i := range 2 {
				if got := p.Next(&cur).InFlight(); got != loads[i] {
					t.Fatalf("choice %d has %d in flight, of %v", i+1, got, loads)
				}
			}
		}
	}
}

// The idle first, and else by what one more transaction would make, as HAProxy
// does.
func TestLeastConnectionsWeighs(t *testing.T) {
	for _, tt := range []struct {
		weights  [2]int
		inFlight [2]int
		want     string
	}{
		{[2]int{1, 100}, [2]int{0, 1}, "b0000"},
		{[2]int{100, 300}, [2]int{1, 3}, "b0001"}, // 2/100 and 4/300
		{[2]int{100, 300}, [2]int{1, 6}, "b0000"}, // 2/100 and 7/300
	} {
		c := NewCandidates(pool([]backend.Spec{{Weight: tt.weights[0]}, {Weight: tt.weights[1]}}, nil))
		for i, n := range tt.inFlight {
			for range n {
				c.Tiers[0].Members[i].Acquire()
			}
		}
		p := newPolicy(t, Options{Policy: LeastConnections})
		for range 20 {
			if got := order(p, c, Needs{}); got[0] != tt.want {
				t.Errorf("weights %v with %v in flight: %s, want %s", tt.weights, tt.inFlight, got[0], tt.want)
			}
		}
	}
}

// Who is busy hands its turns to all others alike, not to a neighbour.
func TestLeastConnectionsSpreadsTheTurnsOfTheBusy(t *testing.T) {
	c := NewCandidates(pool(make([]backend.Spec, 5), nil))
	c.Tiers[0].Members[2].Acquire()
	p := newPolicy(t, Options{Policy: LeastConnections, Seed: 1})
	counts := map[string]int{}
	for range 2000 {
		counts[order(p, c, Needs{})[0]]++
	}
	for name, n := range counts {
		if n < 450 || n > 550 {
			t.Errorf("%s got %d of 2000", name, n)
		}
	}
	if len(counts) != 4 {
		t.Errorf("got %v", counts)
	}
}

func TestLeastConnectionsOfManyIsNearTheLeast(t *testing.T) {
	const members = 1000
	c := NewCandidates(pool(make([]backend.Spec, members), nil))
	p := newPolicy(t, Options{Policy: LeastConnections, Seed: 5})
	for range 5 * members {
		var cur Cursor
		p.Start(&Request{}, c, &cur)
		p.Next(&cur).Acquire()
	}
	for _, m := range c.Tiers[0].Members {
		if n := m.InFlight(); n < 4 || n > 7 {
			t.Errorf("%s has %d in flight, the mean is 5", m.ID().Name, n)
		}
	}
}
