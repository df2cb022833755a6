package gate

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// naive is a gate that counts everything anew each time and forgets nothing.
type naive struct {
	limits Limits
	visits []*stay
	tokens map[netip.Prefix]time.Duration
	filled map[netip.Prefix]time.Duration
}

type stay struct {
	visit        *Visit[int]
	owner        int
	client, from netip.Prefix
	exempt       bool
	idle, shed   bool
}

func places(a netip.Addr) (client, from netip.Prefix) {
	if a.Is4() {
		from, _ = a.Prefix(24)
		return netip.PrefixFrom(a, 32), from
	}
	from, _ = a.Prefix(64)
	return from, from
}

func within(ps []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(ps, func(p netip.Prefix) bool { return p.Contains(a) })
}

func (n *naive) count(f func(*stay) bool) (c int) {
	for _, s := range n.visits {
		if f(s) {
			c++
		}
	}
	return c
}

// weight is how many of a network may be shed.
func (n *naive) weight(from netip.Prefix) int {
	return n.count(func(s *stay) bool { return s.from == from && !s.exempt && !s.shed })
}

func (n *naive) heaviest() (most int) {
	for _, s := range n.visits {
		most = max(most, n.weight(s.from))
	}
	return most
}

// take is a bucket of tokens.
func (n *naive) take(client netip.Prefix, now time.Duration) bool {
	per := n.limits.RatePerIP.Per
	tokens, seen := n.tokens[client]
	if !seen {
		tokens = per
	}
	tokens = min(tokens+now-n.filled[client], per)
	ok := tokens >= n.limits.RatePerIP.interval()
	if ok {
		tokens -= n.limits.RatePerIP.interval()
	}
	n.tokens[client], n.filled[client] = tokens, now
	return ok
}

// judge says how Enter is to end; shed: somebody has to go.
func (n *naive) judge(a netip.Addr, now time.Duration) (why Reason, shed bool) {
	client, from := places(a)
	if within(n.limits.Deny, a) {
		return Denied, false
	}
	if within(n.limits.Exempt, a) {
		return "", false
	}
	if n.limits.RatePerIP.Events > 0 && !n.take(client, now) {
		return TooOften, false
	}
	if n.limits.PerIP > 0 && n.count(func(s *stay) bool { return s.client == client }) >= n.limits.PerIP {
		return TooManyPerIP, false
	}
	going := n.count(func(s *stay) bool { return s.shed })
	limit := n.limits.Connections
	switch {
	case limit == 0 || len(n.visits)-going < limit:
		return "", false
	case going >= slack(limit) || n.weight(from)+1 >= n.heaviest():
		return TooMany, false
	}
	return "", true
}

func drawAddr(t *rapid.T) netip.Addr {
	net, host := rapid.ByteRange(0, 3).Draw(t, "net"), rapid.ByteRange(1, 4).Draw(t, "host")
	switch rapid.IntRange(0, 2).Draw(t, "family") {
	case 0:
		return netip.AddrFrom4([4]byte{192, 0, net, host})
	case 1:
		return netip.AddrFrom16(netip.AddrFrom4([4]byte{192, 0, net, host}).As16())
	}
	return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 7: net, 15: host})
}

func drawLimits(t *rapid.T, rate Rate) Limits {
	l := Limits{
		Connections: rapid.IntRange(0, 12).Draw(t, "connections"),
		PerIP:       rapid.IntRange(0, 4).Draw(t, "per ip"),
		RatePerIP:   rate,
	}
	if rapid.Bool().Draw(t, "deny") {
		l.Deny = nets("192.0.0.0/24")
	}
	if rapid.Bool().Draw(t, "exempt") {
		l.Exempt = nets("192.0.1.0/31", "2001:db8:0:3::/64")
	}
	return l
}

// world is a gate beside a naive one.
type world struct {
	gate  *Gate[int]
	naive *naive
	now   time.Duration
	next  int
}

func (w *world) enter(t *rapid.T) {
	w.now += time.Duration(rapid.IntRange(0, 400).Draw(t, "ms")) * time.Millisecond
	given := drawAddr(t)
	a := given.Unmap()
	why, shed := w.naive.judge(a, w.now)
	heaviest := w.naive.heaviest()
	w.next++
	e := w.gate.Enter(w.next, given, after(w.now))
	if e.Refusal.Reason != why || (e.Visit == nil) != (why != "") || e.Sheds != shed {
		t.Fatalf("%s: %+v, want %q, shed %v", given, e, why, shed)
	}
	if shed {
		w.victim(t, e.Shed, heaviest)
	}
	if why == "" {
		client, from := places(a)
		w.naive.visits = append(w.naive.visits, &stay{
			visit: e.Visit, owner: w.next, client: client, from: from,
			exempt: within(w.naive.limits.Exempt, a), idle: true,
		})
	}
}

// victim checks that the right one has to go.
func (w *world) victim(t *rapid.T, owner, heaviest int) {
	i := slices.IndexFunc(w.naive.visits, func(s *stay) bool { return s.owner == owner })
	if i < 0 {
		t.Fatalf("%d is shed and not inside", owner)
	}
	v := w.naive.visits[i]
	switch better := w.naive.count(func(s *stay) bool {
		return s.idle && !s.shed && !s.exempt && w.naive.weight(s.from) == heaviest
	}); {
	case v.shed || v.exempt || w.naive.weight(v.from) != heaviest:
		t.Fatalf("%+v is shed, heaviest is %d", v, heaviest)
	case !v.idle && better > 0:
		t.Fatalf("%+v is shed in a transaction, %d are at a boundary", v, better)
	}
	v.shed = true
}

func (w *world) some(t *rapid.T) (int, *stay) {
	if len(w.naive.visits) == 0 {
		t.Skip("nobody inside")
	}
	i := rapid.IntRange(0, len(w.naive.visits)-1).Draw(t, "who")
	return i, w.naive.visits[i]
}

func (w *world) leave(t *rapid.T) {
	i, s := w.some(t)
	s.visit.Leave()
	w.naive.visits = slices.Delete(w.naive.visits, i, i+1)
}

func (w *world) boundary(t *rapid.T) {
	_, s := w.some(t)
	s.idle = rapid.Bool().Draw(t, "idle")
	s.visit.Boundary(s.idle)
}

func TestGateAsTheNaiveOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := Rate{rapid.IntRange(0, 4).Draw(t, "events"), time.Second}
		l := drawLimits(t, rate)
		w := &world{gate: New[int](l, start), naive: &naive{
			limits: l, tokens: map[netip.Prefix]time.Duration{}, filled: map[netip.Prefix]time.Duration{},
		}}
		t.Repeat(map[string]func(*rapid.T){
			"enter":    w.enter,
			"again":    w.enter,
			"leave":    w.leave,
			"boundary": w.boundary,
			"reload": func(t *rapid.T) {
				w.naive.limits = drawLimits(t, rate)
				w.gate.Limit(w.naive.limits)
			},
			"": func(t *rapid.T) {
				if n := w.gate.Inside(); n != len(w.naive.visits) {
					t.Fatalf("%d inside, want %d", n, len(w.naive.visits))
				}
			},
		})
		for _, s := range w.naive.visits {
			s.visit.Leave()
		}
		if g := w.gate; g.inside+g.shedding+g.clients.size()+g.crowd.networks.size()+g.crowd.heaviest != 0 {
			t.Fatalf("all have left and something stays: %+v", g)
		}
	})
}

func (t *table[V]) size() int { return len(t[ipv4]) + len(t[ipv6]) }
