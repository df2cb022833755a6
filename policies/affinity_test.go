package policies

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/internal/backend"
)

func preferring(t testing.TB, key Key) *Policy {
	return newPolicy(t, Options{Policy: Random, Seed: 3, Affinity: key, AffinityTTL: time.Minute})
}

// TestAffinityModel holds the memory against a plain map: what was settled is
// preferred until a lifetime after its last use, and a look does not count as one.
func TestAffinityModel(t *testing.T) {
	type memory struct {
		name  string
		until time.Time
	}
	c := NewCandidates(pool(make([]backend.Spec, 6), nil))
	rapid.Check(t, func(t *rapid.T) {
		p := mustNew(t, Options{Policy: Random, Seed: 3, Affinity: KeyClient, AffinityTTL: time.Minute})
		model, now := map[int]memory{}, time.Unix(1000, 0)
		who, r := 0, &Request{}
		ask := func(t *rapid.T) {
			who = rapid.IntRange(0, 40).Draw(t, "client")
			r = &Request{Client: client(who), Now: now}
		}
		wanted := func() string {
			if m := model[who]; now.Before(m.until) {
				return m.name
			}
			return ""
		}
		t.Repeat(map[string]func(*rapid.T){
			"settle": func(t *rapid.T) {
				ask(t)
				b := c.Tiers[0].Members[rapid.IntRange(0, 5).Draw(t, "connector")].Backend
				p.Settled(r, b)
				model[who] = memory{b.ID().Name, now.Add(time.Minute)}
			},
			"start": func(t *rapid.T) {
				ask(t)
				var cur Cursor
				p.Start(r, c, &cur)
				want := wanted()
				if got := p.Next(&cur).ID().Name; want != "" && got != want {
					t.Fatalf("client %d got %s, want %s", who, got, want)
				}
				if want != "" {
					model[who] = memory{want, now.Add(time.Minute)}
				}
			},
			"preview": func(t *rapid.T) {
				ask(t)
				var cur Cursor
				p.Preview(r, c, &cur)
				if want := wanted(); cur.preferred != want || p.Preferred(r) != want {
					t.Fatalf("client %d prefers %q, want %q", who, cur.preferred, want)
				}
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 70).Draw(t, "seconds")) * time.Second)
			},
		})
	})
}

// A preference is for the tier that is being tried: cost comes first, then whether
// it is a candidate that serves the needs.
func TestAffinityGivesWay(t *testing.T) {
	specs := func() []backend.Spec { return []backend.Spec{{Name: "a"}, {Name: "b"}, {Name: "far", Cost: 10}} }
	all := NewCandidates(pool(specs(), func(i int, f *backend.HealthFact) {
		f.Capabilities = known(0, 0)
		if i != 1 {
			f.Capabilities = known(backend.Ext8BitMIME, 0)
		}
	}))
	member := func(name string) *backend.Backend { return all.pool.Member(name).Backend }
	without := func(gone int) *Candidates {
		return NewCandidates(pool(specs(), func(i int, f *backend.HealthFact) {
			if i == gone {
				f.Health = backend.HealthDown
			}
		}))
	}
	for _, tt := range []struct {
		name      string
		preferred string
		c         *Candidates
		needs     Needs
		want      []string
	}{
		{"it comes first", "b", all, Needs{}, []string{"b", "a", "far"}},
		{"and then the others", "a", all, Needs{}, []string{"a", "b", "far"}},
		{"cost goes before", "far", all, Needs{}, nil},
		{"it is out", "b", without(1), Needs{}, []string{"a", "far"}},
		{"it cannot serve", "b", all, Needs{Ext: backend.Ext8BitMIME}, []string{"a", "far"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := preferring(t, KeySender)
			r := &Request{From: "a@example.com", Needs: tt.needs, Now: time.Unix(1000, 0)}
			p.Settled(r, member(tt.preferred))
			for range 20 {
				var cur Cursor
				p.Start(r, tt.c, &cur)
				got := rest(p, &cur)
				if tt.want != nil && fmt.Sprint(got) != fmt.Sprint(tt.want) {
					t.Fatalf("got %v, want %v", got, tt.want)
				}
				if got[len(got)-1] != "far" {
					t.Fatalf("the dearer one comes before the others: %v", got)
				}
			}
			if got := p.Preferred(r); got != tt.preferred {
				t.Errorf("preferred is %q", got)
			}
		})
	}
}

// A connector that left and came back has a record of its own, but is the same one
// for its senders.
func TestAffinityGoesByName(t *testing.T) {
	p := preferring(t, KeySender)
	r := &Request{From: "a@example.com", Now: time.Unix(1000, 0)}
	old, back := pool(make([]backend.Spec, 20), nil), NewCandidates(pool(make([]backend.Spec, 20), nil))
	p.Settled(r, old.Member("b0013").Backend)
	var cur Cursor
	p.Start(r, back, &cur)
	if got := p.Next(&cur).ID().Name; got != "b0013" {
		t.Errorf("got %s", got)
	}
}

// A flood of keys takes no more memory, and drives out those first that were not
// used for longest.
func TestAffinityUnderAFlood(t *testing.T) {
	p := preferring(t, KeySender)
	b := pool(make([]backend.Spec, 2), nil)
	now := time.Unix(1000, 0)
	loyal := func(i int) *Request {
		return &Request{From: fmt.Sprintf("loyal%d@example.com", i), Now: now}
	}
	for i := range 100 {
		p.Settled(loyal(i), b.Members[0].Backend)
	}
	for i := range 2 * affinitySets * affinityWays {
		p.Settled(&Request{From: fmt.Sprintf("%d@flood.example", i), Now: now}, b.Members[1].Backend)
		now = now.Add(time.Microsecond)
		if i%(affinitySets/4) == 0 {
			for i := range 100 {
				p.affinity.use(loyal(i))
			}
		}
	}
	kept := 0
	for i := range 100 {
		if p.Preferred(loyal(i)) == b.Members[0].Spec.Name {
			kept++
		}
	}
	if kept != 100 {
		t.Errorf("%d of 100 senders that went on were kept", kept)
	}
	if n := len(p.affinity.sets); n != affinitySets {
		t.Errorf("the memory has %d sets", n)
	}
}

// What is over is let go of when its set is next used.
func TestAffinityLetsGoOfWhatIsOver(t *testing.T) {
	a := newAffinity(KeySender, time.Minute, 1)
	b := pool(make([]backend.Spec, 1), nil).Members[0].Backend
	var of []*Request // all of one set
	for i := 0; len(of) <= affinityWays; i++ {
		r := &Request{From: fmt.Sprintf("%d@example.com", i), Now: time.Unix(1000, 0)}
		if hash, _ := a.key.hash(a.seed, r); hash%affinitySets == 0 {
			of = append(of, r)
		}
	}
	for _, r := range of[1:] {
		a.settle(r, b)
	}
	of[0].Now = time.Unix(5000, 0)
	a.settle(of[0], b)
	used := 0
	for _, e := range a.sets[0] {
		if e.name != "" {
			used++
		}
	}
	if used != 1 || a.find(of[0]) != b.ID().Name {
		t.Errorf("%d entries are in use, want the new one alone", used)
	}
}

// A connector that was forgotten is not kept for the sake of what it was preferred for.
func TestAffinityKeepsNoConnector(t *testing.T) {
	p := preferring(t, KeySender)
	r := &Request{From: "a@example.com", Now: time.Unix(1000, 0)}
	gone := make(chan struct{})
	func() {
		b := pool(make([]backend.Spec, 1), nil).Members[0].Backend
		runtime.AddCleanup(b, func(gone chan struct{}) { close(gone) }, gone)
		p.Settled(r, b)
	}()
	for deadline := time.Now().Add(time.Minute); ; {
		runtime.GC()
		select {
		case <-gone:
			if got := p.Preferred(r); got != "b0000" {
				t.Errorf("preferred is %q", got)
			}
			return
		case <-time.After(time.Millisecond):
			if time.Now().After(deadline) {
				t.Fatal("the connector is kept")
			}
		}
	}
}

func TestAffinityOfManyAtATime(t *testing.T) {
	p := preferring(t, KeyClient)
	c := NewCandidates(pool(make([]backend.Spec, 4), nil))
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 500 {
				r := &Request{Client: client(w*500 + i), Now: time.Unix(1000, 0)}
				var cur Cursor
				p.Start(r, c, &cur)
				want := p.Next(&cur).Backend
				p.Settled(r, want)
				p.Start(r, c, &cur)
				if got := p.Next(&cur).Backend; got != want {
					t.Errorf("got %v, settled with %v", got.ID(), want.ID())
				}
			}
		})
	}
	wg.Wait()
}
