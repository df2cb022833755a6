package backend

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func specOf(pool, name, address string) Spec {
	return Spec{Pool: pool, Name: name, Address: address, Weight: DefaultWeight}
}

func twoPools() *Registry {
	r := NewRegistry([]PoolConfig{{Name: "internet", MaxConnections: 2}, {Name: "fax"}})
	r.SetMembers("internet", []Spec{specOf("internet", "b", "192.0.2.2:25"), specOf("internet", "a", "192.0.2.1:25")})
	r.SetMembers("fax", []Spec{specOf("fax", "a", "192.0.2.3:25")})
	return r
}

func mustMember(t *testing.T, r *Registry, pool, name string) *Member {
	t.Helper()
	m := r.Snapshot().Pool(pool).Member(name)
	if m == nil {
		t.Fatalf("%s/%s is not a member", pool, name)
	}
	return m
}

func TestMembersAreOrderedAndFound(t *testing.T) {
	s := twoPools().Snapshot()
	if s.Pools[0].Name != "internet" || s.Pools[1].Name != "fax" {
		t.Error("pools are not in the order of the config")
	}
	if got := s.Pools[0].Members; got[0].Spec.Name != "a" || got[1].Spec.Name != "b" {
		t.Errorf("members are not ordered by name: %s, %s", got[0].Spec.Name, got[1].Spec.Name)
	}
	if s.Pool("nowhere") != nil || s.Pool("fax").Member("b") != nil {
		t.Error("found what is not there")
	}
	m := s.Pool("fax").Member("a")
	if m.ID() != (ID{"fax", "a"}) || m.Address() != "192.0.2.3:25" || m.State != StateStarting {
		t.Errorf("unexpected member %s at %s, %s", m.ID(), m.Address(), m.State)
	}
}

// A connector that keeps its address keeps its record; one that moves begins
// anew, but the operator's flag stays, and what ran on the old record may end.
func TestSetMembersKeepsWhatItMay(t *testing.T) {
	r := twoPools()
	a, b := mustMember(t, r, "internet", "a"), mustMember(t, r, "internet", "b")
	up := HealthFact{Health: HealthUp, Reason: "probe passed"}
	for _, m := range []*Member{a, b} {
		if edge, ok := r.SetHealth(m.Backend, up); !ok || edge != (Transition{StateStarting, StateUp}) {
			t.Fatalf("SetHealth: %v, %t", edge, ok)
		}
		if _, ok := r.SetAdmin(m.ID(), AdminFact{Admin: AdminDrain, Reason: "reboot", By: "alice"}); !ok {
			t.Fatal("SetAdmin refused a member")
		}
		m.Acquire()
	}

	heavier := specOf("internet", "a", "192.0.2.1:25")
	heavier.Weight = 200
	r.SetMembers("internet", []Spec{heavier, specOf("internet", "b", "192.0.2.99:25")})

	a2, b2 := mustMember(t, r, "internet", "a"), mustMember(t, r, "internet", "b")
	if a2.Backend != a.Backend || a2.Health != up || a2.Spec.Weight != 200 || a2.Admin.Admin != AdminDrain {
		t.Error("a kept its address but not its record, facts or flag, or did not get its new spec")
	}
	if b2.Backend == b.Backend || b2.Health != (HealthFact{}) || b2.InFlight() != 0 {
		t.Error("b moved and must begin anew")
	}
	if b2.Admin.Admin != AdminDrain || b2.State != StateDrain {
		t.Error("b moved and lost the operator's flag")
	}
	if _, ok := r.SetHealth(b.Backend, up); ok {
		t.Error("a verdict on the old record was taken for the new one")
	}
	b.Release()
	if b.InFlight() != 0 || b2.InFlight() != 0 {
		t.Error("releasing the old record touched the new one")
	}
}

func TestUnknownNamesChangeNothing(t *testing.T) {
	r := twoPools()
	before := r.Snapshot()
	gone := newBackend(ID{"internet", "c"}, "192.0.2.9:25")
	lost := newBackend(ID{"nowhere", "c"}, "192.0.2.9:25")
	r.SetMembers("nowhere", []Spec{specOf("nowhere", "a", "192.0.2.1:25")})
	_, ok1 := r.SetHealth(gone, HealthFact{})
	_, ok2 := r.SetHealth(lost, HealthFact{})
	_, ok3 := r.SetAdmin(ID{"fax", "z"}, AdminFact{})
	if ok1 || ok2 || ok3 {
		t.Error("an unknown connector was accepted")
	}
	if r.Snapshot() != before {
		t.Error("an unknown name published a new snapshot")
	}
}

func TestSnapshotsShareWhatDidNotChange(t *testing.T) {
	r := twoPools()
	before := r.Snapshot()
	r.SetAdmin(ID{"fax", "a"}, AdminFact{Admin: AdminDrain})
	after := r.Snapshot()
	if after.Version != before.Version+1 {
		t.Errorf("version %d after %d", after.Version, before.Version)
	}
	if after.Pool("internet") != before.Pool("internet") {
		t.Error("a pool that did not change is another *Pool")
	}
	if after.Pool("fax") == before.Pool("fax") || before.Pool("fax").Members[0].State != StateStarting {
		t.Error("the change reached back into an old snapshot")
	}
}

func TestStartedLetsStartingConnectorsIn(t *testing.T) {
	r := twoPools()
	if n := r.Snapshot().Pool("internet").Eligible; n != 0 {
		t.Fatalf("%d eligible during start-up", n)
	}
	r.SetStarted()
	if n := r.Snapshot().Pool("internet").Eligible; n != 2 {
		t.Fatalf("%d eligible after start-up with nothing better, want 2", n)
	}
	r.SetHealth(mustMember(t, r, "internet", "a").Backend, HealthFact{Health: HealthUp})
	p := r.Snapshot().Pool("internet")
	if p.Eligible != 1 || !p.Member("a").Eligible || p.Member("b").Eligible {
		t.Error("with one up, the one without a verdict must be out")
	}
}

func TestLimitsReachTheRecord(t *testing.T) {
	r := twoPools()
	a := mustMember(t, r, "internet", "a").Backend
	if first, second, third := a.Acquire(), a.Acquire(), a.Acquire(); !first || !second || third {
		t.Errorf("max_connections 2 is not what Acquire enforces: %t, %t, %t", first, second, third)
	}
	r.SetHealth(a, HealthFact{Health: HealthUp, Limit: 1})
	a.Release()
	if a.Acquire() {
		t.Error("the learned limit 1 is not enforced")
	}
}

// However many changes a subscriber missed, it is woken once and then sees the
// latest state; a subscriber that never reads holds nobody up.
func TestSubscribersCoalesce(t *testing.T) {
	r := twoPools()
	changed, cancel := r.Subscribe()
	for i := range 100 {
		r.SetAdmin(ID{"fax", "a"}, AdminFact{Admin: AdminDrain, Reason: fmt.Sprint(i)})
	}
	select {
	case <-changed:
	default:
		t.Fatal("not woken")
	}
	if got := mustMember(t, r, "fax", "a").Admin.Reason; got != "99" {
		t.Errorf("woken to see %q, want the latest", got)
	}
	select {
	case <-changed:
		t.Error("woken twice for changes that were already there")
	default:
	}
	cancel()
	cancel() // as often as one likes
	r.SetStarted()
	select {
	case <-changed:
		t.Error("woken after cancel")
	default:
	}
}

func TestSinceUsesTheRegistrysClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := twoPools()
		time.Sleep(time.Hour) // virtual: synctest
		r.SetHealth(mustMember(t, r, "fax", "a").Backend, HealthFact{Health: HealthUp})
		if got := mustMember(t, r, "fax", "a").Since; !got.Equal(time.Now()) {
			t.Errorf("since %v, want now", got)
		}
		if got := mustMember(t, r, "internet", "a").Since; !got.Equal(time.Now().Add(-time.Hour)) {
			t.Errorf("since %v of an untouched connector, want an hour ago", got)
		}
	})
}

// Writers of all facts beside readers: run with -race. Each reader sees versions
// that only rise and pools that are whole.
func TestConcurrentWritersAndReaders(t *testing.T) {
	r := twoPools()
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for i := range 4 {
		writers.Go(func() {
			for n := range 200 {
				switch i {
				case 0:
					r.SetMembers("fax", []Spec{specOf("fax", "a", fmt.Sprintf("192.0.2.%d:25", n%3+1))})
				case 1:
					r.SetAdmin(ID{"internet", "b"}, AdminFact{Admin: Admin(n % 3)})
				case 2:
					r.SetHealth(r.Snapshot().Pool("internet").Member("a").Backend, HealthFact{Health: Health(n % 3), Limit: n % 4})
				case 3:
					_, cancel := r.Subscribe()
					cancel()
				}
			}
		})
	}
	for range 2 {
		readers.Go(func() {
			var last uint64
			for {
				s := r.Snapshot()
				if s.Version < last {
					t.Errorf("version went back from %d to %d", last, s.Version)
				}
				last = s.Version
				checkWhole(t, s)
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
}

func checkWhole(t testing.TB, s *Snapshot) {
	for _, p := range s.Pools {
		eligible := 0
		for _, m := range p.Members {
			if m.Eligible {
				eligible++
			}
		}
		sorted := slices.IsSortedFunc(p.Members, func(a, b *Member) int {
			if a.Spec.Name < b.Spec.Name {
				return -1
			}
			return 1
		})
		if eligible != p.Eligible || len(p.Members) > 1 && !sorted {
			t.Errorf("pool %s: %d eligible counted as %d, sorted %t", p.Name, eligible, p.Eligible, sorted)
		}
	}
}

// The flag is known by the connector's name: churn in discovery does not end a drain.
func TestFlagOutlivesMembership(t *testing.T) {
	r := twoPools()
	id := ID{"fax", "a"}
	r.SetAdmin(id, AdminFact{Admin: AdminDrain, Reason: "reboot", By: "alice"})
	r.SetMembers("fax", nil)
	r.SetMembers("fax", []Spec{specOf("fax", "a", "192.0.2.3:25")})
	if m := mustMember(t, r, "fax", "a"); m.State != StateDrain || m.Reason != "reboot, by alice" {
		t.Errorf("%s (%s) after it has come back, want drain", m.State, m.Reason)
	}
	later := ID{"fax", "z"}
	if _, member := r.SetAdmin(later, AdminFact{Admin: AdminDisabled}); member {
		t.Error("one that nobody knows is called a member")
	}
	r.SetMembers("fax", []Spec{specOf("fax", "z", "192.0.2.4:25")})
	if m := mustMember(t, r, "fax", "z"); m.State != StateDisabled {
		t.Errorf("%s, though it was disabled before it came", m.State)
	}
	r.SetAdmin(later, AdminFact{})
	r.SetMembers("fax", nil)
	r.SetMembers("fax", []Spec{specOf("fax", "z", "192.0.2.4:25")})
	if m := mustMember(t, r, "fax", "z"); m.State != StateStarting {
		t.Errorf("%s after the flag was taken away", m.State)
	}
}

// One that leaves discovery in the middle of a message is drained first and
// forgotten when nothing runs there; coming back in time, it is the same record.
// One that moves while something runs is seen at both addresses until that ends.
func TestMovedIsSeenUntilItsEnd(t *testing.T) {
	r := twoPools()
	move := func(address string) {
		r.SetMembers("internet", []Spec{specOf("internet", "a", address), specOf("internet", "b", "192.0.2.2:25")})
	}
	old := mustMember(t, r, "internet", "a").Backend
	old.Acquire()
	move("[2001:db8::9]:25")
	if b := mustMember(t, r, "internet", "a"); b.Backend == old || b.Gone || b.Was != "" || b.InFlight() != 0 {
		t.Errorf("at the new address %+v", b)
	}
	m := mustMember(t, r, "internet", "a-192.0.2.1:25")
	if m.Backend != old || !m.Gone || m.Was != "a" || m.State != StateDrain || m.ID() != (ID{"internet", "a-192.0.2.1:25"}) {
		t.Errorf("at the old address %+v", m)
	}
	if n := r.Snapshot().Pool("internet").Left("a"); n != 1 {
		t.Errorf("%d run where a was", n)
	}
	if _, ok := r.SetHealth(old, HealthFact{Health: HealthUp}); ok {
		t.Error("a verdict on the old record was taken for the new one")
	}
	r.SetAdmin(ID{"internet", "a"}, AdminFact{Admin: AdminDisabled})
	if got := mustMember(t, r, "internet", "a-192.0.2.1:25").State; got != StateDisabled {
		t.Errorf("disabled, and where it was is %s", got)
	}
	r.SetAdmin(ID{"internet", "a"}, AdminFact{})
	second := mustMember(t, r, "internet", "a").Backend
	second.Acquire()
	move("192.0.2.7:25")
	if n := r.Snapshot().Pool("internet").Left("a"); n != 2 || len(r.Snapshot().Pool("internet").Members) != 4 {
		t.Errorf("%d run where a was", n)
	}
	move("192.0.2.1:25") // back
	if m := mustMember(t, r, "internet", "a"); m.Backend != old || m.Gone || m.Was != "" {
		t.Errorf("back: %+v", m)
	}
	second.Release()
	if r.Forget() || len(r.Snapshot().Pool("internet").Members) != 2 {
		t.Error("not forgotten when nothing runs there any more")
	}
}

func TestGoneIsDrainedThenForgotten(t *testing.T) {
	r := twoPools()
	a := mustMember(t, r, "internet", "a").Backend
	r.SetHealth(a, HealthFact{Health: HealthUp})
	a.Acquire()
	both := []Spec{specOf("internet", "a", "192.0.2.1:25"), specOf("internet", "b", "192.0.2.2:25")}
	r.SetMembers("internet", both[1:])
	if m := mustMember(t, r, "internet", "a"); m.State != StateDrain || m.Eligible || !m.Gone {
		t.Errorf("%s, gone %t, eligible %t", m.State, m.Gone, m.Eligible)
	}
	if !r.Forget() || r.Snapshot().Pool("internet").Member("a") == nil {
		t.Error("forgotten while something runs there")
	}
	r.SetMembers("internet", both)
	if m := mustMember(t, r, "internet", "a"); m.Backend != a || m.State != StateUp || m.Gone {
		t.Errorf("came back as %s, gone %t, same record %t", m.State, m.Gone, m.Backend == a)
	}
	r.SetMembers("internet", both[1:])
	a.Release()
	if r.Forget() || r.Snapshot().Pool("internet").Member("a") != nil {
		t.Error("not forgotten when nothing runs there any more")
	}
}

func TestSetPoolsKeepsWhatStays(t *testing.T) {
	r := twoPools()
	a := mustMember(t, r, "internet", "a").Backend
	r.SetHealth(a, HealthFact{Health: HealthUp})
	before := r.Snapshot().Pool("internet")
	r.SetPools([]PoolConfig{{Name: "new"}, {Name: "internet", MaxConnections: 1}})
	s := r.Snapshot()
	if s.Pool("fax") != nil || len(s.Pools) != 2 || s.Pools[0].Name != "new" || len(s.Pools[0].Members) != 0 {
		t.Errorf("pools %+v", s.Pools)
	}
	now := s.Pool("internet")
	if now.Member("a").Backend != a || now.Member("a").State != StateUp || now.Membership != before.Membership {
		t.Error("a pool that stays lost something")
	}
	if !a.Acquire() || a.Acquire() {
		t.Error("the new max_connections is not enforced")
	}
	r.SetPools([]PoolConfig{{Name: "internet", MaxConnections: 1}})
	if r.Snapshot().Pool("internet") != now {
		t.Error("a pool of which nothing changed is another *Pool")
	}
}
