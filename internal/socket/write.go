package socket

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"weir/internal/fiber"
)

// Patience is how long a write waits for what the system does not take at once. The
// zero value is without end.
type Patience struct {
	Until    time.Time     // when all must have gone out; zero: no such time
	Within   time.Duration // the same, from when the write begins to wait; 0: no such time
	Progress time.Duration // the longest time without any progress; 0: as long as Until allows
	Ear      Ear           // who listens meanwhile; nil: nobody
	Plain    bool          // all that can be heard is octets: a fiber may listen for itself
}

// Ear listens to the other side while a write waits.
type Ear interface {
	Open() error // begins to listen, unless it does already
	Heard() bool // whether there was anything; what waits then is ended by [Conn.EndWrite]
}

// ErrHeard ends a write when the other side spoke or went before all was sent.
var ErrHeard = errors.New("the other side spoke before everything was sent")

// writing is the half of a connection that is written to.
type writing struct {
	patience Patience // set while nobody writes
	write    func(fd uintptr)
	p        []byte
	n        int
	errno    syscall.Errno
}

func (w *writing) prepare() { w.write = w.writeTo }

// Have makes p the patience of the writes from now on. It is for who writes.
func (c *Conn) Have(p Patience) { c.out.patience = p }

// Write implements [net.Conn]. It returns how many octets the system took.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.writeNow(p)
	if err != nil || n == len(p) {
		return n, err
	}
	m, err := c.writeWaiting(p[n:])
	return n + m, err
}

// writeNow writes what goes without waiting.
func (c *Conn) writeNow(p []byte) (int, error) {
	if c.raw == nil {
		return 0, nil
	}
	c.out.p = p
	err := c.raw.Control(c.out.write)
	c.out.p = nil
	switch {
	case err != nil:
		return 0, err
	case c.out.errno == syscall.EAGAIN:
		return 0, nil
	case c.out.errno != 0:
		return 0, fmt.Errorf("writing: %w", c.out.errno)
	}
	return c.out.n, nil
}

func (w *writing) writeTo(fd uintptr) {
	for {
		w.n, w.errno = write(fd, w.p)
		if w.errno != syscall.EINTR {
			return
		}
	}
}

func (c *Conn) writeWaiting(p []byte) (n int, err error) {
	patience := &c.out.patience
	switch {
	case patience.Ear == nil:
	case patience.Plain && c.carrier != nil:
		return c.writeHeeding(p)
	default:
		if err := patience.Ear.Open(); err != nil {
			return 0, err
		}
	}
	until := patience.until(time.Now())
	for n < len(p) && err == nil {
		if err = c.nc.SetWriteDeadline(patience.next(until)); err != nil {
			break
		}
		if patience.heard() {
			break // the deadline that the ear set may have come before ours
		}
		var m int
		m, err = c.nc.Write(p[n:])
		n += m
		if m > 0 && patience.Progress > 0 && isTimeout(err) && time.Now().Before(until) {
			err = nil // that was progress
		}
	}
	if n < len(p) && patience.heard() {
		err = ErrHeard
	}
	return n, err
}

// writeHeeding is writeWaiting on a fiber that listens for itself.
func (c *Conn) writeHeeding(p []byte) (n int, err error) {
	c.fibers.Heed(true)
	defer c.fibers.Heed(false)
	until := c.out.patience.until(time.Now())
	for n < len(p) {
		c.fibers.Unheard()
		if c.Look() != Quiet {
			return n, ErrHeard
		}
		_ = c.nc.SetWriteDeadline(c.out.patience.next(until))
		m, err := c.nc.Write(p[n:])
		n += m
		switch {
		case err == nil, errors.Is(err, fiber.ErrSpoke):
		case m > 0 && isTimeout(err) && c.out.patience.Progress > 0 && time.Now().Before(until): // that was progress
		default:
			return n, err
		}
	}
	return n, nil
}

// EndWrite ends a write that waits. It is for any goroutine.
func (c *Conn) EndWrite() { _ = c.nc.SetWriteDeadline(time.Unix(1, 0)) }

// until is when a write that begins to wait now must be over; zero: never.
func (p *Patience) until(now time.Time) time.Time {
	if p.Within > 0 {
		if t := now.Add(p.Within); p.Until.IsZero() || t.Before(p.Until) {
			return t
		}
	}
	return p.Until
}

// next is when there must have been some progress, or all be over.
func (p *Patience) next(until time.Time) time.Time {
	if p.Progress > 0 {
		if next := time.Now().Add(p.Progress); until.IsZero() || next.Before(until) {
			return next
		}
	}
	return until
}

func (p *Patience) heard() bool { return p.Ear != nil && p.Ear.Heard() }

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
