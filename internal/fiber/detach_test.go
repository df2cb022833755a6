package fiber_test

import (
	"net"
	"os"
	"testing"
	"time"

	"weir/internal/fiber"
)

// What is detached is its taker's: the group hears no more of it, and it works.
func TestDetach(t *testing.T) {
	g := newGroup(t)
	c, theirs := pair(t, g)
	var had int
	control(t, c, func(fd int) { had = fd })
	fd, err := c.Detach()
	if err != nil || fd != had {
		t.Fatalf("%d, not %d: %v", fd, had, err)
	}
	if err := c.Close(); !isClosed(err) {
		t.Errorf("closing what was detached: %v", err)
	}
	if _, err := c.Detach(); !isClosed(err) {
		t.Errorf("detaching again: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); !isClosed(err) {
		t.Errorf("reading: %v", err)
	}
	if !isOpen(fd) {
		t.Fatal("the descriptor is closed")
	}
	f := os.NewFile(uintptr(fd), "detached")
	nc, err := net.FileConn(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(ceiling))
	say(t, theirs, "hello")
	hears(t, nc, "hello")
	answersFor(t, g) // the events of the group have been taken in
	if c.ReadNoted() {
		t.Error("it was told")
	}
}

// A connection that waited, was detached and taken in again, is waited for as ever: by
// the same group and by another one.
func TestDetachAndAdopt(t *testing.T) {
	byEach(t, func(t *testing.T, g *fiber.Group, run func(*fiber.Conn, func()) <-chan struct{}) {
		other := newGroup(t)
		c, theirs := pair(t, g)
		again := func(to *fiber.Group) {
			t.Helper()
			fd, err := c.Detach()
			if err != nil {
				t.Fatal(err)
			}
			if c, err = to.Adopt(fd, nil); err != nil {
				t.Fatal(err)
			}
			own := c
			t.Cleanup(func() { own.Close() })
		}
		read := func() { hears(t, draining{c}, "x") }
		for range 3 {
			done := run(c, read)
			until(t, "it waits", c.ReadWaits)
			say(t, theirs, "x")
			await(t, done)
			again(other) // whose fibers are others: a goroutine waits
			there := make(chan struct{})
			go func() { defer close(there); read() }()
			until(t, "it waits", c.ReadWaits)
			say(t, theirs, "x")
			await(t, there)
			again(g)
		}
	})
}

// answersFor has a group carry a new connection there and back.
func answersFor(t *testing.T, g *fiber.Group) {
	t.Helper()
	c := dial(t, g, serve(t, g))
	_ = c.SetDeadline(time.Now().Add(ceiling))
	answers(t, c)
	c.Close()
}
