package policies

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"weir/internal/backend"
)

// every is the names of all policies.
func every() []string { return []string{RoundRobin, LeastConnections, LeastLoad, Maglev, Random} }

func newPolicy(t testing.TB, o Options) *Policy {
	t.Helper()
	if o.Policy == Maglev && o.Hash == KeyNone {
		o.Hash = KeyNetwork
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// crowd is senders that each begin the next transaction as soon as the last one
// has ended, on virtual time.
type crowd struct {
	senders int
	takes   func(name string, r *rand.Rand) time.Duration
	seed    uint64
}

type running struct {
	backend *backend.Backend
	began   time.Time
	ends    time.Time
}

// counts returns how many of n transactions each connector got. The first tenth
// does not count: nothing is known of the connectors yet.
func (w crowd) counts(p *Policy, c *Candidates, n int) map[string]int {
	r := rand.New(rand.NewPCG(w.seed, 1))
	counts := map[string]int{}
	now := time.Unix(1_800_000_000, 0)
	var flights []running
	for i := range n {
		if len(flights) == w.senders {
			at := 0
			for j := range flights {
				if flights[j].ends.Before(flights[at].ends) {
					at = j
				}
			}
			f := flights[at]
			flights = slices.Delete(flights, at, at+1)
			now = f.ends
			f.backend.Release()
			f.backend.Traffic.Latency.Observe(now.Sub(f.began), false, now)
		}
		var cur Cursor
		p.Start(&Request{Now: now}, c, &cur)
		b := p.Next(&cur).Backend
		b.Acquire()
		flights = append(flights, running{b, now, now.Add(w.takes(b.ID().Name, r))})
		if i >= n/10 {
			counts[b.ID().Name]++
		}
	}
	for _, f := range flights {
		f.backend.Release()
	}
	return counts
}

func constant(d time.Duration) func(string, *rand.Rand) time.Duration {
	return func(string, *rand.Rand) time.Duration { return d }
}

func exponential(mean time.Duration) func(string, *rand.Rand) time.Duration {
	return func(_ string, r *rand.Rand) time.Duration { return time.Duration(r.ExpFloat64() * float64(mean)) }
}

// spiky takes two milliseconds, and one time of a hundred fifty.
func spiky(_ string, r *rand.Rand) time.Duration {
	if r.IntN(100) == 0 {
		return 50 * time.Millisecond
	}
	return time.Duration(1.5e6 + r.Float64()*1e6)
}

func lognormal(median time.Duration) func(string, *rand.Rand) time.Duration {
	return func(_ string, r *rand.Rand) time.Duration {
		return time.Duration(math.Exp(r.NormFloat64()/2) * float64(median))
	}
}

// Connectors that are alike get shares by their weights, whatever the traffic and
// however long single transactions take.
func TestWeightsHoldUnderLoad(t *testing.T) {
	takes := map[string]func(string, *rand.Rand) time.Duration{
		"constant": constant(20 * time.Millisecond), "exponential": exponential(20 * time.Millisecond),
		"lognormal": lognormal(20 * time.Millisecond), "spiky": spiky,
	}
	for _, tt := range []struct {
		policy  string
		senders []int
		within  float64
	}{
		{RoundRobin, []int{1, 2, 3, 5, 20, 100}, 0.001},
		{Random, []int{1, 20}, 0.03}, // four and a half standard deviations
		{LeastLoad, []int{1, 2, 3, 4, 5, 6, 7, 8, 20, 100}, 0.03},
		// With little traffic least-connections goes by what is idle.
		{LeastConnections, []int{1, 20, 100}, 0.035},
	} {
		for name, takes := range takes {
			for _, senders := range tt.senders {
				c := NewCandidates(pool([]backend.Spec{{Weight: 300}, {Weight: 100}}, nil))
				p := newPolicy(t, Options{Policy: tt.policy, Seed: 7})
				counts := crowd{senders, takes, 7}.counts(p, c, 4400)
				total := counts["b0000"] + counts["b0001"]
				if share := float64(counts["b0000"]) / float64(total); math.Abs(share-0.75) > tt.within {
					t.Errorf("%s, %s, %d senders: %.3f of the mail at three quarters of the weight", tt.policy, name, senders, share)
				}
			}
		}
	}
}

func TestLeastLoadIsEvenAmongMany(t *testing.T) {
	for _, senders := range []int{1, 20, 50} {
		c := NewCandidates(pool(make([]backend.Spec, 10), nil))
		counts := crowd{senders, lognormal(20 * time.Millisecond), 3}.counts(newPolicy(t, Options{Policy: LeastLoad, Seed: 3}), c, 11000)
		for name, n := range counts {
			if n < 900 || n > 1100 {
				t.Errorf("%d senders: %s got %d of 9900", senders, name, n)
			}
		}
	}
}

// A connector that is ten times slower than its peers gets under a fifth of its
// even share, from the first message on.
func TestLeastLoadEvadesTheSlow(t *testing.T) {
	for _, members := range []int{2, 4, 10} {
		for _, senders := range []int{1, 20} {
			for name, usual := range map[string]func(string, *rand.Rand) time.Duration{
				"constant": constant(20 * time.Millisecond), "lognormal": lognormal(20 * time.Millisecond),
			} {
				const n = 4000
				c := NewCandidates(pool(make([]backend.Spec, members), nil))
				takes := func(name string, r *rand.Rand) time.Duration {
					d := usual(name, r)
					if name == "b0001" {
						d *= 10
					}
					return d
				}
				counts := crowd{senders, takes, 5}.counts(newPolicy(t, Options{Policy: LeastLoad, Seed: 5}), c, n)
				if share := float64(counts["b0001"]) * float64(members) / n; share > 0.2 {
					t.Errorf("%s, %d senders: the slow one of %d got %.3f of its even share", name, senders, members, share)
				}
			}
		}
	}
}

func TestLeastLoadTriesTheSlowAgain(t *testing.T) {
	c := NewCandidates(pool(make([]backend.Spec, 4), nil))
	now := time.Unix(1_800_000_000, 0)
	for i, m := range c.Tiers[0].Members {
		for range 20 {
			took := 10 * time.Millisecond
			if i == 1 {
				took *= 100
			}
			m.Traffic.Latency.Observe(took, false, now)
		}
	}
	p := newPolicy(t, Options{Policy: LeastLoad, Seed: 5})
	at := func(later time.Duration) (n int) {
		for range 400 {
			var cur Cursor
			p.Start(&Request{Now: now.Add(later)}, c, &cur)
			if p.Next(&cur).ID().Name == "b0001" {
				n++
			}
		}
		return n
	}
	if n := at(0); n > 4 {
		t.Errorf("at once it got %d of 400", n)
	}
	if n := at(time.Minute); n != 100 {
		t.Errorf("after a minute it got %d of 400, want its share", n)
	}
}

func TestLeastLoadBelievesANewOne(t *testing.T) {
	c := NewCandidates(pool(make([]backend.Spec, 4), nil))
	now := time.Unix(1_800_000_000, 0)
	for _, m := range c.Tiers[0].Members[1:] {
		for range 20 {
			m.Traffic.Latency.Observe(time.Second, false, now)
		}
	}
	p := newPolicy(t, Options{Policy: LeastLoad, Seed: 5})
	n := 0
	for range 400 {
		var cur Cursor
		p.Start(&Request{Now: now}, c, &cur)
		if p.Next(&cur).ID().Name == "b0000" {
			n++
		}
	}
	if n != 100 {
		t.Errorf("a new connector got %d of 400, want neither more nor less than its share", n)
	}
}
