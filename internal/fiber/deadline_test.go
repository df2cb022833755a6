package fiber_test

import (
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"weir/internal/fiber"
)

// waiting is one direction of a connection whose other side is quiet, and does not read.
type waiting struct {
	use   func() error          // waits
	set   func(time.Time) error // its deadline
	waits func() bool
	goOn  func() // what the other side does for use to succeed
}

// inEach runs a test for both directions, each with a fiber and with a goroutine.
func inEach(t *testing.T, test func(t *testing.T, c *fiber.Conn, w waiting, run func(func()) <-chan struct{})) {
	t.Helper()
	byEach(t, func(t *testing.T, g *fiber.Group, run func(*fiber.Conn, func()) <-chan struct{}) {
		t.Run("read", func(t *testing.T) {
			c, theirs := pair(t, g)
			test(t, c, waiting{
				use:   func() error { _, err := c.Read(make([]byte, 1)); return err },
				set:   c.SetReadDeadline,
				waits: c.ReadWaits,
				goOn:  func() { say(t, theirs, "x") },
			}, func(do func()) <-chan struct{} { return run(c, do) })
		})
		t.Run("write", func(t *testing.T) {
			c, theirs := pair(t, g)
			filled := fill(t, c)
			test(t, c, waiting{
				use:   func() error { _, err := c.Write([]byte("x")); return err },
				set:   c.SetWriteDeadline,
				waits: c.WriteWaits,
				goOn:  func() { takeIn(t, theirs, filled) },
			}, func(do func()) <-chan struct{} { return run(c, do) })
		})
	})
}

func isOverdue(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

func TestDeadlinePast(t *testing.T) {
	inEach(t, func(t *testing.T, _ *fiber.Conn, w waiting, run func(func()) <-chan struct{}) {
		_ = w.set(time.Unix(1, 0))
		await(t, run(func() {
			for range 2 { // it stays so
				if err := w.use(); !isOverdue(err) {
					t.Error(err)
				}
			}
		}))
	})
}

func TestDeadlinePasses(t *testing.T) {
	inEach(t, func(t *testing.T, _ *fiber.Conn, w waiting, run func(func()) <-chan struct{}) {
		await(t, run(func() {
			for range 3 { // one behind another
				_ = w.set(time.Now().Add(moment))
				if err := w.use(); !isOverdue(err) {
					t.Error(err)
				}
				_ = w.set(time.Now().Add(moment).Round(0)) // by the wall clock
				if err := w.use(); !isOverdue(err) {
					t.Error(err)
				}
			}
		}))
	})
}

// A timer that fires before the deadline by the wall clock, as that was set back, ends
// nothing, and does not lose the deadline.
func TestDeadlineTimerIsEarly(t *testing.T) {
	byEach(t, func(t *testing.T, g *fiber.Group, run func(*fiber.Conn, func()) <-chan struct{}) {
		c, _ := pair(t, g)
		_ = c.SetReadDeadline(time.Now().Add(5 * moment).Round(0))
		c.ExpireEarly()
		await(t, run(c, func() {
			if _, err := c.Read(make([]byte, 1)); !isOverdue(err) {
				t.Error(err)
			}
		}))
	})
}

// Who waits is woken by a deadline that others move.
func TestDeadlineMovesNearer(t *testing.T) {
	for name, to := range map[string]func() time.Time{
		"future": func() time.Time { return time.Now().Add(moment) },
		"past":   func() time.Time { return time.Unix(1, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			inEach(t, func(t *testing.T, _ *fiber.Conn, w waiting, run func(func()) <-chan struct{}) {
				_ = w.set(time.Now().Add(time.Hour))
				done := run(func() {
					if err := w.use(); !isOverdue(err) {
						t.Error(err)
					}
				})
				until(t, "it waits", w.waits)
				_ = w.set(to())
				await(t, done)
			})
		})
	}
}

// A deadline that was moved or cleared does not end what waits.
func TestDeadlineMovesLater(t *testing.T) {
	for name, to := range map[string]time.Time{"later": time.Now().Add(time.Hour), "never": {}} {
		t.Run(name, func(t *testing.T) {
			inEach(t, func(t *testing.T, _ *fiber.Conn, w waiting, run func(func()) <-chan struct{}) {
				_ = w.set(time.Now().Add(moment))
				_ = w.set(to)
				done := run(func() {
					if err := w.use(); err != nil {
						t.Error(err)
					}
				})
				until(t, "it waits", w.waits)
				time.Sleep(2 * moment) // the first one would have passed
				w.goOn()
				await(t, done)
			})
		})
	}
}

// Behind a deadline that has passed the connection is as good as new.
func TestDeadlineAfterOneThatPassed(t *testing.T) {
	inEach(t, func(t *testing.T, _ *fiber.Conn, w waiting, run func(func()) <-chan struct{}) {
		_ = w.set(time.Now().Add(moment))
		await(t, run(func() {
			if err := w.use(); !isOverdue(err) {
				t.Error(err)
			}
		}))
		_ = w.set(time.Now().Add(time.Hour))
		done := run(func() {
			if err := w.use(); err != nil {
				t.Error(err)
			}
		})
		until(t, "it waits", w.waits)
		w.goOn()
		await(t, done)
	})
}

// A deadline that passes while nobody waits ends the next wait, even if there is something
// to read.
func TestDeadlinePassesBetweenWaits(t *testing.T) {
	byEach(t, func(t *testing.T, g *fiber.Group, run func(*fiber.Conn, func()) <-chan struct{}) {
		c, theirs := pair(t, g)
		say(t, theirs, "xy")
		_ = c.SetReadDeadline(time.Now().Add(time.Hour))
		use := func(is func(error) bool) {
			t.Helper()
			await(t, run(c, func() {
				if _, err := c.Read(make([]byte, 1)); !is(err) {
					t.Error(err)
				}
			}))
		}
		use(func(err error) bool { return err == nil })
		_ = c.SetReadDeadline(time.Now().Add(moment))
		until(t, "the deadline has passed", c.Expired)
		use(isOverdue)
		_ = c.SetReadDeadline(time.Time{})
		use(func(err error) bool { return err == nil })
	})
}

// Deadlines that many set, to the past and to the future, while somebody waits: the last
// one counts, and nothing is lost.
func TestDeadlineStorm(t *testing.T) {
	inEach(t, func(t *testing.T, _ *fiber.Conn, w waiting, run func(func()) <-chan struct{}) {
		over := make(chan struct{})
		done := run(func() {
			for {
				err := w.use()
				if err == nil {
					return
				}
				if !isOverdue(err) {
					t.Error(err)
					return
				}
				select {
				case <-over:
					_ = w.set(time.Time{})
				default:
				}
			}
		})
		var setters sync.WaitGroup
		for i := range 4 {
			setters.Go(func() {
				for j := range 200 {
					switch (i + j) % 4 {
					case 0:
						_ = w.set(time.Unix(1, 0))
					case 1:
						_ = w.set(time.Now().Add(100 * time.Microsecond))
					case 2:
						_ = w.set(time.Time{})
					case 3:
						_ = w.set(time.Now().Add(time.Hour))
					}
				}
			})
		}
		setters.Wait()
		close(over)
		_ = w.set(time.Time{})
		until(t, "it waits", w.waits)
		w.goOn()
		await(t, done)
	})
}
