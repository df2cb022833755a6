package balancer

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// What ends a bridge from within.
var (
	errIdle    = errors.New("timeout")
	errExpired = errors.New("session limit")
	errCut     = errors.New("cut off")
)

// afterClose is how long nothing may happen once the connector has closed: a sender
// that does not notice must not hold its place.
const afterClose = 30 * time.Second

// bridge carries octets between two sockets, both ways, until both have closed. A
// side that has closed may still listen.
type bridge struct {
	there, back way // from front to back, and from back to front
	pipes       *pipes
	until       time.Time // the zero value: for as long as it takes
	began       time.Time
	moved       atomic.Int64 // when something last was, either way: nanoseconds since began

	mu    sync.Mutex
	idle  time.Duration // how long nothing may move
	watch *time.Timer   // of the limits: few connections reach one, and none needs a goroutine for it
	first *ending
	over  bool // nobody carries any more
}

// spot is where on a bridge something happened.
type spot uint8

const (
	nowhere  spot = iota
	atBridge      // by its own limits, or from outside
	atFront
	atBack
)

// ending is what ended a bridge: the first thing that happened to it.
type ending struct {
	by  spot
	at  time.Time
	err error // nil: that side has closed
}

// newBridge makes a bridge that ends when nothing has moved for idle.
func newBridge(front, back net.Conn, idle time.Duration, pipes *pipes) *bridge {
	b := &bridge{pipes: pipes, idle: idle, began: time.Now()}
	b.there = way{bridge: b, from: front, to: back, source: atFront, sink: atBack}
	b.back = way{bridge: b, from: back, to: front, source: atBack, sink: atFront}
	return b
}

// run carries until both ways have ended, or ctx has. The sockets stay the caller's
// to close.
func (b *bridge) run(ctx context.Context) ending {
	b.mu.Lock()
	b.watch = time.AfterFunc(b.next(time.Now()), b.look)
	b.mu.Unlock()
	defer context.AfterFunc(ctx, b.cut)()
	done := make(chan struct{})
	go b.there.runUntil(done)
	b.back.run()
	<-done
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	b.watch.Stop()
	return *b.first
}

// ended takes in that one way has, before the other comes to know of it.
func (b *bridge) ended(e ending) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note(e)
	switch {
	case errors.Is(e.err, net.ErrClosed), b.first.by == atBridge:
		b.stop(past) // somebody wants it to end now
	case e.err != nil:
		b.stop(e.at.Add(lingering)) // the other way may still have something on it
	case e.by == atBack:
		b.touch()
		b.idle = min(b.idle, afterClose)
		b.watch.Reset(b.next(time.Now()))
	}
}

// look ends the bridge when a limit is reached, and else looks again.
func (b *bridge) look() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	err := b.overdue(now)
	switch {
	case b.over:
	case err == nil:
		b.watch.Reset(b.next(now))
	default:
		b.note(ending{by: atBridge, at: now, err: err})
		b.stop(past)
	}
}

// cut ends the bridge now.
func (b *bridge) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		b.note(ending{by: atBridge, at: time.Now(), err: errCut})
		b.stop(past)
	}
}

func (b *bridge) note(e ending) {
	if b.first == nil {
		b.first = &e
	}
}

// past is a deadline that ends what waits.
var past = time.Unix(1, 0)

// stop ends both ways at a time.
func (b *bridge) stop(at time.Time) {
	_ = b.there.from.SetDeadline(at)
	_ = b.there.to.SetDeadline(at)
}

// overdue says which of the limits is reached.
func (b *bridge) overdue(now time.Time) error {
	switch {
	case !b.until.IsZero() && !now.Before(b.until):
		return errExpired
	case b.quiet(now) >= b.idle:
		return errIdle
	}
	return nil
}

// next is how long no limit can be reached.
func (b *bridge) next(now time.Time) time.Duration {
	wait := b.idle - b.quiet(now)
	if !b.until.IsZero() {
		wait = min(wait, b.until.Sub(now))
	}
	return max(wait, 0)
}

// touch notes that something has happened.
func (b *bridge) touch() { b.moved.Store(int64(time.Since(b.began))) }

// quiet is how long nothing has moved.
func (b *bridge) quiet(now time.Time) time.Duration {
	return now.Sub(b.began) - time.Duration(b.moved.Load())
}

// way is one direction of a bridge.
type way struct {
	bridge       *bridge
	from, to     net.Conn
	source, sink spot
	moved        int64 // octets; to be read when the way has ended
}

// runUntil is run for a goroutine of its own.
func (w *way) runUntil(done chan<- struct{}) {
	defer close(done)
	w.run()
}

// run carries until the source has closed, and closes the sink's side of this
// direction only.
func (w *way) run() {
	by, err := w.carry()
	w.bridge.ended(ending{by: by, at: time.Now(), err: err})
	if half, ok := w.to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// carry moves octets until the source has closed (err is nil then) or something has
// failed, and says where.
func (w *way) carry() (by spot, err error) {
	from, to := descriptor(w.from), descriptor(w.to)
	if from != nil && to != nil {
		s := newSplicer(from, to, w.bridge.pipes)
		return s.run(w)
	}
	return w.copy()
}

// copy is for connections without a descriptor.
func (w *way) copy() (by spot, err error) {
	buf := make([]byte, 4<<10)
	for {
		n, err := w.from.Read(buf)
		if n > 0 {
			m, err := w.to.Write(buf[:n])
			w.count(m)
			if err != nil {
				return w.sink, err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return w.source, nil
		case err != nil:
			return w.source, err
		}
	}
}

// count notes that something has moved.
func (w *way) count(n int) {
	w.moved += int64(n)
	w.bridge.touch()
}
