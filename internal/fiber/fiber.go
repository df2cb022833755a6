package fiber

import (
	"fmt"
	"iter"
	"runtime"
	"runtime/debug"
)

// Fiber is code that waits without a goroutine of the scheduler's.
type Fiber struct {
	group  *Group
	waiter waiter
	job    func(*Fiber)
	next   func() (pause, bool)
	stop   func()
	yield  func(pause) bool
	stood  int   // how often it would have let others go first since it last waited
	parks  *Conn // where what follows its job is to begin; nil: nothing does
	worker bool  // it is run by one
}

// pause is why a fiber has handed its processor back.
type pause struct {
	side *side // it waits there
	why  reason
}

type reason uint8

const (
	done  reason = iota
	waits        // for a side
	left         // the worker
	stood        // back until the worker has nothing else to do
)

func newFiber(g *Group) *Fiber {
	f := &Fiber{group: g}
	f.waiter.fiber = f
	f.next, f.stop = iter.Pull(f.live)
	return f
}

// live is the fiber's own code: one job behind the other.
func (f *Fiber) live(yield func(pause) bool) {
	f.yield = yield
	for {
		f.work()
		f.job, f.stood = nil, 0
		if !yield(pause{}) {
			return
		}
	}
}

// work does the job. Who runs the fiber would be told of a panic, but not where it was.
func (f *Fiber) work() {
	defer func() {
		if p := recover(); p != nil {
			panic(fmt.Sprintf("%v, on a fiber:\n%s", p, debug.Stack()))
		}
	}()
	f.job(f)
}

// run goes on with the fiber until it waits. It is for who has woken it, and the only
// one to run it; behind a wait that is somebody else at once.
func (f *Fiber) run(worker bool) {
	for {
		f.worker = worker
		p, _ := f.next()
		switch {
		case p.why == done:
			if f = f.retire(); f == nil {
				return
			}
		case p.why == left:
			go f.run(false)
			return
		case p.why == stood && worker:
			f.group.shift.later(f)
			return
		case p.why == waits && p.side.settle(&f.waiter):
			return
		}
	}
}

// retire ends the use of a fiber whose job is done. It returns the one that is to go on
// with what was parked, where something has come for that meanwhile.
func (f *Fiber) retire() *Fiber {
	g, c := f.group, f.parks
	f.parks = nil
	g.putBack(f)
	if c == nil || c.in.settle(&c.parked) {
		return nil
	}
	next := g.take()
	if next != nil {
		c.drained, next.job = false, c.then
	}
	return next
}

// Park ends the fiber's job, which must return at once and leave everything alone: when
// something comes on a connection, or its read deadline passes, or it is closed, then is
// run on whatever fiber there is. Until then it holds no fiber, and no stack. It returns
// false, and does nothing, where something may be there already.
func (f *Fiber) Park(c *Conn, then func(*Fiber)) bool {
	if !c.Silent() || c.ended.Load() || c.in.expired.Load() || c.closed.Load() {
		return false
	}
	c.then, c.parked.conn = then, c
	f.parks = c
	return true
}

// Go has another fiber begin when this one waits. It is for this fiber's own code.
func (f *Fiber) Go(do func(*Fiber)) error {
	other := f.group.take()
	if other == nil {
		return ErrClosed
	}
	other.job = do
	f.handOver(other)
	return nil
}

// handOver has a fiber go on that this one must not wait for, as it would where it ran
// it itself and that came to block.
func (f *Fiber) handOver(other *Fiber) {
	if f.worker {
		f.group.shift.later(other)
	} else {
		go other.run(false)
	}
}

// Leave moves the fiber to a goroutine, until it next waits for a connection: what comes
// may block or take long, and nobody else has to wait for it.
func (f *Fiber) Leave() { f.yield(pause{why: left}) }

// wait hands the processor back until there is something at a side.
func (f *Fiber) wait(s *side) {
	f.stood = 0
	f.yield(pause{side: s, why: waits})
}

// StandBack lets those go first for whom something has come already, once for each wait.
// Who does so before it writes has others write at the same time, and who is written to
// is woken once for all of them: 5 % of a small message. Who comes here again and again
// has much to do: he leaves, and behind that takes turns, or each of many such would have
// the processor for the scheduler's 10 ms.
func (f *Fiber) StandBack() {
	f.stood++
	switch {
	case f.stood == 1:
		f.yield(pause{why: stood})
	case f.stood%busy != 0:
	case f.worker:
		f.Leave()
	default:
		runtime.Gosched()
	}
}

// busy is how often a fiber may stand back without having waited: a message has a few
// commands and blocks, a large one that comes faster than it goes has hundreds.
const busy = 8
