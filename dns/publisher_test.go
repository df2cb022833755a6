package dns

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mdns "github.com/miekg/dns"

	"weir/internal/events"
)

// stage is a publisher at work in virtual time.
type stage struct {
	facts
	*Publisher
	t       *testing.T
	cluster *fakeCluster
	zone    *fakeZone
	log     *events.Log
	seen    uint64
}

// play runs a publisher of four connectors that are up, until the test is over.
func play(t *testing.T, change func(*Config, *Deps), test func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFacts("internet")
		f.pool("internet", 4)
		s := &stage{facts: f, t: t, zone: newZone(), log: events.NewLog(1000)}
		s.cluster = &fakeCluster{Alone: Alone{Registry: f.Registry}, term: &fakeTerm{}}
		cfg := testConfig()
		deps := Deps{Registry: f.Registry, Cluster: s.cluster, Target: s.zone, Events: s.log}
		if change != nil {
			change(&cfg, &deps)
		}
		s.Publisher = New(cfg, deps)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		test(t, s)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("running: %v", err)
		}
	})
}

// pass lets time go by.
func (s *stage) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (s *stage) expect(want string) {
	s.t.Helper()
	if got := s.zone.shows(poolName, mdns.TypeA); got != want {
		s.t.Errorf("published %q, want %q (status %+v)", got, want, s.Status())
	}
}

// heard returns the kinds of the events since the last call.
func (s *stage) heard() []string {
	list, _ := s.log.Since(s.seen)
	var kinds []string
	for _, e := range list {
		s.seen = e.ID
		kinds = append(kinds, e.To)
		if e.Kind != "dns" || !strings.HasPrefix(e.Why, testZone+" ") {
			s.t.Errorf("event %+v", e)
		}
	}
	return kinds
}

func (s *stage) expectHeard(want ...string) {
	s.t.Helper()
	if got := s.heard(); !slices.Equal(got, want) {
		all, _ := s.log.Since(0)
		s.t.Errorf("heard %q, want %q (%+v)", got, want, all)
	}
}

func TestPublishing(t *testing.T) {
	play(t, nil, func(t *testing.T, s *stage) {
		s.expect(all4)
		s.pass(2 * time.Minute)
		s.drain(id("a"))
		s.pass(roundGap)
		s.expect("192.0.2.2 192.0.2.3 192.0.2.4")
		s.down(id("b"))
		s.pass(16 * time.Second)
		s.expect("192.0.2.3 192.0.2.4")
		s.expectHeard("written", "written", "written")
		st := s.Status()
		if st.Epoch != 1 || !st.Leader || st.Mode != "update" || st.Lag != 0 || st.Error != "" || st.Writes[ResultWritten] != 3 || st.Serial != 3 {
			t.Errorf("status %+v", st)
		}
		s.down(id("c"))
		s.pass(time.Minute)
		s.expectHeard("held")
		st = s.Status()
		if len(st.Sets) != 1 || len(st.Sets[0].Held) != 1 || st.Sets[0].Type != "A" || st.Lag != 0 {
			t.Errorf("sets %+v", st.Sets)
		}
	})
}

func TestOnlyTheLeaderWrites(t *testing.T) {
	leaveOut := func(_ *Config, deps *Deps) { deps.Cluster.(*fakeCluster).term = nil }
	play(t, leaveOut, func(t *testing.T, s *stage) {
		s.pass(time.Minute)
		if st := s.Status(); s.zone.count() > 0 || st.Leader || st.Sets != nil {
			t.Errorf("written, status %+v", st)
		}
		s.zone.set(func() { s.zone.epoch = 6 })
		s.down(id("a"))
		s.pass(30 * time.Second) // hold-downs count on all replicas
		s.cluster.begin(&fakeTerm{})
		s.zone.holds(testOwner, poolName, mdns.TypeA, strings.Fields(all4)...)
		s.pass(time.Second)
		s.expect("192.0.2.2 192.0.2.3 192.0.2.4")
		if s.zone.epoch != 7 {
			t.Errorf("epoch %d", s.zone.epoch)
		}
		s.cluster.term.over.Store(true)
		s.drain(id("b"))
		s.pass(time.Minute)
		s.expect("192.0.2.2 192.0.2.3 192.0.2.4")
		if s.Status().Leader {
			t.Error("it still thinks that it leads")
		}
	})
}

func TestATermBeginsWithAClaim(t *testing.T) {
	play(t, nil, func(t *testing.T, s *stage) {
		s.pass(time.Minute)
		s.cluster.begin(&fakeTerm{})
		s.pass(20 * time.Second)
		if s.zone.epoch != 2 || s.zone.count() != 2 || len(s.zone.writes[1].Put) != 0 {
			t.Errorf("epoch %d after %+v", s.zone.epoch, s.zone.writes)
		}
	})
}

func TestFenced(t *testing.T) {
	tests := map[string]func(s *stage){
		"by a write": func(s *stage) { s.drain(id("a")) },
		"by reading": func(s *stage) { s.pass(2 * time.Minute) },
	}
	for name, notice := range tests {
		t.Run(name, func(t *testing.T) {
			play(t, nil, func(t *testing.T, s *stage) {
				s.pass(30 * time.Second)
				s.zone.set(func() { s.zone.epoch = 2 }) // another writer
				notice(s)
				s.pass(10 * time.Minute)
				s.expect(all4)
				if st := s.Status(); !strings.Contains(st.Error, "weir dns thaw") || s.zone.count() != 1 {
					t.Errorf("%d writes, status %+v", s.zone.count(), st)
				}
				s.expectHeard("written", "error")
				if err := s.Thaw(t.Context(), "alice"); err != nil {
					t.Error(err)
				}
				s.drain(id("a"))
				s.pass(20 * time.Second)
				s.expect("192.0.2.2 192.0.2.3 192.0.2.4")
				if st := s.Status(); st.Error != "" || st.Epoch != 3 {
					t.Errorf("status %+v", st)
				}
			})
		})
	}
}

func TestANewTermEndsTheFence(t *testing.T) {
	play(t, nil, func(t *testing.T, s *stage) {
		s.pass(30 * time.Second)
		s.zone.set(func() { s.zone.epoch = 2 })
		s.drain(id("a"))
		s.pass(time.Minute)
		s.cluster.begin(&fakeTerm{})
		s.pass(15 * time.Second)
		s.expect("192.0.2.2 192.0.2.3 192.0.2.4")
		if s.zone.epoch != 3 {
			t.Errorf("epoch %d", s.zone.epoch)
		}
	})
}

// Whatever a target answers, the set stands, and when it works again there is one
// write of the present truth.
func TestErrorsPass(t *testing.T) {
	tests := []struct {
		name    string
		err     error
		reading bool
		result  Result
	}{
		{"unreachable", errors.New("no route"), false, ResultFailed},
		{"refused", fmt.Errorf("the key may not write there: %w", ErrRefused), false, ResultRefused},
		{"outcome unknown", fmt.Errorf("no answer: %w", ErrUnknownOutcome), false, ResultUnknown},
		{"somebody else's", fmt.Errorf("a CNAME: %w", ErrForeign), false, ResultForeign},
		{"reading fails", errors.New("timeout"), true, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			play(t, nil, func(t *testing.T, s *stage) {
				s.pass(2 * time.Minute)
				s.heard()
				s.zone.set(func() {
					s.zone.before = func(change *Change) error {
						if tc.reading == (change == nil) {
							return tc.err
						}
						return nil
					}
				})
				s.drain(id("a"))
				if tc.reading {
					s.pass(70 * time.Second) // the drain itself is written
				}
				for range 30 {
					s.pass(time.Minute)
					s.flicker()
				}
				if st := s.Status(); !strings.Contains(st.Error, tc.err.Error()) {
					t.Errorf("status %+v", st)
				}
				if n := s.Status().Writes[tc.result]; tc.result != "" && (n < 10 || n > 200) {
					t.Errorf("%d attempts in half an hour", n)
				}
				if kinds := s.heard(); kinds[len(kinds)-1] != "error" || len(kinds) > 3 {
					t.Errorf("heard %q", kinds)
				}
				before := s.zone.count()
				s.zone.set(func() { s.zone.before = nil })
				s.pass(2 * time.Minute)
				s.expect("192.0.2.2 192.0.2.3 192.0.2.4")
				if n := s.zone.count() - before; !tc.reading && n != 1 {
					t.Errorf("%d writes after the outage", n)
				}
				if st := s.Status(); st.Error != "" || st.Lag != 0 {
					t.Errorf("status %+v", st)
				}
			})
		})
	}
}

// flicker lets a connector be down for a moment.
func (s *stage) flicker() {
	s.down(id("d"))
	s.pass(time.Second)
	s.up(id("d"))
}

// A change that was made though no answer came is seen, and not made again.
func TestTheOutcomeIsReadBack(t *testing.T) {
	play(t, nil, func(t *testing.T, s *stage) {
		s.pass(2 * time.Minute)
		s.zone.set(func() {
			s.zone.before = func(change *Change) error {
				if change == nil {
					return nil
				}
				s.zone.before = nil
				return errors.Join(s.zone.write(*change), fmt.Errorf("reading the answer: %w", ErrUnknownOutcome))
			}
		})
		s.heard()
		s.drain(id("a"))
		s.pass(2 * time.Minute)
		s.expect("192.0.2.2 192.0.2.3 192.0.2.4")
		if st := s.Status(); s.zone.count() != 2 || st.Error != "" || st.Writes[ResultUnknown] != 1 {
			t.Errorf("%d writes, status %+v", s.zone.count(), st)
		}
		s.expectHeard("error", "well")
	})
}

// So is a claim, though it cannot be known whose the new epoch is: the next one is
// claimed.
func TestALostClaimIsClaimedAgain(t *testing.T) {
	lose := func(_ *Config, deps *Deps) {
		zone := deps.Target.(*fakeZone)
		zone.before = func(change *Change) error {
			if change == nil {
				return nil
			}
			zone.before = nil
			return errors.Join(zone.write(*change), ErrUnknownOutcome)
		}
	}
	play(t, lose, func(t *testing.T, s *stage) {
		s.pass(time.Minute)
		s.expect(all4)
		if st := s.Status(); st.Epoch != 2 || st.Error != "" {
			t.Errorf("status %+v", st)
		}
	})
}

func TestAServerThatIgnoresChanges(t *testing.T) {
	deaf := func(_ *Config, deps *Deps) { deps.Target.(*fakeZone).deaf = true }
	play(t, deaf, func(t *testing.T, s *stage) {
		s.pass(10 * time.Minute)
		if st := s.Status(); !strings.Contains(st.Error, "accepted the change") || s.zone.count() > 12 || st.Lag == 0 {
			t.Errorf("%d writes, status %+v", s.zone.count(), st)
		}
		kinds := s.heard()
		if slices.Contains(kinds, "well") || slices.Contains(kinds, "changed") || !slices.Contains(kinds, "error") {
			t.Errorf("heard %q", kinds)
		}
	})
}

func TestRepair(t *testing.T) {
	play(t, nil, func(t *testing.T, s *stage) {
		s.pass(2 * time.Minute)
		s.heard()
		s.zone.holds("", poolName, mdns.TypeA, "192.0.2.1")
		s.pass(readBack + 10*time.Second)
		s.expect(all4)
		s.expectHeard("changed", "written")
	})
}

func TestAZoneThatWasSetBack(t *testing.T) {
	play(t, nil, func(t *testing.T, s *stage) {
		s.pass(2 * time.Minute)
		s.zone.set(func() { s.zone.epoch = 0 })
		s.pass(2 * time.Minute)
		if st := s.Status(); st.Epoch != 1 || st.Error != "" {
			t.Errorf("status %+v", st)
		}
		s.expectHeard("written", "epoch")
	})
}

// It may be noticed by a write that fails, too.
func TestAZoneThatWasSetBackBeforeAWrite(t *testing.T) {
	play(t, nil, func(t *testing.T, s *stage) {
		s.pass(2*time.Minute + time.Second)
		s.zone.set(func() { s.zone.epoch = 0 })
		s.drain(id("a"))
		s.pass(30 * time.Second)
		s.expect("192.0.2.2 192.0.2.3 192.0.2.4")
		s.expectHeard("written", "epoch", "written")
	})
}

func TestDryRun(t *testing.T) {
	dry := func(cfg *Config, _ *Deps) { cfg.DryRun = true }
	play(t, dry, func(t *testing.T, s *stage) {
		s.pass(10 * time.Minute)
		if st := s.Status(); s.zone.count() != 0 || s.zone.epoch != 0 || st.Mode != "dry-run" || st.Writes[ResultDryRun] != 1 {
			t.Errorf("status %+v", st)
		}
		s.expectHeard("dry-run")
		if err := s.Release(t.Context(), "alice"); err == nil {
			t.Error("released")
		}
	})
}

// A name that cannot be claimed does not keep the others from being written.
func TestOneNameThatCannotBeClaimed(t *testing.T) {
	three := func(cfg *Config, deps *Deps) {
		for _, name := range []string{"x.", "y."} {
			cfg.Records = append(cfg.Records, Record{Name: name + testZone, Type: mdns.TypeA, Pool: "internet"})
		}
		deps.Target.(*fakeZone).before = func(change *Change) error {
			if change != nil && slices.Contains(change.Claim, "x."+testZone) {
				return fmt.Errorf("a CNAME stands there: %w", ErrForeign)
			}
			return nil
		}
	}
	play(t, three, func(t *testing.T, s *stage) {
		s.pass(2 * time.Minute)
		s.expect(all4)
		if got := s.zone.shows("y."+testZone, mdns.TypeA); got != all4 {
			t.Errorf("y is %q", got)
		}
		s.drain(id("a"))
		s.pass(20 * time.Second)
		s.expect("192.0.2.2 192.0.2.3 192.0.2.4")
	})
}

// An hour of flapping, through the loop itself.
func TestTheLoopThroughAnHourOfChaos(t *testing.T) {
	play(t, nil, func(t *testing.T, s *stage) {
		for i := range 720 {
			s.pass(5 * time.Second)
			for j, name := range []string{"a", "b", "c"} {
				if (i+j)%(7+j) < 4 {
					s.down(id(name))
				} else {
					s.up(id(name))
				}
			}
		}
		for i, at := range s.zone.at[1:] {
			if gap := at.Sub(s.zone.at[i]); gap < 10*time.Second {
				t.Errorf("two writes %v apart", gap)
			}
			if n := len(s.zone.writes[i+1].Put[0].Records); n < 2 {
				t.Errorf("%d records", n)
			}
		}
		if s.zone.count() > 60 {
			t.Errorf("%d writes", s.zone.count())
		}
		for _, name := range []string{"a", "b", "c"} {
			s.up(id(name))
		}
		s.pass(25 * time.Minute)
		s.expect(all4)
	})
}
