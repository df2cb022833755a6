package fiber

import (
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// waiter is who waits at a side: a fiber, a goroutine, or what is to be begun on a fiber.
type waiter struct {
	fiber *Fiber
	woken chan struct{} // of a goroutine; of capacity 1
	conn  *Conn         // at which something is parked
}

// noted stands in the place of a waiter: something has happened, and nobody has waited.
var noted = new(waiter)

// goOn lets the waiter go on; a fiber does so here and now.
func (w *waiter) goOn(worker bool) {
	switch {
	case w.fiber != nil:
		w.fiber.run(worker)
	case w.conn != nil:
		w.conn.resume(worker)
	default:
		w.woken <- struct{}{}
	}
}

// send lets the waiter go on elsewhere: who sends may hold locks.
func (w *waiter) send() {
	switch {
	case w.fiber != nil:
		go w.fiber.run(false)
	case w.conn != nil:
		go w.conn.resume(false)
	default:
		w.woken <- struct{}{}
	}
}

// side is one direction of a connection, and who waits for it: one at a time.
type side struct {
	state   atomic.Pointer[waiter] // who waits; noted; nil: nothing has happened since it was looked at
	expired atomic.Bool            // the deadline has passed
	fiber   *Fiber                 // who waits when it has to; nil: the goroutine that does
	own     *waiter                // for goroutines that wait

	mu       sync.Mutex
	deadline time.Time // zero: never
	timer    *time.Timer
}

// notify takes in that something has happened, and returns who waited for that.
func (s *side) notify() *waiter {
	for {
		w := s.state.Load()
		switch {
		case w == noted:
			return nil
		case w == nil:
			if s.state.CompareAndSwap(nil, noted) {
				return nil
			}
		case s.state.CompareAndSwap(w, nil):
			return w
		}
	}
}

// settle makes w who waits, unless something has happened before.
func (s *side) settle(w *waiter) bool {
	if s.state.CompareAndSwap(nil, w) {
		return true
	}
	s.state.Store(nil) // it was noted, and only who waits takes that away
	return false
}

// seen takes the note away: what was noted is looked at from here on.
func (s *side) seen() {
	if s.state.Load() != nil {
		s.state.Store(nil)
	}
}

// quiet reports whether nothing was noted.
func (s *side) quiet() bool { return s.state.Load() == nil }

// wait waits until something happens, which may be nothing.
func (s *side) wait() error {
	switch {
	case s.expired.Load():
		return os.ErrDeadlineExceeded
	case s.fiber != nil:
		s.fiber.wait(s)
	default:
		if s.own == nil {
			s.own = &waiter{woken: make(chan struct{}, 1)}
		}
		if s.settle(s.own) {
			<-s.own.woken
		}
	}
	if s.expired.Load() {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// setDeadline is for any goroutine; the zero time is never.
func (s *side) setDeadline(t time.Time) {
	if s.arm(t) {
		s.wake()
	}
}

// arm reports whether the deadline has passed already.
func (s *side) arm(t time.Time) (passed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	if t.IsZero() {
		s.expired.Store(false)
		if s.timer != nil {
			s.timer.Stop()
		}
		return false
	}
	left := time.Until(t)
	s.expired.Store(left <= 0)
	switch {
	case left <= 0:
		return true
	case s.timer == nil:
		s.timer = time.AfterFunc(left, s.expire)
	default:
		s.timer.Reset(left)
	}
	return false
}

// expire is what the timer does.
func (s *side) expire() {
	s.mu.Lock()
	left := time.Until(s.deadline)
	passed := !s.deadline.IsZero() && left <= 0 // or it was set anew meanwhile
	switch {
	case passed:
		s.expired.Store(true)
	case !s.deadline.IsZero():
		s.timer.Reset(left) // also where the wall clock was set, which the deadline may be by
	}
	s.mu.Unlock()
	if w := (*waiter)(nil); passed {
		if w = s.notify(); w != nil {
			w.goOn(false) // this goroutine has nothing else to do
		}
	}
}

// wake ends a wait.
func (s *side) wake() {
	if w := s.notify(); w != nil {
		w.send()
	}
}

func (s *side) stopTimer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = time.Time{}
	if s.timer != nil {
		s.timer.Stop()
	}
}

// Signal lets one wait until something has happened elsewhere, once. The zero value is
// ready for use.
type Signal struct{ side side }

// Await waits for the signal, on a fiber, or as a goroutine where that is nil.
func (s *Signal) Await(f *Fiber) {
	s.side.fiber = f
	_ = s.side.wait() // it has no deadline
}

// Fire gives the signal, from a fiber, or where that is nil from a goroutine.
func (s *Signal) Fire(from *Fiber) {
	switch w := s.side.notify(); {
	case w == nil:
	case w.fiber != nil && from != nil:
		from.handOver(w.fiber)
	default:
		w.send()
	}
}
