package cluster

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
)

func (r *replica) backendOf(name string) *backend.Backend {
	return r.registry.Snapshot().Pool(poolName).Member(name).Backend
}

func shareOf(s Standing, name string) Share {
	for _, share := range s.Replicas {
		if share.Name == name {
			return share
		}
	}
	return Share{}
}

func TestSafeWhenNothingRunsAnywhere(t *testing.T) {
	fleet(t, 3, func(t *testing.T, _ *fakeConsul, replicas []*replica) {
		first, other := replicas[0], replicas[1]
		other.backendOf("a").Acquire()
		s := first.order(t, Drain, "a")
		if s.Safe {
			t.Error("safe before the others can have seen it")
		}
		settle()
		s = first.Look(idOf("a"))
		if got := shareOf(s, other.Name()); s.Safe || s.InFlight != 1 || !got.Seen || got.InFlight != 1 || got.State != "drain" {
			t.Errorf("something runs there: %+v", s)
		}
		other.backendOf("a").Release()
		settle()
		if s = first.Look(idOf("a")); !s.Safe || s.InFlight != 0 || len(s.Replicas) != 3 {
			t.Errorf("nothing runs there: %+v", s)
		}
		first.backendOf("a").Acquire()
		if s = first.Look(idOf("a")); s.Safe {
			t.Errorf("something runs here: %+v", s)
		}
		first.backendOf("a").Release()
		first.order(t, Undrain, "a")
		settle()
		if s = first.Look(idOf("a")); s.Safe || s.State != "up" {
			t.Errorf("undrained: %+v", s)
		}
	})
}

// What runs where a connector was before it moved counts by its name, here and
// in others.
func TestMovedConnectorIsNotSafe(t *testing.T) {
	fleet(t, 2, func(t *testing.T, _ *fakeConsul, replicas []*replica) {
		first := replicas[0]
		var old []*backend.Backend
		for _, r := range replicas {
			b := r.backendOf("a")
			b.Acquire()
			old = append(old, b)
			var specs []backend.Spec
			for _, m := range r.registry.Snapshot().Pool(poolName).Members {
				specs = append(specs, m.Spec)
			}
			specs[0].Address = "192.0.2.99:25"
			r.registry.SetMembers(poolName, specs)
		}
		first.order(t, Drain, "a")
		settle()
		for i, b := range old {
			s := first.Look(idOf("a"))
			if got := shareOf(s, replicas[i].Name()); s.Safe || s.InFlight != int64(2-i) || got.InFlight != 1 {
				t.Errorf("something runs in %s where it was: %+v", replicas[i].Name(), s)
			}
			b.Release()
			settle()
		}
		if s := first.Look(idOf("a")); !s.Safe || s.InFlight != 0 {
			t.Errorf("nothing runs there: %+v", s)
		}
	})
}

// The second drain of a connector must not be called safe by what the others showed
// of the first.
func TestSafeNeedsAViewOfThisDrain(t *testing.T) {
	fleet(t, 2, func(t *testing.T, _ *fakeConsul, replicas []*replica) {
		first, other := replicas[0], replicas[1]
		first.order(t, Drain, "a")
		settle()
		other.agent.set(false, true) // it sees and shows nothing from now on
		first.order(t, Undrain, "a")
		first.order(t, Drain, "a")
		pass(2 * time.Second)
		if s := first.Look(idOf("a")); s.Safe || shareOf(s, other.Name()).Seen {
			t.Errorf("by a view of the first drain: %+v", s)
		}
		other.agent.set(false, false)
		pass(5 * time.Second)
		if s := first.Look(idOf("a")); !s.Safe {
			t.Errorf("by one of this drain: %+v", s)
		}
	})
}

func TestSilentReplicaIsNotSafe(t *testing.T) {
	fleet(t, 2, func(t *testing.T, _ *fakeConsul, replicas []*replica) {
		first, other := replicas[0], replicas[1]
		other.kill()
		pass(20 * time.Second)
		first.mustTell(t, "replica", "nothing was heard of "+other.Name())
		first.order(t, Drain, "a")
		settle()
		if s := first.Look(idOf("a")); s.Safe || shareOf(s, other.Name()).Name == "" {
			t.Errorf("a replica is silent: %+v", s)
		}
		if list := first.Replicas(); len(list) != 2 || list[1].Live {
			t.Errorf("%+v", list)
		}
		pass(peerRemembered)
		if s := first.Look(idOf("a")); !s.Safe || len(s.Replicas) != 1 {
			t.Errorf("ten minutes later: %+v", s)
		}
	})
}

func TestStoppedReplicaIsNotMissed(t *testing.T) {
	fleet(t, 2, func(t *testing.T, consul *fakeConsul, replicas []*replica) {
		first, other := replicas[0], replicas[1]
		first.order(t, Drain, "a")
		other.stop()
		settle()
		first.mustTell(t, "replica", "To:left")
		if s := first.Look(idOf("a")); !s.Safe || len(s.Replicas) != 1 {
			t.Errorf("%+v", s)
		}
		if len(advertised(first)) != 1 {
			t.Errorf("advertised %v", advertised(first))
		}
		if left := first.Departed(); len(left) != 1 || left[0].Name != other.Name() || !left[0].Standby || len(left[0].Advertise) != 1 {
			t.Errorf("departed %+v", left)
		}
		pass(2 * time.Minute)
		if left := first.Departed(); len(left) != 0 {
			t.Errorf("two minutes later: departed %+v", left)
		}
		if got := consul.get("weir/test/views/" + other.Name()); got != "" {
			t.Errorf("its last view was left behind: %s", got)
		}
	})
}

func TestConsulAwayIsNotSafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		consul := newFakeConsul()
		r := start(t, consul, Config{Hostname: "mx"}, newRegistry(t, "a", "b"))
		r.agent.set(true, false)
		pass(time.Minute)
		s, err := r.Order(t.Context(), idOf("a"), Order{Verb: Drain})
		if err == nil || s.Safe || !strings.Contains(r.Look(idOf("a")).Warning, "cannot be read") {
			t.Errorf("%+v, %v", s, err)
		}
		r.stop()
		consul.stop()
	})
}

// A token without rights is shown an empty list: that is no proof that this replica
// is alone.
func TestFilteredViewsAreNotSafe(t *testing.T) {
	fleet(t, 2, func(t *testing.T, _ *fakeConsul, replicas []*replica) {
		first := replicas[0]
		first.order(t, Drain, "a")
		settle()
		first.deny(true)
		pass(peerRemembered + time.Minute)
		if s := first.Look(idOf("a")); s.Safe || s.Warning == "" {
			t.Errorf("%+v", s)
		}
	})
}

func TestVotes(t *testing.T) {
	fleet(t, 3, func(t *testing.T, _ *fakeConsul, replicas []*replica) {
		first := replicas[0]
		vote := func(name string, wantOut, wantLive int) {
			t.Helper()
			if out, live := first.Votes(idOf(name)); out != wantOut || live != wantLive {
				t.Errorf("%s: %d of %d, want %d of %d", name, out, live, wantOut, wantLive)
			}
		}
		vote("a", 0, 3)
		replicas[0].registry.SetHealth(replicas[0].backendOf("a"), backend.HealthFact{Health: backend.HealthDown})
		replicas[2].registry.SetHealth(replicas[2].backendOf("a"), backend.HealthFact{Health: backend.HealthUp, Breaker: backend.BreakerOpen})
		settle()
		vote("a", 2, 3)
		if list := first.Replicas(); !list[0].Agrees || list[1].Agrees || !list[2].Agrees {
			t.Errorf("who agrees: %+v", list)
		}
		first.order(t, Drain, "b")
		settle()
		vote("b", 0, 3) // an operator's word is no verdict
		replicas[2].kill()
		pass(20 * time.Second)
		vote("a", 1, 2)
	})
}

func TestAdvertised(t *testing.T) {
	fleet(t, 3, func(t *testing.T, _ *fakeConsul, replicas []*replica) {
		want := []netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2"), netip.MustParseAddr("198.51.100.3")}
		for _, r := range replicas {
			if got := advertised(r); !slices.Equal(got, want) {
				t.Errorf("%v", got)
			}
		}
		replicas[1].Standby(true)
		settle()
		for _, r := range replicas {
			if got := advertised(r); !slices.Equal(got, []netip.Addr{want[0], want[2]}) {
				t.Errorf("with one standing by: %v", got)
			}
		}
	})
}

// One of which a replica knows only the flag is no reason to wait.
func TestAbsentConnectorIsSafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		consul := newFakeConsul()
		has := start(t, consul, Config{Hostname: "has"}, newRegistry(t, "a", "b"))
		lacks := start(t, consul, Config{Hostname: "lacks"}, newRegistry(t, "b"))
		settle()
		has.order(t, Drain, "a")
		settle()
		if s := has.Look(idOf("a")); !s.Safe || shareOf(s, lacks.Name()).State != stateAbsent {
			t.Errorf("%+v", s)
		}
		if s := lacks.Look(idOf("a")); !s.Safe || s.State != stateAbsent {
			t.Errorf("%+v", s)
		}
		has.stop()
		lacks.stop()
		consul.stop()
	})
}

// A second replica under the same name takes another one, whether the state
// directory was copied or is used twice. Until then what runs there is not known, and
// after that both see each other.
func TestTwoReplicasOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		consul, dir, copied := newFakeConsul(), t.TempDir(), t.TempDir()
		one := start(t, consul, Config{Hostname: "mx", Dir: dir, Register: true}, newRegistry(t, "a", "b", "c"))
		name := one.Name()
		settle()
		if err := keepSuffix(copied, name[len(name)-4:]); err != nil {
			t.Fatal(err)
		}
		two := start(t, consul, Config{Hostname: "mx", Dir: copied, Register: true}, newRegistry(t, "a", "b", "c"))
		if two.Name() != name {
			t.Fatalf("%s, want a twin of %s", two.Name(), name)
		}
		one.backendOf("a").Acquire()
		settle()
		if s, _ := two.Order(t.Context(), idOf("a"), Order{Verb: Drain}); s.Safe || s.Warning == "" {
			t.Errorf("of a twin: %+v", s)
		}
		for range 20 {
			pass(500 * time.Millisecond)
			if s := two.Look(idOf("a")); s.Safe {
				t.Fatalf("safe as %s while one runs in %s: %+v", two.Name(), name, s)
			}
		}
		if two.Name() == name {
			t.Fatal("still the same name after 10 s")
		}
		two.mustTell(t, "state", "is its state_dir a copy?")
		pass(serviceBeat)
		for _, r := range []*replica{one, two} {
			if s := r.Look(idOf("a")); s.Safe || s.InFlight != 1 || len(s.Replicas) != 2 || !r.Status().Reachable {
				t.Errorf("%s: %+v, %+v", r.Name(), s, r.Status())
			}
		}
		if consul.registered() != 2 {
			t.Errorf("%d are registered", consul.registered())
		}
		one.backendOf("a").Release()
		settle()
		if s := two.Look(idOf("a")); !s.Safe {
			t.Errorf("at the end: %+v", s)
		}
		two.stop()
		again := start(t, consul, Config{Hostname: "mx", Dir: copied}, newRegistry(t, "a"))
		if again.Name() != two.Name() {
			t.Errorf("%s at the next start, want %s", again.Name(), two.Name())
		}
		again.stop()
		one.stop()
		consul.stop()
	})
}

// One that was killed has its name back when its earlier life's session is over.
func TestNameOfAnEarlierLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		consul, dir := newFakeConsul(), t.TempDir()
		first := start(t, consul, Config{Hostname: "mx", Dir: dir}, newRegistry(t, "a"))
		other := start(t, consul, Config{Hostname: "other"}, newRegistry(t, "a")) // whose views have all views read again
		settle()
		first.kill()
		again := start(t, consul, Config{Hostname: "mx", Dir: dir}, newRegistry(t, "a"))
		pass(20 * time.Second)
		if again.Name() != first.Name() || !again.Complete() {
			t.Errorf("%s after %s, its view was shown: %t", again.Name(), first.Name(), again.Complete())
		}
		again.stop()
		other.stop()
		consul.stop()
	})
}

// What a key below views/ holds is a replica only if it says so itself.
func TestWhatIsNoView(t *testing.T) {
	fleet(t, 1, func(t *testing.T, consul *fakeConsul, replicas []*replica) {
		for name, text := range map[string]string{"empty": "{}", "other": `{"name":"another"}`, "list": "[]"} {
			consul.put("weir/test/views/"+name, text)
		}
		settle()
		if list := replicas[0].Replicas(); len(list) != 1 {
			t.Errorf("%+v", list)
		}
	})
}

// A connector that only one of them has makes them differ, though no view names it.
func TestReplicasOfDifferentConnectorsDisagree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		consul := newFakeConsul()
		more := start(t, consul, Config{Hostname: "more"}, newRegistry(t, "a", "b"))
		less := start(t, consul, Config{Hostname: "less"}, newRegistry(t, "a"))
		settle()
		for _, r := range []*replica{more, less} {
			if list := r.Replicas(); len(list) != 2 || list[1].Agrees {
				t.Errorf("%s: %+v", r.Name(), list)
			}
		}
		more.stop()
		less.stop()
		consul.stop()
	})
}

// Connectors that came and went must not make the view ever longer; those whose flag
// is in force stay in it, and are listed.
func TestFlagsOfAbsentConnectors(t *testing.T) {
	fleet(t, 2, func(t *testing.T, _ *fakeConsul, replicas []*replica) {
		r := replicas[0]
		r.registry.SetMembers(poolName, nil)
		now := time.Now()
		for i := range 2000 {
			id := idOf(fmt.Sprintf("connector-%d", i))
			r.book.take(id, flag{Drained: i == 7, Who: "alice", Why: "reboot", When: now}, false, now)
		}
		v := r.look(now)
		if text, err := v.text(); err != nil || len(text) > 1000 || v.of(idOf("connector-7")).State != stateAbsent {
			t.Errorf("%d bytes, %v", len(text), err)
		}
		list := r.Absent()
		if len(list) != 1 || list[0].ID != idOf("connector-7") || list[0].Fact.Admin != backend.AdminDrain || list[0].Fact.By != "alice" {
			t.Errorf("%+v", list)
		}
	})
}

func TestViewThatIsTooLong(t *testing.T) {
	v := view{Connectors: map[string]sight{}}
	for i := range 10_000 {
		v.Connectors[fmt.Sprintf("internet/connector-%d", i)] = sight{State: "down"}
	}
	if _, err := v.text(); err == nil || !strings.Contains(err.Error(), "too long for Consul") {
		t.Errorf("%v", err)
	}
}

func TestViewsAreShownSparingly(t *testing.T) {
	fleet(t, 1, func(t *testing.T, consul *fakeConsul, replicas []*replica) {
		at := func() uint64 {
			consul.mu.Lock()
			defer consul.mu.Unlock()
			return consul.index
		}
		before := at()
		pass(time.Minute)
		if n := at() - before; n < 11 || n > 14 {
			t.Errorf("%d writes in a quiet minute, want about one every 5 s", n)
		}
		before = at()
		down := false
		for range 200 { // 10 s of a connector that flaps 20 times a second
			down = !down
			health := backend.HealthUp
			if down {
				health = backend.HealthDown
			}
			replicas[0].registry.SetHealth(replicas[0].backendOf("a"), backend.HealthFact{Health: health})
			pass(50 * time.Millisecond)
		}
		if n := at() - before; n > 52 {
			t.Errorf("%d writes in 10 s of flapping", n)
		}
	})
}

// advertised is what DNS makes of the replicas: the addresses of those that are
// live and do not stand by, in order.
func advertised(c interface{ Replicas() []Replica }) []netip.Addr {
	var addresses []netip.Addr
	for _, r := range c.Replicas() {
		if r.Live && !r.Standby {
			addresses = append(addresses, r.Advertise...)
		}
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return slices.Compact(addresses)
}
