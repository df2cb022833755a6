package cluster

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// leaders returns those that think they lead.
func leaders(replicas []*replica) (list []*replica) {
	for _, r := range replicas {
		if _, ok := r.Leading(); ok {
			list = append(list, r)
		}
	}
	return list
}

func without(replicas []*replica, r *replica) (rest []*replica) {
	for _, s := range replicas {
		if s != r {
			rest = append(rest, s)
		}
	}
	return rest
}

func mustLead(t *testing.T, replicas []*replica) *replica {
	t.Helper()
	list := leaders(replicas)
	if len(list) != 1 {
		t.Fatalf("%d replicas lead", len(list))
	}
	return list[0]
}

func TestOneLeads(t *testing.T) {
	fleet(t, 3, func(t *testing.T, _ *fakeConsul, replicas []*replica) {
		leader := mustLead(t, replicas)
		leader.mustTell(t, "leader", "To:leading")
		term, _ := leader.Leading()
		pass(time.Minute)
		if same, ok := leader.Leading(); !ok || same != term || !term.Valid() {
			t.Error("another term, though nothing happened")
		}
		for _, r := range replicas {
			seen := 0
			for _, s := range r.Replicas() {
				if s.Leader {
					seen++
					if s.Name != leader.Name() {
						t.Errorf("%s thinks that %s leads", r.Name(), s.Name)
					}
				}
			}
			if seen != 1 {
				t.Errorf("%s sees %d leaders", r.Name(), seen)
			}
		}
	})
}

// However the leader is lost, there is never a moment with two valid terms, and
// soon there is another one.
func TestLeaderIsLost(t *testing.T) {
	tests := map[string]struct {
		lose   func(*fakeConsul, *replica)
		within time.Duration
	}{
		"killed":          {func(_ *fakeConsul, r *replica) { r.kill() }, 15 * time.Second},
		"frozen agent":    {func(_ *fakeConsul, r *replica) { r.agent.set(false, true) }, 20 * time.Second},
		"cut off":         {func(_ *fakeConsul, r *replica) { r.agent.set(true, false) }, 20 * time.Second},
		"stopped":         {func(_ *fakeConsul, r *replica) { r.stop() }, 2 * time.Second},
		"standing by":     {func(_ *fakeConsul, r *replica) { r.Standby(true) }, 4 * time.Second},
		"session deleted": {func(f *fakeConsul, r *replica) { f.end(r.sessionID()) }, 10 * time.Second},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			fleet(t, 3, func(t *testing.T, consul *fakeConsul, replicas []*replica) {
				old := mustLead(t, replicas)
				term, _ := old.Leading()
				tc.lose(consul, old)
				for range tc.within / (50 * time.Millisecond) {
					pass(50 * time.Millisecond)
					if n := len(leaders(replicas)); n > 1 {
						t.Fatalf("%d valid terms at once", n)
					}
				}
				if name != "session deleted" { // then the same one may win again
					mustLead(t, without(replicas, old))
				}
				mustLead(t, replicas)
				if term.Valid() {
					t.Error("the old term is still valid")
				}
				old.agent.set(false, false)
				pass(20 * time.Second)
				mustLead(t, replicas)
				if term.Valid() {
					t.Error("the old term is valid again")
				}
			})
		})
	}
}

// The agent is silent for 8 s: too short for Consul to end the session, too long
// for the term.
func TestTermEndsBeforeTheSession(t *testing.T) {
	fleet(t, 1, func(t *testing.T, _ *fakeConsul, replicas []*replica) {
		r := replicas[0]
		term, ok := r.Leading()
		if !ok {
			t.Fatal("not leading")
		}
		r.agent.set(false, true)
		pass(leaseAge + 10*time.Millisecond)
		if term.Valid() {
			t.Error("valid over 7 s after its last renewal")
		}
		r.agent.set(false, false)
		pass(5 * time.Second)
		if fresh, ok := r.Leading(); !ok || fresh == term || term.Valid() {
			t.Errorf("leading %t, the same term %t, the old one valid %t", ok, fresh == term, term.Valid())
		}
	})
}

func TestStandby(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		consul := newFakeConsul()
		r := start(t, consul, Config{Hostname: "mx", Register: true}, newRegistry(t, "a"))
		settle()
		if s := r.Status(); !s.Registered || !s.Leader || consul.registered() != 1 {
			t.Errorf("%+v", s)
		}
		r.Standby(true)
		settle()
		if s := r.Status(); s.Registered || s.Leader || !s.Standby || consul.registered() != 0 {
			t.Errorf("standing by: %+v", s)
		}
		if consul.get("weir/test/leader") != "" {
			t.Error("the leader's key was not released")
		}
		r.Standby(false)
		pass(5 * time.Second)
		if s := r.Status(); !s.Registered || !s.Leader || s.Standby {
			t.Errorf("back: %+v", s)
		}
		r.stop()
		if consul.registered() != 0 {
			t.Error("still registered after the stop")
		}
		consul.stop()
	})
}

func TestRegisteredAgainAfterTheAgentForgot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		consul := newFakeConsul()
		r := start(t, consul, Config{Hostname: "mx", Register: true}, newRegistry(t, "a"))
		settle()
		consul.restartEmpty()
		pass(serviceBeat + time.Second)
		if consul.registered() != 1 {
			t.Error("not registered again")
		}
		r.stop()
		consul.stop()
	})
}

// A reload changes the addresses and the port that the others are told.
func TestReloadIsToldTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		consul := newFakeConsul()
		r := start(t, consul, Config{Hostname: "mx", Register: true, Port: 25}, newRegistry(t, "a"))
		settle()
		address := netip.MustParseAddr("198.51.100.9")
		r.Reload([]netip.Addr{address}, 2525)
		settle()
		if got := consul.service0(t); got.Port != 2525 || got.Address != address.String() || got.ID != r.Name() {
			t.Errorf("registered as %+v", got)
		}
		if got := advertised(r); !slices.Equal(got, []netip.Addr{address}) {
			t.Errorf("advertised %v", got)
		}
		if got := consul.get("weir/test/views/" + r.Name()); !strings.Contains(got, address.String()) {
			t.Errorf("the view is %s", got)
		}
		r.Standby(true)
		settle()
		r.Reload(nil, 25)
		settle()
		if consul.registered() != 0 {
			t.Error("registered by a reload while standing by")
		}
		r.stop()
		consul.stop()
	})
}
