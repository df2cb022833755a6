package fiber

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

// Listener is a listening socket that a [Group] watches. It is a [net.Listener].
type Listener struct {
	c    *Conn
	addr net.Addr
}

// Listen has the group watch a listening socket that package net has made. That one is
// closed, also where Listen fails; the new one goes on with it.
func (g *Group) Listen(ln net.Listener) (*Listener, error) {
	defer ln.Close()
	fd, err := duplicate(ln)
	if err != nil {
		return nil, err
	}
	return g.listen(fd, ln.Addr())
}

func (g *Group) listen(fd int, addr net.Addr) (*Listener, error) {
	c, err := g.Adopt(fd, nil)
	if err != nil {
		return nil, err
	}
	return &Listener{c: c, addr: addr}, nil
}

// Share returns a second handle of the socket: it listens until both are closed.
func (l *Listener) Share() (*Listener, error) {
	fd, err := duplicate(l.c)
	if err != nil {
		return nil, err
	}
	return l.c.group.listen(fd, l.addr)
}

// Carry makes f who waits in Accept from now on; nil: a goroutine does. It is for when
// nobody does.
func (l *Listener) Carry(f *Fiber) { l.c.Carry(f) }

// Accept implements [net.Listener]. What it returns is a *[Conn].
func (l *Listener) Accept() (net.Conn, error) {
	var c *Conn
	var failed error
	err := raw{l.c}.Read(func(fd uintptr) bool {
		c, failed = l.c.group.accept(int(fd))
		return failed != syscall.EAGAIN
	})
	switch {
	case err != nil:
		return nil, err
	case failed != nil:
		return nil, fmt.Errorf("accepting: %w", failed)
	}
	return c, nil
}

func (g *Group) accept(listener int) (*Conn, error) {
	for {
		fd, sa, err := syscall.Accept4(listener, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		switch err {
		case nil:
			return g.Adopt(fd, tcpAddr(sa))
		case syscall.EINTR, syscall.ECONNABORTED:
		default:
			return nil, err
		}
	}
}

// Close implements [net.Listener].
func (l *Listener) Close() error {
	// The socket may go on under another descriptor, and would be watched still.
	_ = raw{l.c}.Control(func(fd uintptr) { _ = watch(l.c.group.poll, syscall.EPOLL_CTL_DEL, int(fd), 0) })
	return l.c.Close()
}

// Addr implements [net.Listener].
func (l *Listener) Addr() net.Addr { return l.addr }

// duplicate returns a descriptor of our own of what has one.
func duplicate(of any) (int, error) {
	sc, ok := of.(syscall.Conn)
	if !ok {
		return -1, fmt.Errorf("taking a socket: %T has no descriptor", of)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("taking a socket: %w", err)
	}
	var own uintptr
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		own, _, errno = syscall.RawSyscall(syscall.SYS_FCNTL, fd, syscall.F_DUPFD_CLOEXEC, 0)
	})
	switch {
	case err != nil:
		return -1, fmt.Errorf("taking a socket: %w", err)
	case errno != 0:
		return -1, fmt.Errorf("taking a socket: %w", os.NewSyscallError("fcntl", errno))
	}
	return int(own), nil
}
