package connector

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"weir/internal/smtp"
)

// wire is the socket under a connection, in plaintext or below TLS. It reads as
// the socket does. A write first takes what goes without waiting, which is nearly
// always everything and needs no deadline; for the rest it waits as its plan says.
type wire struct {
	net.Conn
	raw     syscall.RawConn // nil where the connection has no descriptor
	instant instantWrite
	plan    plan // set while nobody writes
}

// plan is how long a write waits.
type plan struct {
	until    time.Time
	progress time.Duration // the longest time without any progress; 0: until is all that counts
	ear      *ear          // who listens meanwhile; nil: nobody
}

// errEarly ends a write when the connector spoke or went before all was sent.
var errEarly = errors.New("the connector spoke before everything was sent")

// past is a deadline that ends what waits.
var past = time.Unix(1, 0)

func newWire(nc net.Conn) *wire {
	w := &wire{Conn: nc}
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			w.raw = raw
			w.instant.init()
		}
	}
	return w
}

// SyscallConn implements [syscall.Conn], for who looks at the socket.
func (w *wire) SyscallConn() (syscall.RawConn, error) {
	if w.raw == nil {
		return nil, errors.ErrUnsupported
	}
	return w.raw, nil
}

// Write implements [net.Conn]. Below TLS a reading goroutine may write too, but
// TLS lets one at a time.
func (w *wire) Write(p []byte) (int, error) {
	n, err := w.writeNow(p)
	if err != nil || n == len(p) {
		return n, err
	}
	m, err := w.writeWaiting(p[n:])
	return n + m, err
}

// writeNow writes what goes without waiting.
func (w *wire) writeNow(p []byte) (int, error) {
	if w.raw == nil {
		return 0, nil
	}
	w.instant.p = p
	err := w.raw.Control(w.instant.write)
	w.instant.p = nil
	if err != nil {
		return 0, err
	}
	return w.instant.n, w.instant.err
}

func (w *wire) writeWaiting(p []byte) (n int, err error) {
	if err := w.plan.ear.open(); err != nil {
		return 0, err
	}
	for n < len(p) && err == nil {
		if err = w.SetWriteDeadline(w.plan.deadline()); err != nil {
			break
		}
		if w.plan.ear.heard() {
			break // the deadline that the ear set may have come before ours
		}
		var m int
		m, err = w.Conn.Write(p[n:])
		n += m
		if m > 0 && w.plan.progress > 0 && IsTimeout(err) && time.Now().Before(w.plan.until) {
			err = nil // that was progress
		}
	}
	if n < len(p) && w.plan.ear.heard() {
		err = errEarly
	}
	return n, err
}

func (p *plan) deadline() time.Time {
	if p.progress > 0 {
		if next := time.Now().Add(p.progress); next.Before(p.until) {
			return next
		}
	}
	return p.until
}

// instantWrite writes to a descriptor without waiting and without regard to
// deadlines. Its function is made once, so that a write costs no allocation.
type instantWrite struct {
	write func(fd uintptr)
	p     []byte
	n     int
	err   error
}

func (i *instantWrite) init() {
	i.write = func(fd uintptr) { i.n, i.err = writeNow(int(fd), i.p) }
}

// writeNow writes what the socket takes without blocking.
func writeNow(fd int, p []byte) (int, error) {
	for {
		n, err := syscall.Write(fd, p)
		switch err {
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, nil
		default:
			return max(n, 0), err
		}
	}
}

// ear listens to the connector while a write waits (P28). Under TLS it reads too,
// into the reader's buffer: octets on the socket alone may be nothing but a
// session ticket. A nil ear hears nothing.
type ear struct {
	in    *smtp.Reader
	wire  *wire
	spoke atomic.Bool
	done  chan struct{} // nil while it does not listen
}

// open begins to listen, unless it does already.
func (e *ear) open() error {
	if e == nil || e.done != nil {
		return nil
	}
	if err := e.wire.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	e.done = make(chan struct{})
	go e.listen()
	return nil
}

// listen waits until the connector speaks or goes, and then ends a write that
// waits.
func (e *ear) listen() {
	defer close(e.done)
	if seen, err := e.in.Await(); err == nil && seen != smtp.Quiet {
		e.spoke.Store(true)
		_ = e.wire.SetWriteDeadline(past)
	}
}

func (e *ear) heard() bool { return e != nil && e.spoke.Load() }

// shut ends the listening. It is not to be called from within a write: below TLS
// the listener may want to write itself, to agree to a new key.
func (e *ear) shut() error {
	if e == nil || e.done == nil {
		return nil
	}
	err := e.wire.SetReadDeadline(past)
	<-e.done
	e.done = nil
	return err
}
