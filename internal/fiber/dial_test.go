package fiber_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"weir/internal/fiber"
)

// dialing is inBoth for what dials.
func dialing(t *testing.T, test func(t *testing.T, g *fiber.Group, dial func(ctx context.Context, to netip.AddrPort) (<-chan struct{}, *dialed))) {
	t.Helper()
	inBoth(t, func(t *testing.T, g *fiber.Group, run func(func(*fiber.Fiber)) <-chan struct{}) {
		test(t, g, func(ctx context.Context, to netip.AddrPort) (<-chan struct{}, *dialed) {
			d := new(dialed)
			return run(func(f *fiber.Fiber) { d.c, d.err = g.Dial(ctx, f, to); d.greet() }), d
		})
	})
}

// dialed is what a dial has come to, and what came over the connection.
type dialed struct {
	c     *fiber.Conn
	err   error
	heard string
}

// greet reads on the fiber, or goroutine, that has dialed.
func (d *dialed) greet() {
	if d.err != nil {
		return
	}
	defer d.c.Close()
	b := make([]byte, 100)
	n, _ := d.c.Read(b)
	d.heard = string(b[:n])
}

func TestDial(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(at, func(t *testing.T) {
			dialing(t, func(t *testing.T, _ *fiber.Group, dial func(context.Context, netip.AddrPort) (<-chan struct{}, *dialed)) {
				ln, err := net.Listen("tcp", at)
				if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
					t.Skipf("this kernel has no IPv6 on loopback: %v", err)
				}
				if err != nil {
					t.Fatal(err)
				}
				defer ln.Close()
				to := ln.Addr().(*net.TCPAddr).AddrPort()
				ctx, cancel := context.WithTimeout(context.Background(), ceiling)
				defer cancel()
				done, d := dial(ctx, to)
				nc, err := ln.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				say(t, nc, "hello")
				await(t, done)
				if d.err != nil {
					t.Fatal(d.err)
				}
				if d.heard != "hello" || d.c.RemoteAddr().String() != to.String() {
					t.Errorf("%q of %v", d.heard, d.c.RemoteAddr())
				}
			})
		})
	}
}

// What is in IPv6 form is reached by IPv4.
func TestDialMapped(t *testing.T) {
	g := newGroup(t)
	to := serve(t, g)
	c := dial(t, g, netip.AddrPortFrom(netip.AddrFrom16(to.Addr().As16()), to.Port()))
	_ = c.SetDeadline(time.Now().Add(ceiling))
	answers(t, c)
}

// Neither the deadline nor the end of the context goes on to what was dialed.
func TestDialContextIsOverWithIt(t *testing.T) {
	g := newGroup(t)
	to := serve(t, g)
	ctx, cancel := context.WithTimeout(context.Background(), ceiling)
	c, err := g.Dial(ctx, nil, to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cancel()
	answers(t, c)
	if _, err := c.Write(nil); err != nil {
		t.Error(err)
	}
}

func TestDialRefused(t *testing.T) {
	dialing(t, func(t *testing.T, _ *fiber.Group, dial func(context.Context, netip.AddrPort) (<-chan struct{}, *dialed)) {
		ln, to := listen(t, "127.0.0.1:0")
		ln.Close()
		done, d := dial(context.Background(), to)
		await(t, done)
		var op *net.OpError
		if !errors.Is(d.err, syscall.ECONNREFUSED) || !errors.As(d.err, &op) || op.Op != "dial" || op.Addr.String() != to.String() {
			t.Errorf("%v", d.err)
		}
	})
}

// deaf listens at a port where nobody answers: as many connections wait as there may.
func deaf(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	local := [4]byte{127, 0, 0, 1}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: local}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		waits, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { syscall.Close(waits) })
		if err := syscall.Connect(waits, sa); err != nil && err != syscall.EINPROGRESS {
			t.Fatal(err)
		}
	}
	return netip.AddrPortFrom(netip.AddrFrom4(local), uint16(sa.(*syscall.SockaddrInet4).Port))
}

func TestDialDeadline(t *testing.T) {
	dialing(t, func(t *testing.T, _ *fiber.Group, dial func(context.Context, netip.AddrPort) (<-chan struct{}, *dialed)) {
		ctx, cancel := context.WithTimeout(context.Background(), moment)
		defer cancel()
		done, d := dial(ctx, deaf(t))
		await(t, done)
		var ne net.Error
		if !errors.As(d.err, &ne) || !ne.Timeout() {
			t.Error(d.err)
		}
	})
}

func TestDialCancelled(t *testing.T) {
	for name, prepare := range map[string]func(cancel func()){
		"before": func(cancel func()) { cancel() },
		"while":  func(cancel func()) { time.AfterFunc(moment, cancel) },
	} {
		t.Run(name, func(t *testing.T) {
			dialing(t, func(t *testing.T, _ *fiber.Group, dial func(context.Context, netip.AddrPort) (<-chan struct{}, *dialed)) {
				to := deaf(t)
				why := errors.New("no longer wanted")
				ctx, cancel := context.WithCancelCause(context.Background())
				defer cancel(nil)
				prepare(func() { cancel(why) })
				done, d := dial(ctx, to)
				await(t, done)
				if !errors.Is(d.err, why) && !errors.Is(d.err, context.Canceled) {
					t.Error(d.err)
				}
			})
		})
	}
}

// selfish returns a socket that is connected to itself.
func selfish(t *testing.T) net.Conn {
	t.Helper()
	var last error
	for range 100 { // somebody else may get the port first
		ln, to := listen(t, "127.0.0.1:0")
		ln.Close()
		own := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(to)}
		nc, err := own.Dial("tcp", to.String())
		if err == nil {
			return nc
		}
		last = err
	}
	t.Fatal(last)
	return nil
}

// Where nobody listens, the system may connect a socket to itself.
func TestDialToItself(t *testing.T) {
	g := newGroup(t)
	c, err := g.Take(selfish(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !c.ToItself() {
		t.Error("it is not noticed")
	}
	other := dial(t, g, serve(t, g))
	if other.ToItself() {
		t.Error("another one is taken for that")
	}
}

// What is dialed sends at once, and notices when the other side is gone. What is accepted
// does as its listener, by the system.
func TestDialOptions(t *testing.T) {
	g := newGroup(t)
	c := dial(t, g, serve(t, g))
	for _, option := range [][2]int{{syscall.IPPROTO_TCP, syscall.TCP_NODELAY}, {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE}} {
		control(t, c, func(fd int) {
			if value, err := syscall.GetsockoptInt(fd, option[0], option[1]); err != nil || value == 0 {
				t.Errorf("option %v: %d, %v", option, value, err)
			}
		})
	}
}

// TestDialThisMachine: an address that is none in particular is this machine, and the
// connection says so.
func TestDialThisMachine(t *testing.T) {
	_, at := listen(t, "127.0.0.1:0")
	c, err := newGroup(t).Dial(t.Context(), nil, netip.AddrPortFrom(netip.IPv4Unspecified(), at.Port()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.RemoteAddr().String(); got != at.String() {
		t.Errorf("the other side is %s, want %s", got, at)
	}
}
