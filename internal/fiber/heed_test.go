package fiber_test

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"weir/internal/fiber"
)

// A write that waits, and heeds, ends when the other side speaks or goes.
func TestHeed(t *testing.T) {
	for name, act := range map[string]func(t *testing.T, nc *net.TCPConn){
		"speaks": text("x"),
		"urgent": urgent("!"),
		"ends":   end,
		"resets": reset,
	} {
		t.Run(name, func(t *testing.T) {
			byEach(t, func(t *testing.T, g *fiber.Group, run func(*fiber.Conn, func()) <-chan struct{}) {
				c, theirs := pair(t, g)
				fill(t, c)
				c.Heed(true)
				c.Unheard()
				done := run(c, func() {
					n, err := c.Write(make([]byte, 1<<20))
					if err == nil || isOverdue(err) || name != "resets" && !errors.Is(err, fiber.ErrSpoke) {
						t.Errorf("%d, %v", n, err)
					}
				})
				until(t, "it waits", c.WriteWaits)
				act(t, theirs)
				await(t, done)
			})
		})
	}
}

// What has come before the write began, but behind Unheard, ends it too.
func TestHeedBeforeTheWait(t *testing.T) {
	byEach(t, func(t *testing.T, g *fiber.Group, run func(*fiber.Conn, func()) <-chan struct{}) {
		c, theirs := pair(t, g)
		c.SetWriteDeadline(time.Now().Add(moment))
		await(t, run(c, func() { // from here on it is watched for room
			if _, err := c.Write(make([]byte, 64<<20)); !isOverdue(err) {
				t.Error(err)
			}
		}))
		c.Heed(true)
		c.Unheard()
		say(t, theirs, "x")
		until(t, "the event has been taken in", c.ReadNoted)
		c.SetWriteDeadline(time.Now().Add(time.Hour))
		await(t, run(c, func() {
			if _, err := c.Write(make([]byte, 1<<20)); !errors.Is(err, fiber.ErrSpoke) {
				t.Errorf("the write ended with %v", err)
			}
		}))
	})
}

// One that does not heed goes on, and so does the next one behind Heed(false).
func TestNotHeeded(t *testing.T) {
	byEach(t, func(t *testing.T, g *fiber.Group, run func(*fiber.Conn, func()) <-chan struct{}) {
		c, theirs := pair(t, g)
		filled := fill(t, c)
		c.Heed(true)
		c.Heed(false)
		done := run(c, func() {
			if n, err := c.Write(make([]byte, 1<<20)); err != nil || n != 1<<20 {
				t.Errorf("%d, %v", n, err)
			}
		})
		until(t, "it waits", c.WriteWaits)
		say(t, theirs, "x")
		until(t, "the event has been taken in", c.ReadNoted)
		takeIn(t, theirs, filled+1<<20)
		await(t, done)
	})
}

// What came before Unheard ends no write.
func TestUnheard(t *testing.T) {
	byEach(t, func(t *testing.T, g *fiber.Group, run func(*fiber.Conn, func()) <-chan struct{}) {
		c, theirs := pair(t, g)
		filled := fill(t, c)
		_ = c.SetWriteDeadline(time.Now().Add(moment))
		await(t, run(c, func() { // from here on it is watched for room, which brings an event of all that there is
			if _, err := c.Write(make([]byte, 1<<20)); !isOverdue(err) {
				t.Error(err)
			}
		}))
		_ = c.SetWriteDeadline(time.Time{})
		say(t, theirs, "x")
		until(t, "the event has been taken in", c.ReadNoted)
		c.Heed(true)
		c.Unheard()
		done := run(c, func() {
			var n int
			for rest := 1 << 20; rest > 0; rest -= n {
				var err error
				n, err = c.Write(make([]byte, rest))
				if errors.Is(err, fiber.ErrSpoke) { // room is an event of all that there is, too
					c.Unheard()
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
		until(t, "it waits", c.WriteWaits)
		takeIn(t, theirs, filled+1<<20)
		await(t, done)
	})
}

func TestSignal(t *testing.T) {
	inBoth(t, func(t *testing.T, _ *fiber.Group, run func(func(*fiber.Fiber)) <-chan struct{}) {
		awaiting := func(s *fiber.Signal) <-chan struct{} { return run(func(f *fiber.Fiber) { s.Await(f) }) }
		t.Run("before", func(t *testing.T) {
			var s fiber.Signal
			s.Fire(nil)
			await(t, awaiting(&s))
			again := awaiting(&s)
			until(t, "it waits, as it was fired once", s.Waits)
			s.Fire(nil)
			await(t, again)
		})
		t.Run("after", func(t *testing.T) {
			var s fiber.Signal
			done := awaiting(&s)
			until(t, "it waits", s.Waits)
			select {
			case <-done:
				t.Error("it did not wait")
			default:
			}
			s.Fire(nil)
			await(t, done)
		})
		t.Run("at the same time", func(t *testing.T) {
			for range 500 {
				var s fiber.Signal
				var fired sync.WaitGroup
				fired.Go(func() { s.Fire(nil) })
				await(t, awaiting(&s))
				fired.Wait()
			}
		})
		t.Run("again", func(t *testing.T) {
			var s fiber.Signal
			for range 10 {
				done := awaiting(&s)
				until(t, "it waits", s.Waits)
				s.Fire(nil)
				await(t, done)
			}
		})
	})
}

// Fibers fire to each other, and none has to wait for the one that it wakes.
func TestSignalWithinFibers(t *testing.T) {
	g := newGroup(t)
	var there, back fiber.Signal
	first := onFiber(t, g, func(f *fiber.Fiber) {
		for range 100 {
			there.Await(f)
			back.Fire(f)
		}
	})
	second := onFiber(t, g, func(f *fiber.Fiber) {
		for range 100 {
			there.Fire(f)
			back.Await(f)
		}
	})
	await(t, first)
	await(t, second)
}
