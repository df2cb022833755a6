package fiber_test

import (
	"io"
	"sync/atomic"
	"testing"
	"time"

	"weir/internal/fiber"
)

// shrinks waits until there are no more workers than are of use, and one that polls.
func shrinks(t *testing.T, g *fiber.Group) {
	t.Helper()
	until(t, "no worker is too many", func() bool {
		are, most := g.Workers()
		return are <= most+1
	})
}

// blocked has many fibers blocked by what came on their connections, each in its own way.
func blocked(t *testing.T, g *fiber.Group, many int, block func(f *fiber.Fiber, c *fiber.Conn)) (all <-chan struct{}) {
	t.Helper()
	var began, ended atomic.Int32
	done := make(chan struct{})
	for range many {
		c, theirs := pair(t, g)
		onFiber(t, g, func(f *fiber.Fiber) {
			c.Carry(f)
			if _, err := c.Read(make([]byte, 1)); err != nil {
				t.Error(err)
			}
			began.Add(1)
			block(f, c)
			if int(ended.Add(1)) == many {
				close(done)
			}
		})
		say(t, theirs, "x")
	}
	until(t, "all are blocked", func() bool { return int(began.Load()) == many })
	return done
}

// Fibers that are held up, and many more of them than workers, do not hold up others.
func TestHeldUp(t *testing.T) {
	g := newGroup(t)
	release := make(chan struct{})
	_, most := g.Workers()
	all := blocked(t, g, 4*most+20, func(*fiber.Fiber, *fiber.Conn) { <-release })
	for range 5 {
		answersFor(t, g)
	}
	select {
	case <-all:
		t.Error("they were not held up")
	default:
	}
	close(release)
	await(t, all)
	answersFor(t, g)
	shrinks(t, g)
}

// Fibers that have left the workers may block, and come back when they wait.
func TestLeave(t *testing.T) {
	g := newGroup(t)
	release := make(chan struct{})
	back := make(chan *fiber.Conn, 1)
	all := blocked(t, g, 50, func(f *fiber.Fiber, c *fiber.Conn) {
		f.Leave()
		f.Leave() // changes nothing
		<-release
		f.StandBack()
		_ = c.SetReadDeadline(time.Now().Add(moment))
		if _, err := c.Read(make([]byte, 1)); !isOverdue(err) {
			t.Error(err)
		}
		select {
		case back <- c:
		default:
		}
	})
	answersFor(t, g)
	close(release)
	await(t, all)
	<-back
	answersFor(t, g)
	shrinks(t, g)
}

// Who has begun a fiber goes on when that leaves.
func TestLeaveLetsTheCallerGoOn(t *testing.T) {
	g := newGroup(t)
	release := make(chan struct{})
	done := onFiber(t, g, func(f *fiber.Fiber) {
		f.Leave()
		<-release
	})
	close(release) // where this is not come to, the test hangs
	await(t, done)
}

// A worker that a fiber has left takes the next event.
func TestLeaveFreesTheWorker(t *testing.T) {
	g := newGroup(t)
	release := make(chan struct{})
	all := blocked(t, g, 1, func(f *fiber.Fiber, _ *fiber.Conn) {
		f.Leave()
		<-release
	})
	until(t, "a worker waits for events", g.Polling)
	close(release)
	await(t, all)
}

// Fibers that stand back go on, whoever runs them, also behind one that is held up.
func TestStandBack(t *testing.T) {
	g := newGroup(t)
	await(t, onFiber(t, g, func(f *fiber.Fiber) { // no worker runs it
		f.StandBack()
		f.StandBack()
	}))
	const many = 40
	release := make(chan struct{})
	var conns [many]*fiber.Conn
	var gone atomic.Int32
	done := make(chan struct{})
	all := blocked(t, g, 1, func(f *fiber.Fiber, _ *fiber.Conn) {
		f.StandBack()
		<-release
	})
	for i := range conns {
		c, theirs := pair(t, g)
		conns[i] = c
		onFiber(t, g, func(f *fiber.Fiber) {
			c.Carry(f)
			for range 3 {
				if _, err := c.Read(make([]byte, 1)); err != nil {
					t.Error(err)
				}
				f.StandBack()
				f.StandBack() // changes nothing
			}
			if gone.Add(1) == many {
				close(done)
			}
		})
		say(t, theirs, "xyz")
	}
	await(t, done)
	close(release)
	await(t, all)
	shrinks(t, g)
}

// A fiber that stood back goes on also when who ran it is held up, and another worker
// waits for events.
func TestStandBackBesideOneHeldUp(t *testing.T) {
	g := newGroup(t)
	c, theirs := pair(t, g)
	fill(t, c)
	release, first := make(chan struct{}), make(chan struct{})
	writes := onFiber(t, g, func(f *fiber.Fiber) {
		c.Carry(f)
		_, _ = c.Write(make([]byte, 1<<20))
		select {
		case <-first:
		case <-time.After(ceiling):
			t.Error("who stood back did not go on")
		}
	})
	until(t, "it waits to write", c.WriteWaits)
	reads := onFiber(t, g, func(f *fiber.Fiber) {
		c.CarryReads(f)
		_, _ = c.Read(make([]byte, 1))
		<-release
		f.StandBack()
		close(first)
	})
	until(t, "it waits to read", c.ReadWaits)
	theirs.SetLinger(0)
	theirs.Close()
	until(t, "the event has been taken in", func() bool { return !c.ReadWaits() })
	until(t, "another worker waits", g.Polling)
	close(release)
	await(t, reads)
	await(t, writes)
}

// Who reads may wait for who writes: an event for both goes to both.
func TestBothSidesAreWoken(t *testing.T) {
	g := newGroup(t)
	c, theirs := pair(t, g)
	fill(t, c)
	wrote := make(chan struct{})
	writes := onFiber(t, g, func(f *fiber.Fiber) {
		c.Carry(f)
		defer close(wrote)
		_, _ = c.Write(make([]byte, 1<<20))
	})
	until(t, "it waits to write", c.WriteWaits)
	reads := onFiber(t, g, func(f *fiber.Fiber) {
		c.CarryReads(f)
		_, _ = io.Copy(io.Discard, struct{ io.Reader }{c})
		select {
		case <-wrote:
		case <-time.After(ceiling):
			t.Error("who waited to write was not woken")
		}
	})
	until(t, "it waits to read", c.ReadWaits)
	theirs.SetLinger(0)
	theirs.Close()
	await(t, reads)
	await(t, writes)
}

// That a fiber has stood back is forgotten with its job: the next one may, too.
func TestStandBackOfTheNextJob(t *testing.T) {
	g := newGroup(t)
	await(t, onFiber(t, g, func(f *fiber.Fiber) { f.StandBack() }))
	until(t, "the fiber is kept", func() bool { return g.Spare() == 1 })
	await(t, onFiber(t, g, func(f *fiber.Fiber) {
		if f.Stood() {
			t.Error("it has stood back, in another job")
		}
	}))
}

// A fiber begins others, which begin others, and each waits.
func TestGoWithinFibers(t *testing.T) {
	g := newGroup(t)
	const deep = 30
	var over fiber.Signal
	ends := make(chan struct{}, deep)
	var begin func(f *fiber.Fiber, left int)
	waits := make([]fiber.Signal, deep)
	begin = func(f *fiber.Fiber, left int) {
		if left == 0 {
			over.Fire(f)
			return
		}
		if err := g.Go(func(f *fiber.Fiber) { begin(f, left-1) }); err != nil {
			t.Error(err)
		}
		waits[left-1].Await(f)
		ends <- struct{}{}
	}
	if err := g.Go(func(f *fiber.Fiber) { begin(f, deep) }); err != nil {
		t.Fatal(err)
	}
	over.Await(nil)
	for i := range waits {
		waits[i].Fire(nil)
	}
	for range deep {
		select {
		case <-ends:
		case <-time.After(ceiling):
			t.Fatal("a fiber has not gone on")
		}
	}
}

// A fiber may block until one goes on that it has begun, or given a signal: also where its
// worker was held up before, and another one waits for events since.
func TestHandOver(t *testing.T) {
	for name, wake := range map[string]func(f *fiber.Fiber, s *fiber.Signal){
		"signal": func(f *fiber.Fiber, s *fiber.Signal) { s.Fire(f) },
		"go":     func(f *fiber.Fiber, s *fiber.Signal) { _ = f.Go(func(f *fiber.Fiber) { s.Fire(f) }) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGroup(t)
			var s fiber.Signal
			woken, release := make(chan struct{}), make(chan struct{})
			other := onFiber(t, g, func(f *fiber.Fiber) { s.Await(f); close(woken) })
			all := blocked(t, g, 1, func(f *fiber.Fiber, _ *fiber.Conn) {
				<-release
				wake(f, &s)
				select {
				case <-woken:
				case <-time.After(ceiling):
					t.Error("the other one did not go on")
				}
			})
			until(t, "another worker waits, and nobody looks", g.Unguarded)
			close(release)
			await(t, all)
			await(t, other)
		})
	}
}
