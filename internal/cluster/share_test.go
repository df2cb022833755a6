package cluster

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
)

func mustAgree(t *testing.T, replicas []*replica, name string, want backend.Admin) {
	t.Helper()
	for _, r := range replicas {
		if got := r.admin(name); got != want {
			t.Errorf("%s has %s as %s, want %s", r.Name(), name, got, want)
		}
	}
}

func TestFlagsAreShared(t *testing.T) {
	fleet(t, 3, func(t *testing.T, consul *fakeConsul, replicas []*replica) {
		replicas[0].order(t, Drain, "a")
		settle()
		mustAgree(t, replicas, "a", backend.AdminDrain)
		replicas[2].mustTell(t, "backend", "To:drain Why:reboot By:alice")
		replicas[1].order(t, Undrain, "a")
		settle()
		mustAgree(t, replicas, "a", backend.AdminEnabled)
		if got := consul.get("weir/test/drain/internet/a"); !strings.Contains(got, `"drained":false`) {
			t.Errorf("Consul holds %s, an undrain must be a word", got)
		}
	})
}

// Each replica is ordered to drain another connector at the same moment: one must
// stay, every round, and who is refused is told why.
func TestReplicasCannotEmptyAPoolTogether(t *testing.T) {
	fleet(t, 3, func(t *testing.T, _ *fakeConsul, replicas []*replica) {
		names := []string{"a", "b", "c"}
		for round := range 40 {
			errs := make([]error, len(replicas))
			var orders sync.WaitGroup
			for i, r := range replicas {
				verb := []Verb{Drain, Disable}[round%2]
				orders.Go(func() { _, errs[i] = r.Order(t.Context(), idOf(names[i]), Order{Verb: verb}) })
			}
			orders.Wait()
			settle()
			refused := 0
			for _, err := range errs {
				if errors.Is(err, ErrEmpties) {
					refused++
				} else if err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			}
			for _, r := range replicas {
				if n := r.registry.Snapshot().Pool(poolName).Eligible; n != 1 || refused != 1 {
					t.Fatalf("round %d: %s has %d eligible, %d refused", round, r.Name(), n, refused)
				}
			}
			for i := range names {
				replicas[(i+round)%3].order(t, Enable, names[i])
			}
			settle()
		}
	})
}

func TestCutOffFromConsul(t *testing.T) {
	for name, mood := range map[string]struct{ cut, frozen bool }{"refused": {true, false}, "frozen": {false, true}} {
		t.Run(name, func(t *testing.T) {
			fleet(t, 2, func(t *testing.T, _ *fakeConsul, replicas []*replica) {
				alone, rest := replicas[0], replicas[1]
				alone.agent.set(mood.cut, mood.frozen)
				pass(15 * time.Second)
				if s := alone.Status(); s.Reachable || s.Error == "" {
					t.Errorf("15 s after: %+v", s)
				}
				alone.mustTell(t, "consul", "To:away")
				s, err := alone.Order(t.Context(), idOf("a"), Order{Verb: Drain, By: "alice"})
				if !errors.Is(err, ErrNotShared) || !strings.Contains(err.Error(), "not told: "+rest.Name()) {
					t.Errorf("order: %v", err)
				}
				if alone.admin("a") != backend.AdminDrain || s.Safe || len(alone.Status().Unshared) != 1 {
					t.Errorf("%s, %+v, %+v", alone.admin("a"), s, alone.Status())
				}
				if rest.admin("a") != backend.AdminEnabled {
					t.Error("the other one was told")
				}
				alone.agent.set(false, false)
				pass(10 * time.Second)
				mustAgree(t, replicas, "a", backend.AdminDrain)
				alone.mustTell(t, "flag", "To:shared")
				alone.mustTell(t, "consul", "To:reachable")
				if s := alone.Status(); !s.Reachable || len(s.Unshared) != 0 {
					t.Errorf("when it is back: %+v", s)
				}
			})
		})
	}
}

// Both sides of a partition are ordered: the newer word stands, whichever side.
func TestNewerWordStands(t *testing.T) {
	for name, aloneFirst := range map[string]bool{"the cut off one was first": true, "it was last": false} {
		t.Run(name, func(t *testing.T) {
			fleet(t, 2, func(t *testing.T, _ *fakeConsul, replicas []*replica) {
				alone, rest := replicas[0], replicas[1]
				rest.order(t, Drain, "a")
				settle()
				alone.agent.set(true, false)
				first, last := func() { rest.order(t, Undrain, "a") }, func() { alone.mustNotShare(t, Disable, "a") }
				want := backend.AdminDisabled
				if aloneFirst {
					first, last, want = last, first, backend.AdminEnabled
				}
				first()
				pass(time.Second)
				last()
				alone.agent.set(false, false)
				pass(10 * time.Second)
				mustAgree(t, replicas, "a", want)
			})
		})
	}
}

func (r *replica) mustNotShare(t *testing.T, verb Verb, name string) {
	t.Helper()
	if _, err := r.Order(t.Context(), idOf(name), Order{Verb: verb}); !errors.Is(err, ErrNotShared) {
		t.Fatalf("%s %s while cut off: %v", verb, name, err)
	}
}

func TestAbsenceIsNoCommand(t *testing.T) {
	key := "weir/test/drain/internet/a"
	for name, lose := range map[string]func(*fakeConsul){
		"Consul restarted empty":   (*fakeConsul).restartEmpty,
		"somebody deleted the key": func(f *fakeConsul) { f.drop(key) },
	} {
		t.Run(name, func(t *testing.T) {
			fleet(t, 2, func(t *testing.T, consul *fakeConsul, replicas []*replica) {
				replicas[0].order(t, Drain, "a")
				settle()
				lose(consul)
				pass(30 * time.Second)
				mustAgree(t, replicas, "a", backend.AdminDrain)
				if f, err := decodeFlag([]byte(consul.get(key)), time.Now()); err != nil || !f.Drained || f.Who != "alice" {
					t.Errorf("Consul holds %+v, %v: it was not written back", f, err)
				}
				if r := replicas[1].Replicas(); len(r) != 2 || !r[1].Live {
					t.Errorf("they do not see each other again: %+v", r)
				}
			})
		})
	}
}

func TestGarbageInConsul(t *testing.T) {
	fleet(t, 2, func(t *testing.T, consul *fakeConsul, replicas []*replica) {
		replicas[0].order(t, Drain, "a")
		settle()
		consul.put("weir/test/drain/internet/a", "{garbage")
		consul.put("weir/test/drain/internet/a/b/c", "{}")
		consul.put("weir/test/drain/nonsense", "{}")
		consul.put("weir/test/views/liar", "not a view")
		settle()
		mustAgree(t, replicas, "a", backend.AdminDrain)
		replicas[1].mustTell(t, "flag", "weir/test/drain/internet/a is ignored")
		replicas[1].order(t, Undrain, "a")
		settle()
		mustAgree(t, replicas, "a", backend.AdminEnabled)
	})
}

// A clock that was ahead must not make an operator's word worthless: not one that is
// ahead by an hour, whose word stands until the next, nor one that is far beyond what
// clocks are, whose word is ignored.
func TestWordAfterOneFromTheFuture(t *testing.T) {
	tests := map[string]struct {
		when time.Duration
		want backend.Admin
	}{"an hour": {time.Hour, backend.AdminDrain}, "a year": {366 * 24 * time.Hour, backend.AdminEnabled}}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			fleet(t, 2, func(t *testing.T, consul *fakeConsul, replicas []*replica) {
				f := flag{Drained: true, Who: "bob", When: time.Now().Add(tc.when)}
				consul.put("weir/test/drain/internet/a", string(f.encode()))
				settle()
				mustAgree(t, replicas, "a", tc.want)
				replicas[0].order(t, Disable, "a")
				settle()
				mustAgree(t, replicas, "a", backend.AdminDisabled)
				replicas[1].order(t, Enable, "a")
				settle()
				mustAgree(t, replicas, "a", backend.AdminEnabled)
			})
		})
	}
}

// The last moment that can be written down leaves no room for a next one: it must
// neither stop the views nor the state file, nor be written back as nothing.
func TestWordFromTheEndOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		consul, dir := newFakeConsul(), t.TempDir()
		r := start(t, consul, Config{Hostname: "mx", Dir: dir}, newRegistry(t, "a", "b"))
		settle()
		key := "weir/test/drain/internet/a"
		consul.put(key, `{"drained":true,"who":"eve","when":"9999-12-31T23:59:59.999999999Z"}`)
		settle()
		r.mustTell(t, "flag", "To:ignored")
		r.order(t, Drain, "a")
		settle()
		if f, err := decodeFlag([]byte(consul.get(key)), time.Now()); err != nil || f.Who != "alice" {
			t.Errorf("Consul holds %q: %v", consul.get(key), err)
		}
		if flags, err := (stateFile{dir}).read(); err != nil || !flags[idOf("a")].Drained {
			t.Errorf("the state file holds %+v, %v", flags, err)
		}
		if got := consul.get("weir/test/views/" + r.Name()); !strings.Contains(got, `"state":"drain"`) {
			t.Errorf("the view is %s", got)
		}
		r.stop()
		consul.stop()
	})
}

// A word of the state file that no clock can have meant gives way to the next one.
func TestHeldWordFromTheFuture(t *testing.T) {
	now := time.Now()
	b := newBook(newRegistry(t, "a"), stateFile{})
	b.take(idOf("a"), flag{Drained: true, When: now.AddDate(100, 0, 0)}, false, now)
	next := Order{Verb: Undrain}.flag(b.get(idOf("a")).flag, now)
	b.take(idOf("a"), next, false, now)
	if !next.When.Equal(now) || b.get(idOf("a")).Drained {
		t.Errorf("the next word is of %s, held is %+v", next.When, b.get(idOf("a")))
	}
}

// Orders queue: while Consul is frozen only the first may wait for it.
func TestOrdersDoNotQueueForAFrozenConsul(t *testing.T) {
	fleet(t, 1, func(t *testing.T, _ *fakeConsul, replicas []*replica) {
		r := replicas[0]
		r.agent.set(false, true)
		r.mustNotShare(t, Drain, "a")
		pass(3 * time.Second)
		began := time.Now()
		for range 10 {
			r.mustNotShare(t, Drain, "a")
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("ten orders took %s", took)
		}
		r.agent.set(false, false)
		r.order(t, Undrain, "a") // asked at once, though nobody has noticed that it is back
		settle()
		if s := r.Status(); len(s.Unshared) > 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestTokenWithoutRights(t *testing.T) {
	fleet(t, 1, func(t *testing.T, _ *fakeConsul, replicas []*replica) {
		r := replicas[0]
		r.deny(true)
		pass(15 * time.Second)
		if s := r.Status(); s.Reachable || !strings.Contains(s.Error, "key_prefix") {
			t.Errorf("%+v", s)
		}
		r.mustNotShare(t, Drain, "a")
		r.deny(false)
		pass(40 * time.Second)
		if s := r.Status(); !s.Reachable || len(s.Unshared) > 0 {
			t.Errorf("when it has them: %+v", s)
		}
	})
}

// A flag of the state file that Consul knows a newer word of is replaced before
// anybody asks.
func TestStartWithAnOldStateFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		consul, dir := newFakeConsul(), t.TempDir()
		first := start(t, consul, Config{Hostname: "mx", Dir: dir}, newRegistry(t, "a", "b"))
		settle()
		first.order(t, Drain, "a")
		first.stop()
		other := start(t, consul, Config{Hostname: "other"}, newRegistry(t, "a", "b"))
		settle()
		mustAgree(t, []*replica{other}, "a", backend.AdminDrain)
		other.order(t, Undrain, "a")
		again := start(t, consul, Config{Hostname: "mx", Dir: dir}, newRegistry(t, "a", "b"))
		if again.admin("a") != backend.AdminDrain {
			t.Error("the state file's word is not in force at the start")
		}
		settle()
		mustAgree(t, []*replica{other, again}, "a", backend.AdminEnabled)
		if again.Name() != first.Name() {
			t.Errorf("%s was %s before", again.Name(), first.Name())
		}
		other.stop()
		again.stop()
		consul.stop()
	})
}

func TestStore(t *testing.T) {
	fleet(t, 2, func(t *testing.T, _ *fakeConsul, replicas []*replica) {
		a, b := replicas[0], replicas[1]
		if v, index, err := a.Load(t.Context(), "dns/example.com"); v != nil || index != 0 || err != nil {
			t.Errorf("nothing there: %q %d %v", v, index, err)
		}
		first, err1 := a.Swap(t.Context(), "dns/example.com", []byte("1"), 0)
		second, err2 := b.Swap(t.Context(), "dns/example.com", []byte("2"), 0)
		if !first || second || err1 != nil || err2 != nil {
			t.Errorf("%t %v, %t %v: the first one wins", first, err1, second, err2)
		}
		v, index, err := b.Load(t.Context(), "dns/example.com")
		if string(v) != "1" || index == 0 || err != nil {
			t.Errorf("%q %d %v", v, index, err)
		}
		if ok, err := b.Swap(t.Context(), "dns/example.com", []byte("3"), index); !ok || err != nil {
			t.Errorf("%t, %v", ok, err)
		}
		a.agent.set(true, false)
		if _, _, err := a.Load(t.Context(), "dns/example.com"); err == nil {
			t.Error("loaded while cut off")
		}
	})
	alone, err := New(Config{Cluster: "test"}, Deps{Registry: newRegistry(t, "a")})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err1 := alone.Load(t.Context(), "k")
	_, err2 := alone.Swap(t.Context(), "k", nil, 0)
	if !errors.Is(err1, ErrNoConsul) || !errors.Is(err2, ErrNoConsul) {
		t.Errorf("%v, %v", err1, err2)
	}
}
