package dns

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"weir/internal/backend"
)

const all4 = "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4"

// four is a world of four connectors that are all published.
func four(t *testing.T, cfg Config) *world {
	t.Helper()
	w := newWorld(cfg, "internet")
	w.pool("internet", 4)
	w.look()
	if got := w.shows(); got != all4 {
		t.Fatalf("the first write made it %q", got)
	}
	w.pass(2 * time.Minute)
	return w
}

func (w *world) expect(t *testing.T, want string) {
	t.Helper()
	if got := w.shows(); got != want {
		t.Errorf("at %s: published %q, want %q", w.now.Format("15:04:05"), got, want)
	}
}

func TestHoldDown(t *testing.T) {
	w := four(t, testConfig())
	w.down(id("b"))
	w.pass(15 * time.Second)
	w.expect(t, all4)
	if why := w.held("192.0.2.2"); !strings.Contains(why, "3 probes in a row failed") {
		t.Errorf("held because %q", why)
	}
	w.pass(time.Second)
	w.expect(t, "192.0.2.1 192.0.2.3 192.0.2.4")
	w.up(id("b"))
	w.pass(60 * time.Second)
	w.expect(t, "192.0.2.1 192.0.2.3 192.0.2.4")
	w.pass(time.Second)
	w.expect(t, all4)
}

func TestAShortOutageChangesNothing(t *testing.T) {
	w := four(t, testConfig())
	for range 20 {
		w.down(id("b"))
		w.pass(14 * time.Second)
		w.up(id("b"))
		w.pass(14 * time.Second)
	}
	if w.expect(t, all4); w.zone.count() != 1 {
		t.Errorf("%d writes", w.zone.count())
	}
}

func TestDrainGoesAtOnceAndComesBackAtOnce(t *testing.T) {
	w := four(t, testConfig())
	w.drain(id("c"))
	w.look()
	w.expect(t, "192.0.2.1 192.0.2.2 192.0.2.4")
	w.pass(10 * time.Minute)
	w.expect(t, "192.0.2.1 192.0.2.2 192.0.2.4")
	w.enable(id("c"))
	w.look()
	w.expect(t, all4) // it was well all the time
}

func TestAConnectorThatWasRebootedHasToProveItself(t *testing.T) {
	w := four(t, testConfig())
	w.drain(id("c"))
	w.pass(time.Minute)
	w.down(id("c"))
	w.pass(time.Minute)
	w.up(id("c"))
	w.enable(id("c"))
	w.pass(59 * time.Second)
	w.expect(t, "192.0.2.1 192.0.2.2 192.0.2.4")
	w.pass(3 * time.Second)
	w.expect(t, all4)
}

func TestMaintenanceIsADrain(t *testing.T) {
	w := four(t, testConfig())
	specs := connectorsOf("internet", 4)
	specs[0].Maintenance = "kernel"
	w.SetMembers("internet", specs)
	w.look()
	w.expect(t, "192.0.2.2 192.0.2.3 192.0.2.4")
}

func TestDrainsSkipTheRemovalGapButNotTheInterval(t *testing.T) {
	w := four(t, testConfig(Record{Name: poolName, Type: mdns.TypeA, Pool: "internet"}))
	w.drain(id("a"))
	w.look()
	w.drain(id("b"))
	w.pass(9 * time.Second)
	w.expect(t, "192.0.2.2 192.0.2.3 192.0.2.4")
	w.pass(time.Second)
	w.expect(t, "192.0.2.3 192.0.2.4")
}

func TestOneRemovalAtATime(t *testing.T) {
	cfg := testConfig()
	w := newWorld(cfg, "internet")
	w.pool("internet", 8)
	w.look()
	w.pass(2 * time.Minute)
	for _, name := range []string{"a", "b", "c"} {
		w.down(id(name))
	}
	w.pass(16 * time.Second)
	for i, want := range []int{7, 7, 6, 6, 5, 5} {
		if got := len(strings.Fields(w.shows())); got != want {
			t.Errorf("after %d times 15 s: %d records, want %d", i, got, want)
		}
		w.pass(15 * time.Second)
	}
}

func TestFloor(t *testing.T) {
	tests := []struct {
		name       string
		connectors int
		minRecords int
		down       string
		want       string
	}{
		{"half of four", 4, 1, "abcd", "192.0.2.3 192.0.2.4"},
		{"more than half of five", 5, 1, "abcde", "192.0.2.3 192.0.2.4 192.0.2.5"},
		{"min_records", 4, 3, "abcd", "192.0.2.2 192.0.2.3 192.0.2.4"},
		{"more than there are", 2, 9, "ab", "192.0.2.1 192.0.2.2"},
		{"the only one", 1, 1, "a", "192.0.2.1"},
		{"min_records 0 still leaves one", 1, 0, "a", "192.0.2.1"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			cfg := testConfig()
			cfg.MinRecords = tc.minRecords
			w := newWorld(cfg, "internet")
			w.pool("internet", tc.connectors)
			w.look()
			w.pass(2 * time.Minute)
			for _, name := range strings.Split(tc.down, "") {
				w.down(id(name))
				w.pass(time.Second) // the first to go is the first to leave
			}
			w.pass(10 * time.Minute)
			w.expect(t, tc.want)
			if why := w.held("192.0.2." + tc.want[len(tc.want)-1:]); !strings.Contains(why, "the floor is") {
				t.Errorf("held because %q", why)
			}
		})
	}
}

func TestTheFloorHoldsForDrainsToo(t *testing.T) {
	w := four(t, testConfig())
	for _, name := range []string{"a", "b", "c", "d"} {
		w.drain(id(name))
		w.pass(20 * time.Second)
	}
	w.expect(t, "192.0.2.3 192.0.2.4")
}

// With the floor reached by dead ones, the living come in without waiting.
func TestBelowTheFloorNobodyWaits(t *testing.T) {
	w := newWorld(testConfig(), "internet")
	w.zone.holds(testOwner, poolName, mdns.TypeA, "192.0.2.1")
	w.pool("internet", 4)
	w.down(id("a"))
	w.look()
	w.expect(t, all4)
	w.pass(30 * time.Second)
	w.expect(t, "192.0.2.2 192.0.2.3 192.0.2.4")
}

func TestStandingStill(t *testing.T) {
	tests := map[string]func(w *world){
		"discovery is empty": func(w *world) { w.SetMembers("internet", nil) },
		"the pool is gone":   func(w *world) { w.SetPools(nil) },
		"the votes are not known": func(w *world) {
			w.cluster.votes = func(backend.ID) (int, int) { return 0, 0 }
			w.down(id("a"))
		},
		"one of three replicas sees it so": func(w *world) {
			w.cluster.votes = func(backend.ID) (int, int) { return 1, 3 }
			w.down(id("a"))
		},
		"half of the replicas see it so": func(w *world) {
			w.cluster.votes = func(backend.ID) (int, int) { return 1, 2 }
			w.down(id("a"))
		},
		"no verdict after a restart": func(w *world) {
			for _, name := range []string{"a", "b", "c", "d"} {
				w.health(id(name), backend.HealthFact{})
			}
		},
		"the ejected are used all the same": func(w *world) {
			w.SetPools([]backend.PoolConfig{{Name: "internet", PanicPercent: 90}})
			for _, name := range []string{"a", "b"} {
				w.health(id(name), backend.HealthFact{Health: backend.HealthUp, Breaker: backend.BreakerOpen})
			}
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			w := four(t, testConfig())
			change(w)
			w.pass(10 * time.Minute)
			if w.expect(t, all4); w.zone.count() != 1 {
				t.Errorf("%d writes", w.zone.count())
			}
		})
	}
}

// What this replica alone does not see is the majority's to say.
func TestTheMajorityDecides(t *testing.T) {
	w := four(t, testConfig())
	w.cluster.votes = func(who backend.ID) (int, int) {
		if who.Name == "b" {
			return 2, 3
		}
		return 0, 3
	}
	w.pass(20 * time.Second)
	w.expect(t, "192.0.2.1 192.0.2.3 192.0.2.4")
}

func TestDeregisteredConnectorsLeave(t *testing.T) {
	w := four(t, testConfig())
	w.SetMembers("internet", connectorsOf("internet", 2))
	w.pass(14 * time.Second)
	w.expect(t, all4)
	w.pass(2 * time.Minute)
	w.expect(t, "192.0.2.1 192.0.2.2")
}

// A connector that moves is shown at its new address before the old one goes.
func TestMovingTheOnlyConnector(t *testing.T) {
	w := newWorld(testConfig(), "internet")
	w.pool("internet", 1)
	w.look()
	w.pass(time.Minute)
	moved := connectorsOf("internet", 1)
	moved[0].Address, moved[0].Publish = "10.0.0.9:25", netip.MustParseAddr("192.0.2.9")
	w.SetMembers("internet", moved)
	w.pass(5 * time.Minute)
	w.expect(t, "192.0.2.1") // nobody knows yet whether the new one works
	w.up(id("a"))
	w.pass(2 * time.Minute)
	w.expect(t, "192.0.2.9")
}

func TestAHandThatChangesOurRecordsIsUndone(t *testing.T) {
	w := four(t, testConfig())
	w.zone.holds(testOwner, poolName, mdns.TypeA, "192.0.2.1", "198.51.100.1")
	w.look()
	w.expect(t, all4+" 198.51.100.1")
	w.pass(time.Minute)
	w.expect(t, all4)
}

// One that was away has to prove itself like anybody else, even if something of it
// is remembered.
func TestAConnectorThatWasAwayIsNew(t *testing.T) {
	w := four(t, testConfig())
	w.down(id("d"))
	w.pass(20 * time.Second)
	w.up(id("d"))
	w.pass(2 * time.Minute)
	w.SetMembers("internet", connectorsOf("internet", 3))
	w.pass(5 * time.Minute)
	w.expect(t, "192.0.2.1 192.0.2.2 192.0.2.3")
	w.SetMembers("internet", connectorsOf("internet", 4))
	w.up(id("d"))
	w.pass(59 * time.Second)
	w.expect(t, "192.0.2.1 192.0.2.2 192.0.2.3")
	w.pass(2 * time.Second)
	w.expect(t, all4)
}

func TestAStrangerThatComesAgainIsNew(t *testing.T) {
	w := four(t, testConfig())
	for range 3 {
		w.zone.holds(testOwner, poolName, mdns.TypeA, strings.Fields(all4+" 198.51.100.1")...)
		w.look()
		w.pass(14 * time.Second)
		w.expect(t, all4+" 198.51.100.1")
		w.zone.holds(testOwner, poolName, mdns.TypeA, strings.Fields(all4)...)
		w.pass(5 * time.Minute)
	}
}

func TestFlappingConnectorsStayOut(t *testing.T) {
	w := four(t, testConfig())
	for range 6 {
		w.down(id("b"))
		w.pass(20 * time.Second)
		w.up(id("b"))
		w.pass(70 * time.Second)
	}
	w.expect(t, "192.0.2.1 192.0.2.3 192.0.2.4")
	if why := w.held("192.0.2.2"); !strings.Contains(why, "too often") {
		t.Errorf("held because %q", why)
	}
	w.pass(15 * time.Minute)
	w.expect(t, all4)
}

func TestForeignNamesAreNotTouched(t *testing.T) {
	tests := map[string]func(z *fakeZone){
		"somebody else's":      func(z *fakeZone) { z.holds("", poolName, mdns.TypeA, "198.51.100.1") },
		"another cluster's":    func(z *fakeZone) { z.holds("weir-other", poolName, mdns.TypeA, "198.51.100.1") },
		"with the whole TXT":   func(z *fakeZone) { z.holds("owner=weir-other", poolName, mdns.TypeA, "198.51.100.1") },
		"promised to another":  func(z *fakeZone) { z.owners[poolName] = "weir-other" },
		"of another type only": func(z *fakeZone) { z.holds("", poolName, mdns.TypeMX, "10 mx.example.net.") },
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			second := Record{Name: "other." + testZone, Type: mdns.TypeA, Pool: "internet"}
			w := newWorld(testConfig(append(testConfig().Records, second)...), "internet")
			prepare(w.zone)
			before := w.shows()
			w.pool("internet", 4)
			w.pass(time.Minute)
			w.expect(t, before)
			if got := w.zone.shows(second.Name, mdns.TypeA); got != all4 {
				t.Errorf("the name beside it is %q", got)
			}
			if why := w.held(""); !strings.Contains(why, "not touched") {
				t.Errorf("held because %q", why)
			}
		})
	}
}

func TestTTLAloneIsWritten(t *testing.T) {
	cfg := testConfig()
	w := four(t, cfg)
	w.planner.cfg.TTL = 30 * time.Second
	w.look()
	if got := w.zone.sets[Name{poolName, mdns.TypeA}].TTL; got != 30 {
		t.Errorf("TTL %d", got)
	}
}
