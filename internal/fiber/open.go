package fiber

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// Dial opens a TCP connection to an address and a port in numbers, and waits for it on a
// fiber, or where that is nil as a goroutine. It ends with ctx, or at its deadline.
func (g *Group) Dial(ctx context.Context, f *Fiber, to netip.AddrPort) (*Conn, error) {
	to = somewhere(to)
	for again := 2; ; again-- {
		c, err := g.dial(ctx, f, to)
		if err != nil || !c.toItself() {
			return c, err
		}
		_ = c.Close()
		if again == 0 {
			return nil, dialError(to, syscall.ECONNREFUSED)
		}
	}
}

// somewhere is this machine for an address that is none in particular, as package net
// has it.
func somewhere(to netip.AddrPort) netip.AddrPort {
	switch to.Addr() {
	case netip.IPv4Unspecified():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), to.Port())
	case netip.IPv6Unspecified():
		return netip.AddrPortFrom(netip.IPv6Loopback(), to.Port())
	}
	return to
}

// toItself reports whether a connection has only itself at its other end, as it can
// happen where nobody listens at a port that the system may choose for ours.
func (c *Conn) toItself() bool {
	ours, ok := c.LocalAddr().(*net.TCPAddr)
	return ok && ours.Port == c.remote.(*net.TCPAddr).Port && ours.IP.Equal(c.remote.(*net.TCPAddr).IP)
}

func (g *Group) dial(ctx context.Context, f *Fiber, to netip.AddrPort) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, dialError(to, err)
	}
	family, sa := sockaddr(to)
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, syscall.IPPROTO_TCP)
	if err != nil {
		return nil, dialError(to, os.NewSyscallError("socket", err))
	}
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	keepAlive(fd)
	err = connect(fd, sa)
	if err != nil {
		closeDescriptor(fd)
		return nil, dialError(to, os.NewSyscallError("connect", err))
	}
	c, err := g.adopt(fd, net.TCPAddrFromAddrPort(to), forRoom)
	if err != nil {
		return nil, dialError(to, err)
	}
	c.Carry(f)
	if err := c.connected(ctx); err != nil {
		_ = c.Close()
		return nil, dialError(to, err)
	}
	return c, nil
}

// connect begins to.
func connect(fd int, sa syscall.Sockaddr) error {
	for {
		switch err := syscall.Connect(fd, sa); err {
		case syscall.EINPROGRESS, nil:
			return nil
		case syscall.EINTR:
		default:
			return err
		}
	}
}

// connected waits until the connection is there.
func (c *Conn) connected(ctx context.Context) error {
	deadline, _ := ctx.Deadline()
	c.out.setDeadline(deadline)
	goesOn := context.AfterFunc(ctx, func() { c.out.setDeadline(time.Unix(1, 0)) })
	var failed error
	err := c.await(&c.out) // the first event is that it is there, or that it failed
	if err == nil {
		err = raw{c}.Write(func(fd uintptr) bool { failed = connectedAt(int(fd)); return failed != syscall.ENOTCONN })
	}
	if !goesOn() {
		return context.Cause(ctx)
	}
	c.out.setDeadline(time.Time{})
	if err == nil {
		err = failed
	}
	return err
}

// connectedAt reports how connecting has ended, by [syscall.ENOTCONN] that it has not.
func connectedAt(fd int) error {
	code, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ERROR)
	if err == nil && code != 0 {
		err = syscall.Errno(code)
	}
	if err == nil {
		_, err = syscall.Getpeername(fd)
	}
	if err == nil || err == syscall.ENOTCONN {
		return err
	}
	return os.NewSyscallError("connect", err)
}

func dialError(to netip.AddrPort, err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: err}
}

// Keepalives, in seconds and probes: Go's own defaults.
const (
	keepIdle     = 15
	keepInterval = 15
	keepCount    = 9
)

func keepAlive(fd int) {
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1)
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, keepIdle)
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, keepInterval)
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, keepCount)
}

func sockaddr(a netip.AddrPort) (family int, sa syscall.Sockaddr) {
	addr := a.Addr().Unmap()
	if addr.Is4() {
		return syscall.AF_INET, &syscall.SockaddrInet4{Port: int(a.Port()), Addr: addr.As4()}
	}
	return syscall.AF_INET6, &syscall.SockaddrInet6{Port: int(a.Port()), Addr: addr.As16(), ZoneId: zone(addr.Zone())}
}

// zone is the number of an interface; 0: none.
func zone(name string) uint32 {
	if name == "" {
		return 0
	}
	if i, err := net.InterfaceByName(name); err == nil {
		return uint32(i.Index)
	}
	var n uint32
	_, _ = fmt.Sscan(name, &n)
	return n
}

func tcpAddr(sa syscall.Sockaddr) *net.TCPAddr {
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)))
	case *syscall.SockaddrInet6:
		addr := netip.AddrFrom16(sa.Addr)
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, uint16(sa.Port)))
	}
	return &net.TCPAddr{}
}

// Take has the group watch a connection that package net has made. That one is closed,
// also where Take fails; the new one goes on with it.
func (g *Group) Take(nc net.Conn) (*Conn, error) {
	defer nc.Close()
	fd, err := duplicate(nc)
	if err != nil {
		return nil, err
	}
	return g.Adopt(fd, nc.RemoteAddr())
}
