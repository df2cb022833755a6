package gate

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"
)

func nth(i int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(i)*2654435761) // all different, all over the place
	return netip.AddrFrom4(b)
}

func nth6(i int) netip.Addr {
	b := [16]byte{0x20, 1, 0xd, 0xb8}
	binary.BigEndian.PutUint32(b[4:], uint32(i))
	return netip.AddrFrom16(b)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestFloodOfAMillionAddressesTakesNoMemory(t *testing.T) {
	const inside = 1000
	const stated = 5<<20/4 + inside*400 // as doc.go says
	before := heap()
	g := New[int](Limits{Connections: inside, PerIP: 1, RatePerIP: Rate{1, time.Minute}, Tarpit: time.Second}, start)
	visits := make([]*Visit[int], inside)
	for i := range 1_000_000 {
		at := after(time.Duration(i) * time.Microsecond)
		from := nth(i)
		if i%2 == 0 {
			from = nth6(i)
		}
		if e := g.Enter(i, from, at); e.Visit != nil {
			e.Visit.Offend(EarlyTalker, at)
			if old := visits[i%inside]; old != nil {
				old.Leave()
			}
			visits[i%inside] = e.Visit
		}
	}
	grown := int64(heap()) - int64(before)
	if grown > stated {
		t.Errorf("the gate has grown to %d KiB, stated are %d", grown>>10, stated>>10)
	}
	if n := g.Inside(); n == 0 || n > inside {
		t.Errorf("%d inside", n)
	}
	runtime.KeepAlive(visits)
}

func TestFloodDoesNotForgiveTheOneWhoFloods(t *testing.T) {
	g := New[int](Limits{PerIP: 2, RatePerIP: Rate{10, time.Hour}, Tarpit: time.Second}, start)
	me := addr("192.0.2.1")
	for range 2 {
		g.Enter(0, me, start)
	}
	for range 8 {
		g.Enter(0, me, start) // refused for per-ip, and counted by the rate
	}
	for i := range 300_000 {
		if e := g.Enter(i, nth6(i), start); e.Visit != nil {
			e.Visit.Leave()
		}
	}
	if e := g.Enter(0, me, start); e.Refusal.Reason != TooOften {
		t.Errorf("after the flood: %+v", e)
	}
	g.Limit(Limits{PerIP: 2})
	if e := g.Enter(0, me, start); e.Refusal.Reason != TooManyPerIP {
		t.Errorf("after the flood: %+v", e)
	}
}

func TestManyAtOnce(t *testing.T) {
	g := New[*Visit[int]](Limits{Connections: 20, PerIP: 10, RatePerIP: Rate{1000, time.Second}, Tarpit: time.Second}, start)
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := range 500 {
				e := g.Enter(nil, netip.AddrFrom4([4]byte{10, 0, byte(i % 3), byte(w)}), start)
				if e.Visit == nil {
					continue
				}
				e.Visit.Boundary(false)
				e.Visit.Offend(TooManyErrors, start)
				e.Visit.Delay(start)
				e.Visit.Boundary(true)
				e.Visit.Leave()
			}
		})
	}
	all.Go(func() {
		for i := range 100 {
			g.Limit(Limits{Connections: 5 + i%10, Tarpit: time.Duration(i % 2)})
		}
	})
	all.Wait()
	if n := g.Inside(); n != 0 {
		t.Errorf("%d inside after all have left", n)
	}
}

func BenchmarkEnterLeave(b *testing.B) {
	exempt := nets("127.0.0.0/8", "::1/128")
	for name, limits := range map[string]Limits{
		"default": {Connections: 20000, Exempt: exempt},
		"per-ip":  {Connections: 20000, PerIP: 100, RatePerIP: Rate{1 << 20, time.Second}, Exempt: exempt},
		"all": {
			Connections: 20000, PerIP: 100, RatePerIP: Rate{1 << 20, time.Second}, Tarpit: time.Second,
			Deny: nets("198.18.0.0/15", "198.51.100.0/24"), Exempt: exempt,
		},
	} {
		b.Run(name, func(b *testing.B) {
			g := New[int](limits, start)
			for i := range 10000 {
				g.Enter(i, nth(i), start)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if e := g.Enter(i, nth(i&0xfff+20000), start); e.Visit != nil {
					e.Visit.Leave()
				}
			}
		})
	}
}

func BenchmarkShed(b *testing.B) {
	h := New[int](Limits{Connections: 20000}, start)
	visits := map[int]*Visit[int]{}
	heavy := addr("192.0.2.1")
	for i := range 20000 {
		visits[i] = h.Enter(i, heavy, start).Visit
	}
	b.ReportAllocs()
	for i := 20000; b.Loop(); i++ {
		e := h.Enter(i, nth(i), start)
		if e.Visit == nil {
			b.Fatal(e.Refusal)
		}
		visits[e.Shed].Leave()
		delete(visits, e.Shed)
		e.Visit.Leave()
		visits[i] = h.Enter(i, heavy, start).Visit
	}
}
