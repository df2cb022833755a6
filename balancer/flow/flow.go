package flow

import (
	"errors"
	"sync/atomic"
	"time"

	"weir/internal/fiber"
)

// Limits of a flow.
type Limits struct {
	Idle  time.Duration // how long nothing may move, either way; 0: for ever
	Until time.Time     // the zero value: for as long as it takes
	// AfterBack is how long nothing may move once the back has closed: a front that
	// does not notice must not hold its place. 0: as Idle.
	AfterBack time.Duration
	// Linger is how long a flow may go on once something of it has failed: the
	// other direction may still have something on it.
	Linger time.Duration
}

// Spot is where something happened.
type Spot uint8

// The spots: the two sides, as they were given to [Carrier.Start], and the flow
// itself, by its own limits or from outside.
const (
	Front Spot = iota
	Back
	Itself
)

// What ends a flow from within.
var (
	ErrIdle    = errors.New("timeout")
	ErrExpired = errors.New("session limit")
	ErrCut     = errors.New("cut off")
)

// Ending is what ended a flow: the first thing that happened to it.
type Ending struct {
	By  Spot
	At  time.Time
	Err error // nil: that side has closed
}

// Flow is a pair of connections between which octets are carried.
type Flow struct {
	loop   *loop
	id     uint64
	limits Limits
	ended  func(*fiber.Fiber)
	wanted atomic.Bool // somebody wants it to end

	// All else is the loop's, until it has ended.
	ways   [2]way // by their source
	ending *Ending
	over   bool
	moved  stamp // when something last was, either way
	until  stamp // 0: for as long as it takes
	due    stamp // no limit is reached before
	place  int   // in the order of these
	drains bool  // both ways have ended, and the front may still be sending
}

func newFlow(l *loop, fds [2]int, limits Limits, ended func(*fiber.Fiber)) *Flow {
	f := &Flow{loop: l, limits: limits, ended: ended, moved: l.clock()}
	if limits.Idle <= 0 {
		f.limits.Idle = never
	}
	if !limits.Until.IsZero() {
		f.until = f.moved + max(stamp(time.Until(limits.Until)), 1)
	}
	for s := range f.ways {
		f.ways[s] = way{flow: f, source: Spot(s), from: fds[s], to: fds[1-s], more: true}
	}
	f.due = f.next()
	return f
}

// Cut ends the flow now. It may be called by anybody, at any time.
func (f *Flow) Cut() {
	if f.wanted.CompareAndSwap(false, true) {
		f.loop.cut(f)
	}
}

// Ending returns what ended the flow. It is for after the end.
func (f *Flow) Ending() Ending { return *f.ending }

// Moved returns how many octets that came from a side were given to the other one. It
// is for after the end.
func (f *Flow) Moved(from Spot) int64 { return f.ways[from].moved }

// note takes in that something has happened; the first counts.
func (f *Flow) note(by Spot, err error) {
	if f.ending == nil {
		f.ending = &Ending{By: by, At: time.Now(), Err: err}
	}
}

// never is longer than anything lasts.
const never = time.Duration(1) << 60

// next is when the next limit can be reached.
func (f *Flow) next() stamp {
	at := f.moved + stamp(f.limits.Idle)
	if f.until != 0 {
		at = min(at, f.until)
	}
	return at
}

// overdue says which of the limits is reached.
func (f *Flow) overdue(now stamp) error {
	switch {
	case f.until != 0 && now >= f.until:
		return ErrExpired
	case now >= f.moved+stamp(f.limits.Idle):
		return ErrIdle
	}
	return nil
}

// wayEnded takes in that one way has, because of what happened at a spot.
func (f *Flow) wayEnded(w *way, by Spot, err error, now stamp) {
	w.end()
	f.note(by, err)
	if f.ways[Front].ended && f.ways[Back].ended {
		f.bothEnded(now)
		return
	}
	closeHalf(w.to)
	switch {
	case err != nil:
		f.hurry(now)
	case by == Back && f.limits.AfterBack > 0:
		f.moved, f.limits.Idle = now, min(f.limits.Idle, f.limits.AfterBack)
		f.loop.due.sooner(f)
	}
}

// hurry has the flow end soon, come what may.
func (f *Flow) hurry(now stamp) {
	soon := now + stamp(f.limits.Linger)
	if f.until == 0 || soon < f.until {
		f.until = soon
		f.loop.due.sooner(f)
	}
}

// bothEnded ends the flow, or lets the front notice, where it was not heard to the end:
// to close while it sends would be a reset, which takes away from it what it was told.
func (f *Flow) bothEnded(now stamp) {
	if !f.ways[Front].broken {
		f.loop.finish(f)
		return
	}
	closeHalf(f.ways[Front].from)
	f.drains = true
	f.hurry(now)
	f.loop.again(&f.ways[Front])
}
