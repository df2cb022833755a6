package fiber

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// Conn is a connection that a [Group] watches. One may read from it while another one
// writes; deadlines and Close are for anybody, at any time. It is a [net.Conn], and its
// own [syscall.RawConn].
type Conn struct {
	group   *Group
	fd      int
	uses    atomic.Int32 // calls that are made on the descriptor now, and closing
	freed   atomic.Bool
	closed  atomic.Bool
	ended   atomic.Bool // something other than plain octets has come, or the end
	drained bool        // there was nothing more to read; its reader's
	writes  atomic.Bool // it is watched for room to write, too
	heeds   atomic.Bool // who waits to write is woken by what comes, too
	in, out side
	parked  waiter       // see [Fiber.Park]
	then    func(*Fiber) // the same
	local   atomic.Pointer[net.TCPAddr]
	remote  net.Addr
}

// closing is more than there are ever calls at a time.
const closing = 1 << 20

// What is watched: octets and ends from the beginning, room only once it was wanted, or
// each connection would begin with an event that there is some.
const (
	forOctets = syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLPRI | edgeTriggered
	forRoom   = forOctets | syscall.EPOLLOUT
)

// Adopt watches a descriptor of a stream socket, which must be non-blocking. It is the
// connection's from then on, also where Adopt fails: it is closed then.
func (g *Group) Adopt(fd int, remote net.Addr) (*Conn, error) {
	return g.adopt(fd, remote, forOctets)
}

func (g *Group) adopt(fd int, remote net.Addr, events uint32) (*Conn, error) {
	if err := g.open(); err != nil {
		closeDescriptor(fd)
		return nil, err
	}
	c := &Conn{group: g, fd: fd, remote: remote}
	c.writes.Store(events&syscall.EPOLLOUT != 0)
	g.conns.place(fd).Store(c)
	if errno := watch(g.poll, syscall.EPOLL_CTL_ADD, fd, events); errno != 0 {
		_ = c.Close()
		return nil, fmt.Errorf("watching a connection: %w", errno)
	}
	return c, nil
}

// Carry makes f who waits for the connection from now on; nil: goroutines do. It is
// for when nobody uses the connection.
func (c *Conn) Carry(f *Fiber) { c.in.fiber, c.out.fiber = f, f }

// CarryReads is [Conn.Carry] for reading only.
func (c *Conn) CarryReads(f *Fiber) { c.in.fiber = f }

// handle takes in an event, and goes on with who waited for it.
func (g *Group) handle(e *syscall.EpollEvent) {
	c := g.conns.find(int(e.Fd))
	if c == nil {
		return // it is closed, or was the bell
	}
	const over = syscall.EPOLLHUP | syscall.EPOLLERR
	if e.Events&(over|syscall.EPOLLRDHUP|syscall.EPOLLPRI) != 0 {
		c.ended.Store(true)
	}
	var reader, writer *waiter
	if e.Events&(over|syscall.EPOLLIN|syscall.EPOLLRDHUP|syscall.EPOLLPRI) != 0 {
		reader = c.in.notify()
		if c.heeds.Load() {
			e.Events |= syscall.EPOLLOUT
		}
	}
	if e.Events&(over|syscall.EPOLLOUT) != 0 {
		writer = c.out.notify()
	}
	switch {
	case reader == nil && writer == nil:
	case reader == nil:
		writer.goOn(true)
	case writer == nil:
		reader.goOn(true)
	default:
		writer.send() // neither has to wait for the other
		reader.goOn(true)
	}
}

// resume goes on with what is parked.
func (c *Conn) resume(worker bool) {
	c.drained = false // as behind any wait
	c.group.begin(c.then, worker)
}

// enter has the descriptor stay open until exit.
func (c *Conn) enter() error {
	if c.uses.Add(1) < closing {
		return nil
	}
	c.exit()
	return net.ErrClosed
}

func (c *Conn) exit() {
	if c.uses.Add(-1) == closing && c.freed.CompareAndSwap(false, true) {
		c.free()
	}
}

// free closes the descriptor, which nobody uses any more.
func (c *Conn) free() {
	c.group.conns.at(c.fd).CompareAndSwap(c, nil)
	closeDescriptor(c.fd)
}

// Close implements [net.Conn]: what waits ends.
func (c *Conn) Close() error {
	if !c.shut() {
		return net.ErrClosed
	}
	if c.uses.Add(closing) == closing && c.freed.CompareAndSwap(false, true) {
		c.free()
	}
	c.in.wake()
	c.out.wake()
	return nil
}

// shut ends the connection as such, but for its descriptor.
func (c *Conn) shut() bool {
	if c.closed.Swap(true) {
		return false
	}
	c.in.stopTimer()
	c.out.stopTimer()
	return true
}

// Detach gives the descriptor away, which is not watched any more. The connection is
// closed. It is for when nobody uses it.
func (c *Conn) Detach() (fd int, err error) {
	if !c.shut() {
		return -1, net.ErrClosed
	}
	c.freed.Store(true)
	c.uses.Add(closing)
	c.group.conns.at(c.fd).CompareAndSwap(c, nil)
	if errno := watch(c.group.poll, syscall.EPOLL_CTL_DEL, c.fd, 0); errno != 0 {
		closeDescriptor(c.fd)
		return -1, fmt.Errorf("taking a connection: %w", errno)
	}
	return c.fd, nil
}

// SyscallConn implements [syscall.Conn].
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return raw{c}, nil }

// Drained is for who reads through the [syscall.RawConn]: there was less to read than
// there was room for, so there is no need to look before there is an event. It does not
// hold behind an end, or urgent data, which both stop a read short.
func (c *Conn) Drained() { c.drained = !c.ended.Load() }

// Silent reports whether nothing can have come since what was there was read to its end.
func (c *Conn) Silent() bool { return c.drained && c.in.quiet() }

// Expired reports whether the read deadline has passed.
func (c *Conn) Expired() bool { return c.in.expired.Load() }

// raw is a connection as a [syscall.RawConn].
type raw struct{ c *Conn }

// Control implements [syscall.RawConn].
func (r raw) Control(f func(fd uintptr)) error {
	if err := r.c.enter(); err != nil {
		return err
	}
	f(uintptr(r.c.fd))
	r.c.exit()
	return nil
}

// Read implements [syscall.RawConn].
func (r raw) Read(done func(fd uintptr) bool) error {
	c := r.c
	if c.in.expired.Load() {
		return os.ErrDeadlineExceeded
	}
	for {
		if !c.drained || !c.in.quiet() || c.ended.Load() {
			c.in.seen()
			c.drained = false
			if err := c.enter(); err != nil {
				return err
			}
			ready := done(uintptr(c.fd))
			c.exit()
			if ready {
				return nil
			}
		}
		err := c.await(&c.in)
		if c.drained = false; err != nil {
			return err
		}
	}
}

// Write implements [syscall.RawConn].
func (r raw) Write(done func(fd uintptr) bool) error {
	c := r.c
	if c.out.expired.Load() {
		return os.ErrDeadlineExceeded
	}
	for {
		c.out.seen()
		if err := c.enter(); err != nil {
			return err
		}
		ready := done(uintptr(c.fd))
		if !ready && c.writes.CompareAndSwap(false, true) {
			_ = watch(c.group.poll, syscall.EPOLL_CTL_MOD, c.fd, forRoom) // what room there is now is an event
		}
		c.exit()
		if ready {
			return nil
		}
		// What comes between a look at the other side and here has been noted at both
		// sides, and perhaps taken for room.
		if c.heeds.Load() && !c.in.quiet() {
			return ErrSpoke
		}
		if err := c.await(&c.out); err != nil {
			return err
		}
	}
}

// ErrSpoke ends a write that waits, where [Conn.Heed] asks for that.
var ErrSpoke = errors.New("the other side may have spoken")

// Heed has writes that wait end with [ErrSpoke] when something has come, which may be
// nothing that can be read, from when [Conn.Unheard] was called.
func (c *Conn) Heed(yes bool) { c.heeds.Store(yes) }

// Unheard has what came so far count as heard. It is there to be read still: whoever
// takes the note away and does not read has the next one who reads look for himself.
func (c *Conn) Unheard() {
	c.in.seen()
	c.drained = false
}

// await waits at a side, unless the connection is closed.
func (c *Conn) await(s *side) error {
	if c.closed.Load() {
		return net.ErrClosed
	}
	err := s.wait()
	if c.closed.Load() {
		return net.ErrClosed
	}
	return err
}

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	var failed error
	err = raw{c}.Read(func(fd uintptr) bool {
		n, failed = syscall.Read(int(fd), p)
		return failed != syscall.EAGAIN && failed != syscall.EINTR
	})
	switch {
	case err != nil:
		return 0, err
	case failed != nil:
		return 0, os.NewSyscallError("read", failed)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (n int, err error) {
	var failed error
	err = raw{c}.Write(func(fd uintptr) bool {
		for n < len(p) {
			m := 0
			if m, failed = sendTo(int(fd), p[n:]); failed != nil {
				return failed != syscall.EAGAIN
			}
			n += m
		}
		return true
	})
	if err == nil && failed != nil && n < len(p) {
		err = os.NewSyscallError("write", failed)
	}
	return n, err
}

// CloseWrite ends our half of the connection.
func (c *Conn) CloseWrite() error {
	return raw{c}.Control(func(fd uintptr) { _, _, _ = syscall.RawSyscall(syscall.SYS_SHUTDOWN, fd, syscall.SHUT_WR, 0) })
}

// RemoteAddr implements [net.Conn].
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// LocalAddr implements [net.Conn]; of a connection that is closed it is the zero address.
func (c *Conn) LocalAddr() net.Addr {
	if a := c.local.Load(); a != nil {
		return a
	}
	a := &net.TCPAddr{}
	if c.enter() == nil {
		if sa, err := syscall.Getsockname(c.fd); err == nil {
			a = tcpAddr(sa)
			c.local.Store(a)
		}
		c.exit()
	}
	return a
}

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	c.out.setDeadline(t)
	c.in.setDeadline(t)
	return nil
}

// SetReadDeadline implements [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(t)
	return nil
}

// SetWriteDeadline implements [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(t)
	return nil
}
