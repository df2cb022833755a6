package fiber

import (
	"sync"
	"syscall"
	"time"
)

// shift is the workers. One of them at a time waits for events; those that it brings lie
// in a heap that all of them take from, so that one who is held up holds up nobody else.
type shift struct {
	group *Group
	most  int // workers that are of use at a time: more than that only when some are held up

	mu      sync.Mutex
	rest    *sync.Cond // workers without work rest here
	resting int
	workers int
	polling bool
	turns   uint64 // grows with all that a worker begins
	ended   bool
	gone    sync.WaitGroup
	left    int      // of the events: those at the end
	stood   []*Fiber // those that let others go first
	back    int      // how many of them have gone on
	events  [64]syscall.EpollEvent

	guarded bool          // the guard looks at the clock
	rouse   chan struct{} // of capacity 1: the guard is to do so again
}

// share is how many events bring another worker to work, if there is one at rest. With
// fewer of them it would cost more to wake it than it spares: with 8, a twelfth of small
// messages that are pipelined on two processors.
const share = 24

// held is how long a worker may be at one thing before another takes over the waiting.
const held = 5 * time.Millisecond

func (s *shift) begin(g *Group, most int) {
	s.group, s.most = g, most
	s.rest = sync.NewCond(&s.mu)
	s.rouse = make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hire()
	s.gone.Go(s.guard)
}

// hire adds a worker. The lock is held.
func (s *shift) hire() {
	s.workers++
	s.gone.Go(s.work)
}

// work is the life of a worker.
func (s *shift) work() {
	for {
		e, f, wait, stay := s.next()
		switch {
		case !stay:
			return
		case wait:
			s.bring()
		case f != nil:
			f.run(true)
		default:
			s.group.handle(&e)
		}
	}
}

// next is what a worker does next: it deals with an event, or waits for some.
func (s *shift) next() (e syscall.EpollEvent, f *Fiber, wait, stay bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.idle() && s.polling && !s.ended {
		if s.resting >= s.most {
			s.workers--
			return e, nil, false, false
		}
		s.resting++
		s.rest.Wait()
		s.resting--
	}
	if s.ended {
		return e, nil, false, false
	}
	s.turns++
	if s.left > 0 {
		s.left--
		return s.events[s.left], nil, false, true
	}
	if s.back < len(s.stood) {
		f, s.stood[s.back] = s.stood[s.back], nil
		if s.back++; s.back == len(s.stood) {
			s.stood, s.back = s.stood[:0], 0
		}
		return e, f, false, true
	}
	s.polling = true
	return e, nil, true, true
}

// idle reports whether there is nothing to be done. The lock is held.
func (s *shift) idle() bool { return s.left == 0 && s.back == len(s.stood) }

// bring waits for events.
func (s *shift) bring() {
	n := pollNow(s.group.poll, s.events[:])
	if n == 0 {
		n = poll(s.group.poll, s.events[:])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.polling = n, false
	s.turns++
	if n >= share {
		s.another()
	}
	s.alert()
}

// alert has the guard look at the clock. The lock is held.
func (s *shift) alert() {
	if !s.guarded {
		s.guarded = true
		s.rouse <- struct{}{} // there is room: only the guard makes it false, and then receives
	}
}

// another has one more worker work. The lock is held.
func (s *shift) another() {
	switch {
	case s.resting > 0:
		s.rest.Signal()
	case s.workers < s.most:
		s.hire()
	}
}

// guard has another worker take over where all that work are held up.
func (s *shift) guard() {
	tick := time.NewTicker(held)
	defer tick.Stop()
	var seen uint64
	for {
		s.mu.Lock()
		still := s.turns == seen
		seen = s.turns
		switch {
		case s.ended:
			s.mu.Unlock()
			return
		case still && s.polling && s.idle():
			s.guarded = false
		case still && s.resting > 0:
			s.rest.Signal()
		case still:
			s.hire()
		}
		guarded := s.guarded
		s.mu.Unlock()
		if !guarded {
			<-s.rouse
		}
		<-tick.C
	}
}

// end has all workers end, and waits for that.
func (s *shift) end(bell int) {
	s.mu.Lock()
	s.ended = true
	s.rest.Broadcast()
	s.alert()
	s.mu.Unlock()
	one := [8]byte{1}
	_, _ = syscall.Write(bell, one[:])
	s.gone.Wait()
}

// later has a fiber go on behind what is there to be done.
func (s *shift) later(f *Fiber) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stood = append(s.stood, f)
	s.alert() // this worker may come to be held up before it is here again
}
