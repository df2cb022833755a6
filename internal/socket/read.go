package socket

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"weir/internal/fiber"
)

// Lender lends the memory that is read into. It is asked when there may be something
// to read, and told when there is nothing yet and the connection is waited for.
type Lender interface {
	Lend() []byte // not empty
	TakeBack()
}

// reading is the half of a connection that is read from. Its functions are made once,
// so that a read costs no allocation.
type reading struct {
	receive, await func(fd uintptr) bool
	now, look      func(fd uintptr)
	to             Lender
	p              []byte
	n              int
	errno          syscall.Errno
	seen           Attention
	fibers         *fiber.Conn // to be told when there is no more
}

func (r *reading) prepare() {
	r.receive, r.await = r.receiveFrom, r.awaitAt
	r.now, r.look = r.readFrom, r.lookAt
}

// Receive reads once, at least one octet, into what it is lent, and waits for that
// until the read deadline; the error then is [os.ErrDeadlineExceeded]. While it waits
// it holds nothing, unless the connection has no descriptor. At the end it returns
// [io.EOF].
func (c *Conn) Receive(to Lender) (int, error) {
	if c.raw == nil {
		return c.readWaiting(to.Lend())
	}
	c.in.to = to
	err := c.wait(c.in.receive)
	c.in.to = nil
	if err != nil {
		return 0, err
	}
	return c.in.result()
}

// ReceiveBy is [Conn.Receive] with an end of its own, where that comes before the read
// deadline. It is for waits of milliseconds.
func (c *Conn) ReceiveBy(to Lender, by time.Time) (int, error) {
	if err := c.deadline.shorten(by, c.nc); err != nil {
		return 0, err
	}
	n, err := c.Receive(to)
	if e := c.deadline.shorten(time.Time{}, c.nc); err == nil && n == 0 {
		err = e
	}
	return n, err
}

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (int, error) {
	if c.raw == nil || len(p) == 0 {
		return c.readWaiting(p)
	}
	c.in.p = p
	err := c.wait(c.in.receive)
	c.in.p = nil
	if err != nil {
		return 0, err
	}
	return c.in.result()
}

// readWaiting reads as the connection itself does.
func (c *Conn) readWaiting(p []byte) (int, error) {
	for {
		n, err := c.nc.Read(p)
		if n > 0 || err == nil || !c.goesOn(err) {
			return n, err
		}
	}
}

// ReadNow reads what there is, without waiting and whatever the deadline: 0 and no
// error when there is nothing yet.
func (c *Conn) ReadNow(p []byte) (int, error) {
	if c.raw == nil {
		return 0, nil
	}
	c.in.p = p
	err := c.raw.Control(c.in.now)
	c.in.p = nil
	switch {
	case err != nil:
		return 0, err
	case c.in.errno == syscall.EAGAIN:
		return 0, nil
	}
	return c.in.result()
}

// Await waits until there is something to read, or an end, or until the read deadline.
// It takes nothing. A connection without a descriptor is not waited for.
func (c *Conn) Await() (Attention, error) {
	if c.raw == nil {
		return Quiet, nil
	}
	if err := c.wait(c.in.await); err != nil {
		return Quiet, err
	}
	return c.in.seen, nil
}

// Wait waits at the descriptor until done says that it is, which is called at once
// and whenever there is more to read, or an end; or until the read deadline. Without a
// descriptor it returns [errors.ErrUnsupported].
func (c *Conn) Wait(done func(fd uintptr) bool) error {
	if c.raw == nil {
		return errors.ErrUnsupported
	}
	return c.wait(done)
}

func (c *Conn) wait(done func(fd uintptr) bool) error {
	for {
		err := c.raw.Read(done)
		if err == nil || !c.goesOn(err) {
			return err
		}
	}
}

// goesOn reports whether a wait that has ended with err is to go on.
func (c *Conn) goesOn(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && c.deadline.renew(time.Now(), c.nc)
}

// result is what a read has come to.
func (r *reading) result() (int, error) {
	switch {
	case r.errno != 0:
		return 0, fmt.Errorf("reading: %w", r.errno)
	case r.n == 0:
		return 0, io.EOF
	}
	return r.n, nil
}

// receiveFrom reads, and returns false when there is nothing yet.
func (r *reading) receiveFrom(fd uintptr) bool {
	if r.to == nil {
		r.readFrom(fd)
		return r.errno != syscall.EAGAIN
	}
	r.p = r.to.Lend()
	r.readFrom(fd)
	r.p = nil
	if r.errno != syscall.EAGAIN {
		return true
	}
	r.to.TakeBack()
	return false
}

func (r *reading) readFrom(fd uintptr) {
	for {
		r.n, r.errno = read(fd, r.p)
		if r.errno != syscall.EINTR {
			break
		}
	}
	if r.fibers != nil && r.errno == 0 && r.n < len(r.p) {
		r.fibers.Drained()
	}
}

func (r *reading) awaitAt(fd uintptr) bool {
	r.seen = Peek(fd)
	return r.seen != Quiet
}
