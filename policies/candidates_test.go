package policies

import (
	"reflect"
	"testing"

	"weir/internal/backend"
)

func TestCandidatesAreInTiersAndOthersHaveReasons(t *testing.T) {
	p := pool([]backend.Spec{
		{Name: "late", Cost: 20}, {Name: "b", Cost: 10}, {Name: "a", Cost: 10}, {Name: "sick", Cost: 0}, {Name: "mute", Cost: 0},
	}, func(i int, f *backend.HealthFact) {
		switch i {
		case 3:
			f.Health, f.Reason = backend.HealthDown, "connect: connection refused"
		case 4:
			f.Health = backend.HealthUnknown
		}
	})
	c := NewCandidates(p)
	var got [][]string
	for _, tier := range c.Tiers {
		var names []string
		for _, m := range tier.Members {
			names = append(names, m.ID().Name)
		}
		got = append(got, names)
	}
	if want := [][]string{{"a", "b"}, {"late"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("tiers %v, want %v", got, want)
	}
	want := []Exclusion{
		{backend.ID{Pool: "p", Name: "mute"}, "starting: no probe has ended yet"},
		{backend.ID{Pool: "p", Name: "sick"}, "down: connect: connection refused"},
	}
	if !reflect.DeepEqual(c.Out, want) {
		t.Errorf("out %v, want %v", c.Out, want)
	}
}

func TestAble(t *testing.T) {
	const bit8 = backend.Ext8BitMIME
	sized := known(bit8|backend.ExtSize, 1000)
	plain := known(backend.ExtSize, 5000)
	tests := []struct {
		name string
		up   []backend.Capabilities
		down []backend.Capabilities
		need Needs
		want Ability
	}{
		{"nothing asked", []backend.Capabilities{plain}, nil, Needs{}, Ability{Now: true, Ever: true}},
		{"one of two", []backend.Capabilities{plain, sized}, nil, Needs{Ext: bit8}, Ability{Now: true, Ever: true}},
		{"exactly the size", []backend.Capabilities{sized}, nil, Needs{Size: 1000}, Ability{Now: true, Ever: true}},
		{"only one that is down", []backend.Capabilities{plain}, []backend.Capabilities{sized}, Needs{Ext: bit8}, Ability{Ever: true}},
		{"nobody offers it", []backend.Capabilities{plain}, []backend.Capabilities{plain}, Needs{Ext: bit8}, Ability{Missing: bit8}},
		{"too big for all", []backend.Capabilities{plain, sized}, nil, Needs{Size: 5001}, Ability{TooBig: true}},
		{"too big for those that can", []backend.Capabilities{plain, sized}, nil, Needs{Ext: bit8, Size: 1001}, Ability{TooBig: true}},
		{"never seen", []backend.Capabilities{{}}, nil, Needs{Ext: bit8, Size: 1 << 40}, Ability{Now: true, Ever: true}},
		{"one down was never seen", []backend.Capabilities{plain}, []backend.Capabilities{{}}, Needs{Ext: bit8}, Ability{Ever: true}},
		{"no limit announced", []backend.Capabilities{known(backend.ExtSize, 0)}, nil, Needs{Size: 1 << 40}, Ability{Now: true, Ever: true}},
		{"SIZE not offered", []backend.Capabilities{known(0, 0)}, nil, Needs{Size: 1 << 40}, Ability{Now: true, Ever: true}},
		{"no member", nil, nil, Needs{Ext: bit8}, Ability{Ever: true}},
		{
			"two halves are no whole",
			[]backend.Capabilities{known(bit8, 0), known(backend.ExtChunking, 0)},
			nil,
			Needs{Ext: bit8 | backend.ExtChunking},
			Ability{Missing: bit8 | backend.ExtChunking},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all := append(append([]backend.Capabilities{}, tt.up...), tt.down...)
			c := NewCandidates(pool(make([]backend.Spec, len(all)), func(i int, f *backend.HealthFact) {
				f.Capabilities = all[i]
				if i >= len(tt.up) {
					f.Health = backend.HealthDown
				}
			}))
			if got := c.Able(tt.need); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestWeightFollowsTheShare(t *testing.T) {
	for _, tt := range []struct {
		weights []int
		shares  []float64
		turns   map[string]int // of one full cycle
	}{
		{[]int{100, 100}, []float64{0, 1}, map[string]int{"b0000": 1, "b0001": 1}},
		{[]int{100, 100}, []float64{0, 0.1}, map[string]int{"b0000": 10, "b0001": 1}},
		{[]int{1, 1}, []float64{0.1, 0}, map[string]int{"b0000": 1, "b0001": 10}},
		{[]int{1, 3}, []float64{0.5, 2}, map[string]int{"b0000": 1, "b0001": 6}},
		{[]int{1, 1}, []float64{0.0001, 0}, map[string]int{"b0000": 1, "b0001": 100}},
		{[]int{2, 1}, []float64{0.3, 0.3}, map[string]int{"b0000": 2, "b0001": 1}},
	} {
		specs, cycle := make([]backend.Spec, len(tt.weights)), 0
		for i, w := range tt.weights {
			specs[i].Weight = w
		}
		for _, n := range tt.turns {
			cycle += n
		}
		c := NewCandidates(pool(specs, func(i int, f *backend.HealthFact) { f.Share = tt.shares[i] }))
		if got := len(c.Tiers[0].turns); got != cycle {
			t.Errorf("weights %v, shares %v: a cycle of %d, want %d", tt.weights, tt.shares, got, cycle)
		}
		turns := map[string]int{}
		for _, name := range firsts(c, cycle) {
			turns[name]++
		}
		if !reflect.DeepEqual(turns, tt.turns) {
			t.Errorf("weights %v, shares %v: turns %v, want %v", tt.weights, tt.shares, turns, tt.turns)
		}
	}
}

func TestCacheFollowsTheSnapshot(t *testing.T) {
	var cache Cache
	one, two := pool(make([]backend.Spec, 2), nil), pool(make([]backend.Spec, 3), nil)
	first := cache.Of(one, false)
	if cache.Of(one, false) != first {
		t.Error("the same snapshot was built twice")
	}
	if got := cache.Of(two, false); len(got.Tiers[0].Members) != 3 {
		t.Error("a new snapshot was answered with the old candidates")
	}
}

// Calm candidates are without those that are only in by panic. Both views are kept.
func TestCalm(t *testing.T) {
	r := backend.NewRegistry([]backend.PoolConfig{{Name: "p", PanicPercent: 60}})
	r.SetMembers("p", []backend.Spec{{Pool: "p", Name: "a", Address: "a:25"}, {Pool: "p", Name: "b", Address: "b:25"}})
	set := func(name string, fact backend.HealthFact) *backend.Pool {
		fact.Health = backend.HealthUp
		r.SetHealth(r.Snapshot().Pool("p").Member(name).Backend, fact)
		return r.Snapshot().Pool("p")
	}
	names := func(c *Candidates) (in []string) {
		for _, tier := range c.Tiers {
			for _, m := range tier.Members {
				in = append(in, m.ID().Name)
			}
		}
		return in
	}
	set("a", backend.HealthFact{})
	sound := set("b", backend.HealthFact{})
	var cache Cache
	if cache.Of(sound, true) != cache.Of(sound, false) {
		t.Error("two views where there is no panic")
	}
	panicked := set("b", backend.HealthFact{Breaker: backend.BreakerOpen, Reason: "stuck at mail"})
	all, calm := cache.Of(panicked, false), cache.Of(panicked, true)
	if got := names(all); !reflect.DeepEqual(got, []string{"a", "b"}) {
		t.Errorf("in panic: %v", got)
	}
	if got := names(calm); !reflect.DeepEqual(got, []string{"a"}) {
		t.Errorf("calm: %v", got)
	}
	if want := []Exclusion{{backend.ID{Pool: "p", Name: "b"}, "ejected: stuck at mail"}}; !reflect.DeepEqual(calm.Out, want) {
		t.Errorf("calm, out: %v, want %v", calm.Out, want)
	}
	if cache.Of(panicked, false) != all || cache.Of(panicked, true) != calm {
		t.Error("a view was built twice")
	}
}

func TestTierFindsByName(t *testing.T) {
	tier := NewCandidates(pool(make([]backend.Spec, 9), nil)).Tiers[0]
	for i := range tier.Members {
		if got := tier.find(tier.Members[i].ID().Name); got != i {
			t.Errorf("member %d was found at %d", i, got)
		}
	}
	for _, name := range []string{"", "a", "b00001", "z"} {
		if got := tier.find(name); got >= 0 {
			t.Errorf("%q was found at %d", name, got)
		}
	}
}
