package policies

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/backend"
)

// client returns the i-th of many networks.
func client(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// targets returns the first choice of each of n clients.
func targets(p *Policy, c *Candidates, n int) []string {
	names := make([]string, n)
	for i := range names {
		var cur Cursor
		p.Start(&Request{Client: client(i)}, c, &cur)
		names[i] = p.Next(&cur).ID().Name
	}
	return names
}

func maglevPolicy(t testing.TB) *Policy {
	return newPolicy(t, Options{Policy: Maglev, Hash: KeyClient})
}

func TestMaglevIsTheSameInEveryReplicaWhateverHealthSays(t *testing.T) {
	specs := func() []backend.Spec { return []backend.Spec{{}, {Weight: 300}, {}, {}, {Cost: 5}} }
	whole := targets(maglevPolicy(t), NewCandidates(pool(specs(), nil)), 4000)
	for name, sick := range map[string]func(i int, f *backend.HealthFact){
		"down": func(i int, f *backend.HealthFact) {
			if i == 1 {
				f.Health = backend.HealthDown
			}
		},
		"slow start of one": func(i int, f *backend.HealthFact) {
			if i == 1 {
				f.Recovering, f.Share = true, 0.1
			}
		},
		"slow start of all": func(_ int, f *backend.HealthFact) { f.Recovering, f.Share = true, 0.1 },
	} {
		t.Run(name, func(t *testing.T) {
			c := NewCandidates(pool(specs(), sick))
			for i, got := range targets(maglevPolicy(t), c, len(whole)) {
				if got != whole[i] && (whole[i] != "b0001" || name == "slow start of all") {
					t.Fatalf("client %d goes to %s, and to %s where b0001 is well", i, got, whole[i])
				}
			}
		})
	}
}

// A connector in slow start, or slower than its peers, has its share of its keys. As
// the share grows keys come back, and none that came goes again.
func TestMaglevKeepsToTheShare(t *testing.T) {
	const keys = 20000
	had := map[int]bool{}
	for _, share := range []float64{0.1, 0.3, 0.7, 1} {
		c := NewCandidates(pool(make([]backend.Spec, 5), func(i int, f *backend.HealthFact) {
			if i == 2 {
				f.Recovering, f.Share = true, share
			}
		}))
		counts := map[string]int{}
		for i, name := range targets(maglevPolicy(t), c, keys) {
			counts[name]++
			if had[i] = had[i] || name == "b0002"; had[i] && name != "b0002" {
				t.Fatalf("share %v: client %d was there before, and goes to %s", share, i, name)
			}
		}
		if part, want := float64(counts["b0002"])/keys, share/(4+share); part < 0.8*want || part > 1.2*want {
			t.Errorf("share %v: it gets %.4f of the keys, want %.4f", share, part, want)
		}
		for name, n := range counts {
			if other := float64(n) / keys; name != "b0002" && (other < 0.18 || other > 0.27) {
				t.Errorf("share %v: %s gets %.3f", share, name, other)
			}
		}
	}
}

// When the membership changes, whoever comes while somebody makes the new tables goes by
// the old ones.
func TestMaglevDoesNotWaitForNewTables(t *testing.T) {
	p := maglevPolicy(t)
	g := p.chooser.(*maglev)
	small, large := pool(make([]backend.Spec, 4), nil), pool(make([]backend.Spec, 5), nil)
	large.Membership = small.Membership + 1
	before := targets(p, NewCandidates(small), 1000)
	g.building.Lock() // somebody is about it
	during := targets(p, NewCandidates(large), 1000)
	g.building.Unlock()
	if !slices.Equal(before, during) {
		t.Error("the tables changed while somebody else was making them")
	}
	if after := targets(p, NewCandidates(large), 1000); !slices.Contains(after, "b0004") {
		t.Error("the new connector got nothing")
	}
}

// A tier that stays as it was keeps its table when another one changes.
func TestMaglevKeepsTheTablesOfOtherTiers(t *testing.T) {
	two := newMaglevTables(pool([]backend.Spec{{}, {}, {Cost: 5}}, nil), nil)
	three := newMaglevTables(pool([]backend.Spec{{}, {}, {Cost: 5}, {Cost: 5}}, nil), two)
	if &two.tier(0).slots[0] != &three.tier(0).slots[0] || &two.tier(5).slots[0] == &three.tier(5).slots[0] {
		t.Error("want the table of tier 0 kept, and that of tier 5 made anew")
	}
}

// The tables of other versions of weir must be these: a change of the hash would
// move all keys while replicas are upgraded one by one.
func TestMaglevIsTheSameInEveryVersion(t *testing.T) {
	got := targets(maglevPolicy(t), NewCandidates(pool(make([]backend.Spec, 10), nil)), 12)
	var digits strings.Builder
	for _, name := range got {
		digits.WriteString(name[4:])
	}
	if want := "895537648638"; digits.String() != want {
		t.Errorf("clients go to %s, want %s", digits.String(), want)
	}
}

// moved returns the share of a table's slots, and so of the keys, that change hands
// when a member leaves.
func moved(members []maglevMember, gone int, size uint64) float64 {
	rest := slices.Delete(slices.Clone(members), gone, gone+1)
	before, after := maglevSlots(members, size), maglevSlots(rest, size)
	n := 0
	for i := range before {
		if members[before[i]].name != rest[after[i]].name {
			n++
		}
	}
	return float64(n) / float64(size)
}

// A table for each check would take long; the larger the table is for its members,
// the fewer keys move.
func TestMaglevMovesFewKeysWhenOneLeaves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := make([]maglevMember, rapid.IntRange(2, 60).Draw(t, "members"))
		highest := rapid.SampledFrom([]uint64{1, 3, 1000}).Draw(t, "highest weight")
		var sum uint64
		for i := range members {
			members[i].name = rapid.StringMatching("[a-z]{1,8}").Draw(t, "name") + fmt.Sprint(i)
			members[i].weight = rapid.Uint64Range(1, highest).Draw(t, "weight")
			sum += members[i].weight
		}
		gone := rapid.IntRange(0, len(members)-1).Draw(t, "gone")
		share := float64(members[gone].weight) / float64(sum)
		if got := moved(members, gone, uint64(nextPrime(20000))); got > share+0.02 {
			t.Fatalf("%.4f of the keys moved, %.4f were there", got, share)
		}
	})
}

func TestMaglevMovesFewKeysOfMany(t *testing.T) {
	for _, n := range []int{655, 1000} {
		members := make([]maglevMember, n)
		var sum uint64
		for i := range members {
			members[i] = maglevMember{fmt.Sprintf("mx%d.example.com", i), uint64(1 + i*733%999)}
			sum += members[i].weight
		}
		gone := n / 2
		if got, share := moved(members, gone, maglevSizeFor(n)), float64(members[gone].weight)/float64(sum); got > share+0.02 {
			t.Errorf("%d members: %.4f of the keys moved, %.4f were there", n, got, share)
		}
	}
}

// A tier's size is in its table: the same for a wide range of members.
func TestMaglevSizes(t *testing.T) {
	for members, want := range map[int]uint64{1: 65537, 655: 65537, 656: 262147, 2621: 262147, 2622: 1048583, 10000: 1048583} {
		if got := maglevSizeFor(members); got != want {
			t.Errorf("%d members: %d slots, want %d", members, got, want)
		}
	}
}

func TestMaglevSpreadsTheKeysOfADeadOne(t *testing.T) {
	const keys = 20000
	specs := make([]backend.Spec, 5)
	before := targets(maglevPolicy(t), NewCandidates(pool(specs, nil)), keys)
	after := targets(maglevPolicy(t), NewCandidates(pool(specs, func(i int, f *backend.HealthFact) {
		if i == 2 {
			f.Health = backend.HealthDown
		}
	})), keys)
	counts, orphans := map[string]int{}, 0
	for i := range before {
		if before[i] == "b0002" {
			counts[after[i]]++
			orphans++
		} else if before[i] != after[i] {
			t.Fatalf("client %d moved from %s, which is well", i, before[i])
		}
	}
	for name, n := range counts {
		if share := float64(n) / float64(orphans); share < 0.2 || share > 0.3 {
			t.Errorf("%s got %.3f of the dead one's keys, want a quarter", name, share)
		}
	}
	if len(counts) != 4 {
		t.Errorf("the dead one's keys went to %v", counts)
	}
}

func TestMaglevTablesFollowTheMembership(t *testing.T) {
	r := backend.NewRegistry([]backend.PoolConfig{{Name: "p"}})
	r.SetStarted() // all are starting, and eligible for want of better
	members := func(names ...string) *backend.Pool {
		specs := make([]backend.Spec, len(names))
		for i, name := range names {
			specs[i] = backend.Spec{Pool: "p", Name: name, Address: name + ":25", Weight: 100}
		}
		r.SetMembers("p", specs)
		return r.Snapshot().Pool("p")
	}
	p := maglevPolicy(t)
	g := p.chooser.(*maglev)
	two := NewCandidates(members("a", "b"))
	targets(p, two, 10)
	old := g.tables.Load()
	three := NewCandidates(members("a", "b", "c"))
	if got := targets(p, three, 1000); !slices.Contains(got, "c") {
		t.Error("a new connector got nothing")
	}
	tables := g.tables.Load()
	if tables == old {
		t.Fatal("the tables are those of the old membership")
	}
	// Who still goes by the old snapshot does not bring the old tables back.
	if got := targets(p, two, 1000); slices.Contains(got, "c") {
		t.Error("a connector that is no candidate was chosen")
	}
	if g.tables.Load() != tables {
		t.Error("an old snapshot replaced the tables")
	}
	r.SetHealth(r.Snapshot().Pool("p").Member("a").Backend, backend.HealthFact{Health: backend.HealthUp})
	targets(p, NewCandidates(r.Snapshot().Pool("p")), 10)
	if g.tables.Load() != tables {
		t.Error("the tables were made anew for a change of health")
	}
}

func TestMaglevTablesAreMadeOnceForAll(t *testing.T) {
	p, c := maglevPolicy(t), NewCandidates(pool(make([]backend.Spec, 20), nil))
	var wg sync.WaitGroup
	all := make([][]string, 8)
	for i := range all {
		wg.Go(func() { all[i] = targets(p, c, 200) })
	}
	wg.Wait()
	for i := range all {
		if !slices.Equal(all[i], all[0]) {
			t.Error("two transactions of one client were sent to different connectors")
		}
	}
}

func TestNextPrime(t *testing.T) {
	for n, want := range map[int]int{3: 3, 4: 5, 1 << 16: 65537, 1 << 18: 262147, 1 << 20: 1048583} {
		if got := nextPrime(n); got != want {
			t.Errorf("after %d: %d, want %d", n, got, want)
		}
	}
}
