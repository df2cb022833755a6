package socket

import (
	"errors"
	"net"
	"syscall"
	"time"

	"weir/internal/fiber"
)

// Conn is a connection to a client or a server. One goroutine may read from it while
// another writes; [Conn.SetReadDeadline], [Conn.EndWrite] and [Conn.Close] are for
// anybody at any time. It is a [net.Conn].
type Conn struct {
	nc       net.Conn
	raw      syscall.RawConn // nil: the connection has no descriptor
	fibers   *fiber.Conn     // nc, where fibers can wait for it; else nil
	carrier  *fiber.Fiber    // who waits; nil: goroutines
	in       reading
	out      writing
	deadline deadline
}

// New returns a connection over nc, which nobody else reads, writes, or sets a
// deadline of from then on.
func New(nc net.Conn) *Conn {
	c := &Conn{nc: nc}
	c.fibers, _ = nc.(*fiber.Conn)
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw = raw
			c.in.prepare()
			c.in.fibers = c.fibers
			c.out.prepare()
		}
	}
	return c
}

// Carry makes f who waits for the connection from now on, where a fiber can; nil:
// goroutines do. It is for when nobody uses the connection.
func (c *Conn) Carry(f *fiber.Fiber) {
	if c.fibers != nil {
		c.carrier = f
		c.fibers.Carry(f)
	}
}

// Park has then run when there is something to be read, or the read deadline has passed,
// on whatever fiber there is; see [fiber.Fiber.Park]. It returns false where it has to be
// waited for.
func (c *Conn) Park(then func(*fiber.Fiber)) bool {
	if c.fibers == nil || !c.fibers.Silent() && !c.emptied() {
		return false
	}
	return c.carrier.Park(c.fibers, then)
}

// emptied looks whether there is nothing to be read, though something was noted: of what
// comes while somebody reads the note may stay.
func (c *Conn) emptied() bool {
	c.fibers.Unheard() // before the look, or what comes behind it would go unnoticed
	if c.Look() != Quiet {
		return false
	}
	c.fibers.Drained()
	return true
}

// Again is for what was parked. It reports whether that has gone on for nothing: the
// deadline that was armed is not yet the one that is wanted, which is armed now, and there
// is nothing to be read. It can be parked again.
func (c *Conn) Again() bool {
	return c.fibers.Expired() && c.deadline.renew(time.Now(), c.nc) && c.emptied()
}

// LendReads has a goroutine read while the fiber writes, until [Conn.TakeReads].
func (c *Conn) LendReads() {
	if c.fibers != nil {
		c.fibers.CarryReads(nil)
	}
}

// TakeReads ends what [Conn.LendReads] began. It is for when nobody reads any more.
func (c *Conn) TakeReads() {
	if c.fibers != nil {
		c.fibers.CarryReads(c.carrier)
	}
}

// HasDescriptor reports whether the connection can be looked at, and waited for
// without a buffer.
func (c *Conn) HasDescriptor() bool { return c.raw != nil }

// HandOver gives the connection itself to who goes on with it, without any deadline.
// The Conn can still be looked at and closed, and its deadlines be set.
func (c *Conn) HandOver() (net.Conn, error) {
	c.deadline.forgo()
	return c.nc, c.nc.SetDeadline(time.Time{})
}

// Close implements [net.Conn]: what waits ends.
func (c *Conn) Close() error { return c.nc.Close() }

// CloseWrite ends our half of the connection, where there are halves.
func (c *Conn) CloseWrite() error {
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// LocalAddr implements [net.Conn].
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr implements [net.Conn].
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	_ = c.SetWriteDeadline(t)
	return c.SetReadDeadline(t)
}

// SetWriteDeadline implements [net.Conn], as a patience without progress. It is only
// for who writes: see [Conn.EndWrite].
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.patience = Patience{Until: t}
	return nil
}

// SetReadDeadline sets when the waits for octets end, one that goes on already too;
// the zero time is never. Reading what is there does not depend on it. It is for any
// goroutine: a time in the past ends a wait.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.deadline.set(t, c.nc) }
