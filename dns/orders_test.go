package dns

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestFrozen(t *testing.T) {
	keep := FileKeep{Path: filepath.Join(t.TempDir(), "dns.json")}
	with := func(_ *Config, deps *Deps) { deps.Keep = keep }
	play(t, with, func(t *testing.T, s *stage) {
		s.pass(2 * time.Minute)
		if err := s.Freeze(t.Context(), "moving the zone", "alice"); err != nil {
			t.Fatal(err)
		}
		s.drain(id("a"))
		s.pass(time.Hour)
		s.expect(all4)
		if st := s.Status(); st.Freeze.By != "alice" || st.Lag < 3500 || s.zone.count() != 1 {
			t.Errorf("status %+v", st)
		}
		s.expectHeard("written", "frozen")
	})
	play(t, with, func(t *testing.T, s *stage) { // after a restart
		s.pass(time.Minute)
		s.expect("")
		s.expectHeard("frozen")
		if err := s.Thaw(t.Context(), "bob"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s.pass(time.Second)
		s.expect(all4)
		s.expectHeard("thawed", "written")
	})
}

// fakeKeep is a Keep that several replicas share, and that fails at will.
type fakeKeep struct {
	mu     sync.Mutex
	f      Freeze
	fail   error
	loaded func() // nil: nobody is told
}

func (k *fakeKeep) Load(context.Context) (Freeze, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.loaded != nil {
		k.loaded()
	}
	return k.f, k.fail
}

func (k *fakeKeep) Save(_ context.Context, f Freeze) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail == nil {
		k.f = f
	}
	return k.fail
}

// say makes it answer otherwise from now on.
func (k *fakeKeep) say(f Freeze, fail error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.f, k.fail = f, fail
}

func TestAFreezeThatWasOrderedElsewhere(t *testing.T) {
	keep := &fakeKeep{}
	with := func(_ *Config, deps *Deps) { deps.Keep = keep }
	play(t, with, func(t *testing.T, s *stage) {
		s.pass(time.Minute)
		keep.say(Freeze{Frozen: true, By: "bob"}, nil)
		s.drain(id("a"))
		s.pass(time.Minute)
		s.expect(all4)
		keep.say(Freeze{By: "bob"}, nil)
		s.pass(time.Minute)
		s.expect("192.0.2.2 192.0.2.3 192.0.2.4")
	})
}

func TestEveryReplicaKnowsOfAFreeze(t *testing.T) {
	keep := &fakeKeep{}
	with := func(_ *Config, deps *Deps) {
		deps.Keep = keep
		deps.Cluster.(*fakeCluster).begin(nil)
	}
	play(t, with, func(t *testing.T, s *stage) {
		s.pass(time.Minute)
		keep.say(Freeze{Frozen: true, By: "bob"}, nil)
		s.pass(15 * time.Second)
		if st := s.Status(); !st.Freeze.Frozen {
			t.Errorf("status %+v", st)
		}
	})
}

// The last look before a write is at the term.
func TestATermThatEndsJustBeforeAWrite(t *testing.T) {
	keep := &fakeKeep{}
	with := func(_ *Config, deps *Deps) { deps.Keep = keep }
	play(t, with, func(t *testing.T, s *stage) {
		s.pass(30 * time.Second)
		keep.mu.Lock()
		keep.loaded = func() { s.cluster.term.over.Store(true) }
		keep.mu.Unlock()
		s.drain(id("a"))
		s.pass(time.Minute)
		s.expect(all4)
	})
}

func TestTermsInARowKeepTheInterval(t *testing.T) {
	play(t, nil, func(t *testing.T, s *stage) {
		for range 120 {
			s.pass(500 * time.Millisecond)
			s.cluster.begin(&fakeTerm{})
		}
		if n := s.zone.count(); n < 2 || n > 7 {
			t.Errorf("%d writes in a minute", n)
		}
	})
}

func TestAKeepThatFails(t *testing.T) {
	keep := &fakeKeep{fail: errors.New("disk full")}
	with := func(_ *Config, deps *Deps) { deps.Keep = keep }
	play(t, with, func(t *testing.T, s *stage) {
		s.pass(time.Minute)
		s.expect("") // whether it is frozen is not known
		if err := s.Freeze(t.Context(), "", "alice"); err == nil {
			t.Error("no word that it is not kept")
		}
		s.pass(time.Hour)
		s.expect("")
		keep.say(Freeze{}, nil)
		s.pass(time.Minute + time.Second)
		if !keep.f.Frozen || s.Status().Error != "" {
			t.Errorf("kept %+v, status %+v", keep.f, s.Status())
		}
	})
}

func TestRelease(t *testing.T) {
	play(t, nil, func(t *testing.T, s *stage) {
		s.pass(time.Minute)
		if err := s.Release(t.Context(), "alice"); err != nil {
			t.Fatal(err)
		}
		s.drain(id("a"))
		s.pass(time.Hour)
		s.expect(all4)
		if len(s.zone.owners) != 0 || !s.Status().Freeze.Released {
			t.Errorf("owners %v, status %+v", s.zone.owners, s.Status())
		}
		if err := s.Thaw(t.Context(), "alice"); err != nil {
			t.Fatal(err)
		}
		s.pass(time.Minute)
		s.expect(all4)                                             // it is not ours any more
		s.zone.set(func() { s.zone.owners[poolName] = testOwner }) // an operator hands it over again
		s.pass(2 * time.Minute)
		s.expect("192.0.2.2 192.0.2.3 192.0.2.4")
		s.expectHeard("written", "released", "thawed", "held", "written")
	})
}

func TestReleaseThatFails(t *testing.T) {
	play(t, nil, func(t *testing.T, s *stage) {
		s.pass(time.Minute)
		for _, reading := range []bool{true, false} {
			s.zone.set(func() {
				s.zone.before = func(change *Change) error {
					if reading == (change == nil) {
						return errors.New("no route")
					}
					return nil
				}
			})
			if err := s.Release(t.Context(), "alice"); err == nil || !strings.Contains(err.Error(), "no route") {
				t.Errorf("released: %v", err)
			}
		}
		s.cluster.begin(nil)
		if err := s.Release(t.Context(), "alice"); !errors.Is(err, errNotLeader) {
			t.Errorf("released by another replica: %v", err)
		}
	})
}

func TestOrdersEndWithTheirContext(t *testing.T) {
	p := New(testConfig(), Deps{})
	p.turn <- struct{}{} // a write that takes long
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := errors.Join(p.Freeze(ctx, "", ""), p.Thaw(ctx, ""), p.Release(ctx, "")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
