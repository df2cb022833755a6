package fiber_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"

	"weir/internal/fiber"
)

// serve has fibers echo what comes to a listener; each stands back before it writes.
func serve(t testing.TB, g *fiber.Group) netip.AddrPort {
	t.Helper()
	l, to := watched(t, g)
	err := g.Go(func(f *fiber.Fiber) {
		l.Carry(f)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			c := nc.(*fiber.Conn)
			if err := g.Go(func(f *fiber.Fiber) { echo(f, c) }); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func echo(f *fiber.Fiber, c *fiber.Conn) {
	c.Carry(f)
	defer c.Close()
	p := make([]byte, 4096)
	for {
		n, err := draining{c}.Read(p)
		if err != nil {
			return
		}
		f.StandBack()
		if _, err := c.Write(p[:n]); err != nil {
			return
		}
	}
}

func dial(t testing.TB, g *fiber.Group, to netip.AddrPort) *fiber.Conn {
	t.Helper()
	c, err := g.Dial(context.Background(), nil, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// answers fails the test where the other side of a connection does not echo.
func answers(t testing.TB, nc net.Conn) {
	t.Helper()
	say(t, nc, "hello")
	hears(t, nc, "hello")
}

func TestEcho(t *testing.T) {
	byEach(t, func(t *testing.T, g *fiber.Group, run func(*fiber.Conn, func()) <-chan struct{}) {
		c := dial(t, g, serve(t, g))
		await(t, run(c, func() {
			_, _ = c.Write([]byte("hello"))
			hears(t, c, "hello")
		}))
	})
}

// talk is one of many connections: what it sends has to come back.
type talk struct {
	c    *fiber.Conn
	sent []byte
	got  bytes.Buffer
	rand *rand.Rand // the writer's
	read *rand.Rand // the reader's
}

func newTalk(c *fiber.Conn, seed uint64) *talk {
	talk := &talk{c: c, rand: rand.New(rand.NewPCG(seed, 1)), read: rand.New(rand.NewPCG(seed, 2))}
	talk.sent = make([]byte, talk.rand.IntN(64<<10))
	for i := range talk.sent {
		talk.sent[i] = byte(talk.rand.Uint32())
	}
	return talk
}

func (k *talk) write(t *testing.T) {
	for rest := k.sent; len(rest) > 0; {
		n := min(len(rest), 1+k.rand.IntN(1<<k.rand.IntN(15)))
		if _, err := k.c.Write(rest[:n]); err != nil {
			t.Error(err)
			return
		}
		rest = rest[n:]
	}
	if err := k.c.CloseWrite(); err != nil {
		t.Error(err)
	}
}

func (k *talk) receive(t *testing.T) {
	for {
		p := make([]byte, 1+k.read.IntN(1<<k.read.IntN(15)))
		n, err := draining{k.c}.Read(p)
		k.got.Write(p[:n])
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Error(err)
			return
		}
	}
}

// Hundreds of connections, of which fibers and goroutines read and write at the same time.
func TestManyEcho(t *testing.T) {
	g := newGroup(t)
	to := serve(t, g)
	var all sync.WaitGroup
	carry := func(do func(*fiber.Fiber)) {
		all.Add(1)
		if err := g.Go(func(f *fiber.Fiber) { defer all.Done(); do(f) }); err != nil {
			t.Error(err)
			all.Done()
		}
	}
	talks := make([]*talk, 200)
	for i := range talks {
		k := newTalk(dial(t, g, to), uint64(i))
		talks[i] = k
		switch i % 4 {
		case 0: // two fibers
			carry(func(f *fiber.Fiber) { k.c.Carry(f); k.write(t) })
			carry(func(f *fiber.Fiber) { k.c.CarryReads(f); k.receive(t) })
		case 1: // a fiber that reads, a goroutine that writes
			carry(func(f *fiber.Fiber) { k.c.CarryReads(f); k.receive(t) })
			all.Go(func() { k.write(t) })
		case 2: // the other way round
			carry(func(f *fiber.Fiber) { k.c.Carry(f); k.c.CarryReads(nil); k.write(t) })
			all.Go(func() { k.receive(t) })
		case 3: // two goroutines
			all.Go(func() { k.write(t) })
			all.Go(func() { k.receive(t) })
		}
	}
	awaitAll(t, &all)
	for i, k := range talks {
		if !bytes.Equal(k.got.Bytes(), k.sent) {
			t.Errorf("connection %d: %d octets came back of %d, or others", i, k.got.Len(), len(k.sent))
		}
	}
}
