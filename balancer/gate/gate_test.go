package gate

import (
	"net/netip"
	"testing"
	"time"
)

var start = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return start.Add(d) }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func nets(ss ...string) (out []netip.Prefix) {
	for _, s := range ss {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// enter lets somebody in who is to be let in.
func enter(t *testing.T, g *Gate[string], owner, from string, at time.Duration) *Visit[string] {
	t.Helper()
	e := g.Enter(owner, addr(from), after(at))
	if e.Visit == nil {
		t.Fatalf("%s from %s was refused: %+v", owner, from, e.Refusal)
	}
	return e.Visit
}

// refused expects that somebody is not let in.
func refused(t *testing.T, g *Gate[string], from string, at time.Duration, why Reason) {
	t.Helper()
	e := g.Enter("nobody", addr(from), after(at))
	if e.Visit != nil || e.Refusal.Reason != why || e.Sheds {
		t.Fatalf("from %s: visit %v, refusal %+v, sheds %v; want %s", from, e.Visit != nil, e.Refusal, e.Sheds, why)
	}
}

func TestP1RefusalsInWords(t *testing.T) {
	tests := []struct {
		why      Reason
		code     int
		enhanced [3]uint16
	}{
		{TooMany, 421, [3]uint16{4, 3, 2}},
		{MadeRoom, 421, [3]uint16{4, 3, 2}},
		{TooManyPerIP, 421, [3]uint16{4, 7, 0}},
		{TooOften, 421, [3]uint16{4, 7, 0}},
		{Denied, 554, [3]uint16{5, 7, 1}},
	}
	for _, tt := range tests {
		r := Refuse(tt.why)
		if r.Reason != tt.why || r.Code != tt.code || r.Enhanced != tt.enhanced || r.Text == "" {
			t.Errorf("%s: %+v, want %d %v and words", tt.why, r, tt.code, tt.enhanced)
		}
	}
}

func TestListsByTheLongestPrefix(t *testing.T) {
	tests := []struct {
		name        string
		allow, deny []string
		in, out     []string
	}{
		{"no lists", nil, nil, []string{"192.0.2.1", "2001:db8::1"}, nil},
		{"deny", nil, []string{"192.0.2.0/24", "2001:db8::/32"}, []string{"198.51.100.1", "2001:db9::1"}, []string{"192.0.2.255", "2001:db8:ff::1", "::ffff:192.0.2.1"}},
		{"allow", []string{"192.0.2.0/24"}, nil, []string{"192.0.2.7", "::ffff:192.0.2.7"}, []string{"192.0.3.7", "2001:db8::1"}},
		{"a hole in allow", []string{"10.0.0.0/8"}, []string{"10.1.0.0/16"}, []string{"10.2.0.1"}, []string{"10.1.0.1", "192.0.2.1"}},
		{"a hole in deny", []string{"10.1.0.0/16", "0.0.0.0/0"}, []string{"10.0.0.0/8"}, []string{"10.1.0.1", "192.0.2.1"}, []string{"10.2.0.1", "2001:db8::1"}},
		{"in both", []string{"10.0.0.0/8"}, []string{"10.0.0.0/8"}, nil, []string{"10.0.0.1"}},
		{"bits beside the prefix", nil, []string{"10.9.9.9/8"}, []string{"11.0.0.1"}, []string{"10.0.0.1"}},
		{"mapped prefix", nil, []string{"::ffff:10.0.0.0/104"}, []string{"11.0.0.1"}, []string{"10.0.0.1"}},
		{"everybody", nil, []string{"0.0.0.0/0", "::/0"}, nil, []string{"10.0.0.1", "::1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := New[string](Limits{Allow: nets(tt.allow...), Deny: nets(tt.deny...)}, start)
			for _, a := range tt.in {
				enter(t, g, "x", a, 0)
			}
			for _, a := range tt.out {
				refused(t, g, a, 0, Denied)
			}
			if g.Inside() != len(tt.in) {
				t.Errorf("%d inside, want %d", g.Inside(), len(tt.in))
			}
		})
	}
}

func TestPerIPCountsIPv6ByItsNetwork(t *testing.T) {
	g := New[string](Limits{PerIP: 2}, start)
	first := enter(t, g, "a", "2001:db8::1", 0)
	enter(t, g, "b", "2001:db8::ffff:1", 0)
	refused(t, g, "2001:db8::2", 0, TooManyPerIP)
	enter(t, g, "c", "2001:db8:0:1::1", 0)
	first.Leave()
	first.Leave() // once is enough
	enter(t, g, "d", "2001:db8::3", 0)
	refused(t, g, "2001:db8::4", 0, TooManyPerIP)

	enter(t, g, "e", "192.0.2.1", 0)
	enter(t, g, "f", "::ffff:192.0.2.1", 0)
	refused(t, g, "192.0.2.1", 0, TooManyPerIP)
	enter(t, g, "g", "192.0.2.2", 0)
}

func TestIPv4AndIPv6WithTheSameBitsAreOthers(t *testing.T) {
	g := New[string](Limits{PerIP: 1}, start)
	enter(t, g, "a", "0.0.0.1", 0)
	enter(t, g, "b", "0:0:0:1::", 0)
}

func TestRate(t *testing.T) {
	g := New[string](Limits{RatePerIP: Rate{3, time.Second}}, start)
	for range 3 {
		enter(t, g, "a", "192.0.2.1", 0).Leave() // to leave gives nothing back
	}
	refused(t, g, "192.0.2.1", 0, TooOften)
	refused(t, g, "192.0.2.1", 300*time.Millisecond, TooOften)
	enter(t, g, "b", "192.0.2.2", 300*time.Millisecond)
	enter(t, g, "a", "192.0.2.1", 350*time.Millisecond) // what was refused is not counted
	refused(t, g, "192.0.2.1", 350*time.Millisecond, TooOften)
	for range 3 {
		enter(t, g, "a", "192.0.2.1", time.Hour)
	}
	refused(t, g, "192.0.2.1", time.Hour, TooOften)
}

func TestExemptTakePlacesButAreNeverRefused(t *testing.T) {
	g := New[string](Limits{Connections: 2, PerIP: 1, RatePerIP: Rate{1, time.Hour}, Exempt: nets("127.0.0.0/8"), Tarpit: time.Second}, start)
	for range 5 {
		v := enter(t, g, "monitor", "127.0.0.1", 0)
		v.Offend(TooManyErrors, start)
		if d := v.Delay(start); d != 0 {
			t.Errorf("delay %v", d)
		}
	}
	refused(t, g, "192.0.2.1", 0, TooMany)
	if e := g.Enter("socket", netip.Addr{}, start); e.Visit == nil || g.Inside() != 6 {
		t.Errorf("without an address: %+v, %d inside", e, g.Inside())
	}
}

func TestHeaviestNetworkIsShedFirst(t *testing.T) {
	g := New[string](Limits{Connections: 5}, start)
	enter(t, g, "light", "198.51.100.1", 0)
	a := enter(t, g, "a", "192.0.2.1", 0)
	b := enter(t, g, "b", "192.0.2.2", 0)
	enter(t, g, "c", "192.0.2.3", 0)
	enter(t, g, "d", "192.0.2.4", 0)
	refused(t, g, "192.0.2.99", 0, TooMany)
	a.Boundary(false)
	b.Boundary(false)
	b.Boundary(true) // at a boundary again, but not for as long as c and d

	for i, want := range []string{"c", "d"} { // 4 against 0, 3 against 0
		e := g.Enter("new", netip.AddrFrom4([4]byte{203, 0, byte(i), 1}), start)
		if e.Visit == nil || !e.Sheds || e.Shed != want {
			t.Fatalf("newcomer %d: %+v, want %s shed", i, e, want)
		}
	}
	e := g.Enter("new", addr("203.0.113.7"), start)
	if !e.Sheds || e.Shed != "b" { // 2 against 0
		t.Fatalf("%+v, want b shed", e)
	}
	refused(t, g, "203.0.114.7", 0, TooMany) // 1 against 0: no gain
	if g.Inside() != 8 {
		t.Errorf("%d inside: nobody has left yet", g.Inside())
	}
}

func TestInTransactionOnlyWhereNobodyIsAtABoundary(t *testing.T) {
	g := New[string](Limits{Connections: 4}, start)
	for _, net := range []string{"192.0.2.", "198.51.100."} {
		for _, host := range []string{"1", "2"} {
			v := enter(t, g, net+host, net+host, 0)
			v.Boundary(net != "192.0.2.")
		}
	}
	// Of the two heaviest the one that has somebody at a boundary.
	if e := g.Enter("new", addr("203.0.113.1"), start); e.Shed != "198.51.100.1" {
		t.Errorf("%+v", e)
	}
	// Then the last that has begun.
	if e := g.Enter("new", addr("203.0.114.1"), start); e.Shed != "192.0.2.2" {
		t.Errorf("%+v", e)
	}
}

func TestSlowToGoAreWaitedFor(t *testing.T) {
	g := New[string](Limits{Connections: 100}, start)
	var crowd []*Visit[string]
	for range 100 {
		crowd = append(crowd, enter(t, g, "crowd", "192.0.2.1", 0))
	}
	for i := range slack(100) {
		if e := g.Enter("new", netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), start); !e.Sheds {
			t.Fatalf("newcomer %d: %+v", i, e)
		}
	}
	refused(t, g, "10.1.0.1", 0, TooMany)
	crowd[0].Leave()
	if e := g.Enter("new", addr("10.1.0.1"), start); !e.Sheds {
		t.Fatalf("one has gone: %+v", e)
	}
}

func TestOffendersAreHeldBackForATime(t *testing.T) {
	g := New[string](Limits{Tarpit: 3 * time.Second, RatePerIP: Rate{1, time.Hour}}, start)
	v := enter(t, g, "talker", "192.0.2.1", 0)
	if d := v.Delay(start); d != 0 {
		t.Errorf("delay %v before any offence", d)
	}
	v.Offend(EarlyTalker, start)
	if d := v.Delay(start); d != 3*time.Second {
		t.Errorf("delay %v", d)
	}
	v.Leave()
	v.Offend(EarlyTalker, start) // too late to count
	g.Limit(Limits{Tarpit: 2 * time.Second})
	if e := g.Enter("again", addr("192.0.2.1"), after(9*time.Minute)); e.Delay != 2*time.Second {
		t.Errorf("its next connection: %+v", e)
	}
	if e := g.Enter("again", addr("192.0.2.1"), after(11*time.Minute)); e.Delay != 0 {
		t.Errorf("after its time: %+v", e)
	}
	g.Limit(Limits{})
	if e := g.Enter("again", addr("192.0.2.1"), after(time.Minute)); e.Delay != 0 || e.Visit.Delay(start) != 0 {
		t.Errorf("without a tarpit: %+v", e)
	}
}

func TestRefusedOftenIsAnOffence(t *testing.T) {
	g := New[string](Limits{Tarpit: time.Second, PerIP: 1}, start)
	v := enter(t, g, "a", "192.0.2.1", 0)
	for range 10 {
		refused(t, g, "192.0.2.1", 0, TooManyPerIP)
	}
	if d := v.Delay(start); d != 0 {
		t.Errorf("delay %v: may happen to anybody", d)
	}
	for range 1000 {
		refused(t, g, "192.0.2.1", 0, TooManyPerIP)
	}
	if d := v.Delay(start); d != time.Second {
		t.Errorf("delay %v", d)
	}
	if d := v.Delay(after(mostHeld)); d != 0 {
		t.Errorf("delay %v: held against it for too long", d)
	}
}

func TestReloadKeepsCounts(t *testing.T) {
	g := New[string](Limits{}, start)
	var in []*Visit[string]
	for range 3 {
		in = append(in, enter(t, g, "a", "192.0.2.1", 0))
	}
	g.Limit(Limits{PerIP: 3, RatePerIP: Rate{2, time.Hour}})
	refused(t, g, "192.0.2.1", 0, TooManyPerIP)
	in[0].Leave()
	enter(t, g, "a", "192.0.2.1", 0) // its second connection since rates are counted
	in[1].Leave()
	refused(t, g, "192.0.2.1", 0, TooOften)
	g.Limit(Limits{PerIP: 3, RatePerIP: Rate{2, time.Minute}}) // an hour's debt counts for a minute at most
	refused(t, g, "192.0.2.1", 29*time.Minute, TooOften)
	enter(t, g, "a", "192.0.2.1", 30*time.Minute+time.Hour)
	g.Limit(Limits{Connections: 2})
	refused(t, g, "192.0.2.1", 0, TooMany)
}

// TestWhoIsUnknown: a client of which a proxy does not say the address counts as the
// proxy, and is not exempt as that is.
func TestWhoIsUnknown(t *testing.T) {
	proxy := []netip.Prefix{netip.MustParsePrefix("fe80::/10")}
	g := New[string](Limits{PerIP: 1, Exempt: proxy}, start)
	for range 3 {
		if e := g.Enter("known", addr("fe80::1"), start); e.Visit == nil {
			t.Fatalf("an exempt client is refused: %+v", e.Refusal)
		}
	}
	if e := g.EnterUnknown("unknown", addr("fe80::1"), start); e.Refusal.Reason != TooManyPerIP {
		t.Errorf("an unknown client of an exempt proxy: %+v", e)
	}
	g.Limit(Limits{Deny: proxy})
	if e := g.Enter("with a zone", addr("fe80::1%eth0"), start); e.Refusal.Reason != Denied {
		t.Errorf("an address with a zone: %+v", e)
	}
}
