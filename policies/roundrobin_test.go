package policies

import (
	"reflect"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/backend"
)

func TestRoundRobinTakesTurns(t *testing.T) {
	c := NewCandidates(pool(make([]backend.Spec, 3), nil))
	rr := &Policy{chooser: roundRobin{}}
	var got [][]string
	for range 6 {
		got = append(got, order(rr, c, Needs{}))
	}
	want := [][]string{
		{"b0000", "b0001", "b0002"},
		{"b0001", "b0002", "b0000"},
		{"b0002", "b0000", "b0001"},
		// The next lap hands a failed one's turn to another neighbour.
		{"b0000", "b0002", "b0001"},
		{"b0001", "b0000", "b0002"},
		{"b0002", "b0001", "b0000"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestRoundRobinLeavesOutWhatCannotServe(t *testing.T) {
	c := NewCandidates(pool([]backend.Spec{{}, {}, {}, {Cost: 1}}, func(i int, f *backend.HealthFact) {
		f.Capabilities = known(0, 0)
		if i == 1 || i == 3 {
			f.Capabilities = known(backend.Ext8BitMIME, 0)
		}
	}))
	rr := &Policy{chooser: roundRobin{}}
	for range 10 {
		got := order(rr, c, Needs{Ext: backend.Ext8BitMIME})
		if !reflect.DeepEqual(got, []string{"b0001", "b0003"}) {
			t.Fatalf("got %v", got)
		}
	}
}

func TestCursorThatWasNeverStartedIsExhausted(t *testing.T) {
	if got := (&Policy{chooser: roundRobin{}}).Next(&Cursor{}); got != nil {
		t.Errorf("got %v", got.ID())
	}
}

func TestNoCandidates(t *testing.T) {
	if got := order(&Policy{chooser: roundRobin{}}, NewCandidates(pool(nil, nil)), Needs{}); got != nil {
		t.Errorf("got %v", got)
	}
}

// drawSpecs makes a pool of up to 12 connectors in up to three tiers.
func drawSpecs(t *rapid.T) []backend.Spec {
	specs := make([]backend.Spec, rapid.IntRange(1, 12).Draw(t, "members"))
	for i := range specs {
		specs[i].Weight = rapid.IntRange(1, 40).Draw(t, "weight")
		specs[i].Cost = rapid.IntRange(0, 2).Draw(t, "cost")
	}
	return specs
}

// firsts returns the first choices of n transactions in a row.
func firsts(c *Candidates, n int) []string {
	rr := &Policy{chooser: roundRobin{}}
	names := make([]string, n)
	for i := range names {
		names[i] = order(rr, c, Needs{})[0]
	}
	return names
}

func TestWeightsHoldExactlyOverACycle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		specs := drawSpecs(t)
		var sum int
		for i := range specs {
			specs[i].Cost = 0
			sum += specs[i].Weight
		}
		counts := map[string]int{}
		for _, name := range firsts(NewCandidates(pool(specs, nil)), sum) {
			counts[name]++
		}
		for _, s := range specs {
			if counts[s.Name] != s.Weight {
				t.Fatalf("%s: %d turns of %d, want %d", s.Name, counts[s.Name], sum, s.Weight)
			}
		}
	})
}

// TestCycleIsSmooth: between two turns of one connector each other one comes at
// most as often as their weights are to each other, rounded up.
func TestCycleIsSmooth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		specs := drawSpecs(t)
		weight, sum := map[string]int{}, 0
		for i := range specs {
			specs[i].Cost = 0
			sum += specs[i].Weight
		}
		names := firsts(NewCandidates(pool(specs, nil)), 2*sum)
		for _, s := range specs {
			weight[s.Name] = s.Weight
		}
		for _, a := range specs {
			since := map[string]int{}
			for _, name := range names {
				if name == a.Name {
					clear(since)
					continue
				}
				since[name]++
				if limit := (weight[name] + a.Weight - 1) / a.Weight; since[name] > limit {
					t.Fatalf("%s (weight %d) came %d times between turns of %s (weight %d)", name, weight[name], since[name], a.Name, a.Weight)
				}
			}
		}
	})
}

func TestFailedTurnsAreSpreadByWeight(t *testing.T) {
	specs := []backend.Spec{{Weight: 40}, {Weight: 40}, {Weight: 40}, {Weight: 1}}
	c, rr := NewCandidates(pool(specs, nil)), &Policy{chooser: roundRobin{}}
	counts := map[string]int{}
	for range 121 * 120 {
		if got := order(rr, c, Needs{}); got[0] == "b0000" {
			counts[got[1]]++
		}
	}
	total := 40 * 120
	if n := counts["b0003"]; n == 0 || n > total/40 {
		t.Errorf("the light one got %d of %d failed turns", n, total)
	}
	for _, name := range []string{"b0001", "b0002"} {
		if n := counts[name]; n < total*2/5 {
			t.Errorf("%s got %d of %d failed turns", name, n, total)
		}
	}
}

func TestCycleOfOddWeightsIsBounded(t *testing.T) {
	specs := make([]backend.Spec, 500)
	var sum int
	for i := range specs {
		specs[i].Weight = 1 + (i*733)%999
		sum += specs[i].Weight
	}
	c := NewCandidates(pool(specs, nil))
	n := len(c.Tiers[0].turns)
	if limit := turnsBase + (turnsPerMember+1)*len(specs); n > limit {
		t.Fatalf("%d turns, want at most %d", n, limit)
	}
	counts := map[string]int{}
	for _, i := range c.Tiers[0].turns {
		counts[c.Tiers[0].Members[i].ID().Name]++
	}
	for _, s := range specs {
		ideal := float64(s.Weight) / float64(sum) * float64(n)
		if got := float64(counts[s.Name]); got < 1 || got > ideal+1.5 || got < ideal-1.5 {
			t.Errorf("%s: %v turns, want about %.1f", s.Name, got, ideal)
		}
	}
}

func TestConcurrentTransactionsShareOneCycle(t *testing.T) {
	c, rr := NewCandidates(pool(make([]backend.Spec, 4), nil)), &Policy{chooser: roundRobin{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	counts := map[string]int{}
	for range 8 {
		wg.Go(func() {
			for range 100 {
				name := order(rr, c, Needs{})[0]
				mu.Lock()
				counts[name]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for name, n := range counts {
		if n != 200 {
			t.Errorf("%s: %d of 800", name, n)
		}
	}
}
