package dns

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"weir/internal/backend"
)

func TestMXAndItsTargets(t *testing.T) {
	w := newWorld(testConfig(Record{Name: testZone, Type: mdns.TypeMX, Pool: "internet", Preference: 10}), "internet")
	specs := connectorsOf("internet", 3)
	specs[0].Name, specs[2].Cost, specs[1].Publish = "MX_a", 5, netip.MustParseAddr("2001:db8::2")
	w.SetMembers("internet", specs)
	for _, m := range w.Snapshot().Pool("internet").Members {
		w.up(m.Spec.ID())
	}
	w.look()
	want := map[Name]string{
		{testZone, mdns.TypeMX}:               "10 b.example.com. 10 mx-a.example.com. 15 c.example.com.",
		{"mx-a." + testZone, mdns.TypeA}:      "192.0.2.1",
		{"b." + testZone, mdns.TypeAAAA}:      "2001:db8::2",
		{"c." + testZone, mdns.TypeA}:         "192.0.2.3",
		{"b." + testZone, mdns.TypeA}:         "",
		{"missing." + testZone, mdns.TypeSRV}: "",
	}
	for name, records := range want {
		if got := w.zone.shows(name.Name, name.Type); got != records {
			t.Errorf("%s: %q, want %q", name, got, records)
		}
	}
	if first := w.zone.writes[0].Put; first[len(first)-1].Type != mdns.TypeMX {
		t.Error("the MX was not written after the addresses of its targets")
	}
	w.pass(time.Minute)
	w.drain(backend.ID{Pool: "internet", Name: "c"})
	w.pass(10 * time.Minute)
	if got := w.zone.shows(testZone, mdns.TypeMX); got != "10 b.example.com. 10 mx-a.example.com." {
		t.Errorf("after a drain: %q", got)
	}
	if got := w.zone.shows("c."+testZone, mdns.TypeA); got != "192.0.2.3" {
		t.Errorf("the address of a target that may be cached somewhere became %q", got)
	}
}

func TestTargetsFollowTheirConnector(t *testing.T) {
	w := newWorld(testConfig(Record{Name: testZone, Type: mdns.TypeMX, Pool: "internet"}), "internet")
	w.pool("internet", 2)
	w.look()
	w.pass(time.Minute)
	moved := connectorsOf("internet", 2)
	moved[0].Address, moved[0].Publish = "10.0.0.9:25", netip.MustParseAddr("192.0.2.9")
	w.SetMembers("internet", moved)
	w.look()
	if got := w.zone.shows("a."+testZone, mdns.TypeA); got != "192.0.2.9" {
		t.Errorf("the target has %q", got)
	}
}

// Addresses of targets that somebody else keeps are as good as ours.
func TestForeignTargetsAreUsed(t *testing.T) {
	w := newWorld(testConfig(Record{Name: testZone, Type: mdns.TypeMX, Pool: "internet"}), "internet")
	w.zone.holds("", "a."+testZone, mdns.TypeA, "198.51.100.1")
	w.pool("internet", 1)
	w.pass(time.Minute)
	if got := w.zone.shows(testZone, mdns.TypeMX); got != "0 a.example.com." {
		t.Errorf("MX %q", got)
	}
	if got := w.zone.shows("a."+testZone, mdns.TypeA); got != "198.51.100.1" {
		t.Errorf("address %q", got)
	}
}

func TestTwoPoolsInOneMX(t *testing.T) {
	w := newWorld(testConfig(
		Record{Name: testZone, Type: mdns.TypeMX, Pool: "internet", Preference: 10},
		Record{Name: testZone, Type: mdns.TypeMX, Pool: "dr", Preference: 50},
	), "internet", "dr")
	w.pool("internet", 1)
	w.pool("dr", 1)
	w.look()
	if got, want := w.zone.shows(testZone, mdns.TypeMX), "10 a.internet.example.com. 50 a.dr.example.com."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	w.SetMembers("dr", nil) // nobody knows why: nothing leaves the set
	w.pass(10 * time.Minute)
	if got := w.zone.shows(testZone, mdns.TypeMX); !strings.Contains(got, "dr") {
		t.Errorf("got %q", got)
	}
}

func TestSRV(t *testing.T) {
	name := "_smtp._tcp." + testZone
	w := newWorld(testConfig(Record{Name: name, Type: mdns.TypeSRV, Pool: "internet"}), "internet")
	specs := connectorsOf("internet", 2)
	specs[1].Address, specs[1].Weight, specs[1].Cost = "10.0.0.2:2525", 50, 10
	w.SetMembers("internet", specs)
	w.up(id("a"))
	w.up(id("b"))
	w.look()
	if got, want := w.zone.shows(name, mdns.TypeSRV), "0 100 25 a.example.com. 10 50 2525 b.example.com."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	w.pass(time.Minute)
	specs[1].Weight = 70 // is written, and removes nobody
	w.SetMembers("internet", specs)
	w.look()
	if got, want := w.zone.shows(name, mdns.TypeSRV), "0 100 25 a.example.com. 10 70 2525 b.example.com."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBothFamilies(t *testing.T) {
	w := newWorld(testConfig(), "internet")
	specs := connectorsOf("internet", 3)
	specs[2].Publish = netip.MustParseAddr("2001:db8::3")
	w.SetMembers("internet", specs)
	for _, name := range []string{"a", "b", "c"} {
		w.up(id(name))
	}
	w.pass(time.Minute)
	w.down(id("c"))
	w.pass(10 * time.Minute)
	if a, aaaa := w.shows(), w.zone.shows(poolName, mdns.TypeAAAA); a != "192.0.2.1 192.0.2.2" || aaaa != "2001:db8::3" {
		t.Errorf("A %q, AAAA %q: the only one of its family stays", a, aaaa)
	}
}

// Two connectors at one address are one record, which stays while one of them works.
func TestSharedAddresses(t *testing.T) {
	w := newWorld(testConfig(), "internet")
	specs := connectorsOf("internet", 4)
	specs[3].Publish = specs[0].Publish
	w.SetMembers("internet", specs)
	for _, s := range specs {
		w.up(s.ID())
	}
	w.pass(2 * time.Minute)
	w.down(id("a"))
	w.pass(10 * time.Minute)
	w.expect(t, "192.0.2.1 192.0.2.2 192.0.2.3")
	w.down(id("d"))
	w.pass(time.Minute)
	w.expect(t, "192.0.2.2 192.0.2.3")
}

func TestReplicas(t *testing.T) {
	address := netip.MustParseAddr
	a := Replica{Name: "a", Addresses: []netip.Addr{address("192.0.2.1"), address("2001:db8::1")}}
	b := Replica{Name: "b", Addresses: []netip.Addr{address("192.0.2.2")}}
	c := Replica{Name: "c", Addresses: []netip.Addr{address("192.0.2.3")}}
	standby, blind := b, b
	standby.Standby, blind.Blind = true, true
	tests := []struct {
		name  string
		now   []Replica
		lasts time.Duration
		want  string
	}{
		{"all", []Replica{a, b, c}, time.Minute, "192.0.2.1 192.0.2.2 192.0.2.3"},
		{"one stands by", []Replica{a, standby, c}, time.Second, "192.0.2.1 192.0.2.3"},
		{"one alone sees nobody", []Replica{a, blind, c}, 14 * time.Second, "192.0.2.1 192.0.2.2 192.0.2.3"},
		{"one alone sees nobody, for long", []Replica{a, blind, c}, time.Minute, "192.0.2.1 192.0.2.3"},
		{"one is gone", []Replica{a, c}, time.Minute, "192.0.2.1 192.0.2.3"},
		{"two are gone", []Replica{c}, 2 * time.Minute, "192.0.2.3"},
		{"none is known", nil, time.Hour, "192.0.2.1 192.0.2.2 192.0.2.3"},
		{"all see nobody", []Replica{{Name: "a", Addresses: a.Addresses, Blind: true}, blind, {Name: "c", Addresses: c.Addresses, Blind: true}}, time.Hour, "192.0.2.1 192.0.2.2 192.0.2.3"},
		{"all stand by", []Replica{{Name: "a", Addresses: a.Addresses, Standby: true}, standby, {Name: "c", Addresses: c.Addresses, Standby: true}}, time.Hour, "192.0.2.3"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(testConfig(Record{Name: poolName, Type: mdns.TypeA}))
			w.cluster.replicas = []Replica{a, b, c}
			w.look()
			w.pass(2 * time.Minute)
			w.cluster.replicas = tc.now
			w.pass(tc.lasts)
			w.expect(t, tc.want)
			if got := w.zone.shows(poolName, mdns.TypeAAAA); got != "2001:db8::1" {
				t.Errorf("AAAA %q", got)
			}
		})
	}
}

func TestAlone(t *testing.T) {
	f := newFacts("internet")
	f.pool("internet", 2)
	standby := false
	alone := Alone{Registry: f.Registry, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.9")}, Standby: func() bool { return standby }}
	if out, live := alone.Votes(id("a")); out != 0 || live != 1 {
		t.Errorf("up: %d of %d", out, live)
	}
	f.down(id("a"))
	if out, live := alone.Votes(id("a")); out != 1 || live != 1 {
		t.Errorf("down: %d of %d", out, live)
	}
	if out, live := alone.Votes(id("nobody")); out != 0 || live != 1 {
		t.Errorf("unknown: %d of %d", out, live)
	}
	first, ok := alone.Leading()
	again, _ := alone.Leading()
	if !ok || first != again || !first.Valid() {
		t.Error("it does not always lead in the same term")
	}
	standby = true
	if r := alone.Replicas(); len(r) != 1 || !r[0].Standby || len(r[0].Addresses) != 1 {
		t.Errorf("replicas %+v", r)
	}
}
