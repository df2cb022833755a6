package fiber_test

import (
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/internal/fiber"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ceiling is what nothing here takes, however busy the machine is; moment is short, and
// nothing depends on its length.
const (
	ceiling = time.Minute
	moment  = 10 * time.Millisecond
)

func newGroup(t testing.TB) *fiber.Group {
	t.Helper()
	g := new(fiber.Group)
	t.Cleanup(g.Close)
	return g
}

// inBoth runs a test in which a fiber does what is run, and one in which a goroutine does,
// for which that is nil. What is run must not end the test.
func inBoth(t *testing.T, test func(t *testing.T, g *fiber.Group, run func(do func(*fiber.Fiber)) (done <-chan struct{}))) {
	t.Helper()
	t.Run("fiber", func(t *testing.T) {
		g := newGroup(t)
		test(t, g, func(do func(*fiber.Fiber)) <-chan struct{} { return onFiber(t, g, do) })
	})
	t.Run("goroutine", func(t *testing.T) {
		test(t, newGroup(t), func(do func(*fiber.Fiber)) <-chan struct{} {
			done := make(chan struct{})
			go func() { defer close(done); do(nil) }()
			return done
		})
	})
}

// byEach is inBoth for what uses a connection.
func byEach(t *testing.T, test func(t *testing.T, g *fiber.Group, run func(c *fiber.Conn, do func()) (done <-chan struct{}))) {
	t.Helper()
	inBoth(t, func(t *testing.T, g *fiber.Group, run func(func(*fiber.Fiber)) <-chan struct{}) {
		test(t, g, func(c *fiber.Conn, do func()) <-chan struct{} {
			return run(func(f *fiber.Fiber) {
				if f != nil {
					c.Carry(f)
				}
				do()
			})
		})
	})
}

// onFiber runs do on a fiber; it must not end the test.
func onFiber(t testing.TB, g *fiber.Group, do func(*fiber.Fiber)) <-chan struct{} {
	t.Helper()
	done := make(chan struct{})
	err := g.Go(func(f *fiber.Fiber) {
		defer close(done)
		do(f)
	})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// await waits until what runs elsewhere is done.
func await(t testing.TB, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(ceiling):
		stacks := make([]byte, 1<<16)
		t.Fatalf("not done:\n%s", stacks[:runtime.Stack(stacks, true)])
	}
}

// awaitAll waits until all that was begun is done.
func awaitAll(t testing.TB, all *sync.WaitGroup) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); all.Wait() }()
	await(t, done)
}

// until waits for a state.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(ceiling); !is(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatalf("not so: %s", what)
		}
	}
}

// listen opens a listener of package net.
func listen(t testing.TB, at string) (net.Listener, netip.AddrPort) {
	t.Helper()
	ln, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln, ln.Addr().(*net.TCPAddr).AddrPort()
}

// watched returns a listener of a group.
func watched(t testing.TB, g *fiber.Group) (*fiber.Listener, netip.AddrPort) {
	t.Helper()
	ln, to := listen(t, "127.0.0.1:0")
	l, err := g.Listen(ln)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if l.Addr().String() != to.String() {
		t.Errorf("it listens at %v", l.Addr())
	}
	return l, to
}

// reach opens a connection as anybody does.
func reach(t testing.TB, to netip.AddrPort) *net.TCPConn {
	t.Helper()
	nc, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(ceiling))
	return nc.(*net.TCPConn)
}

// pair returns both ends of a connection over loopback that holds little; ours is the
// group's.
func pair(t testing.TB, g *fiber.Group) (ours *fiber.Conn, theirs *net.TCPConn) {
	t.Helper()
	ln, to := listen(t, "127.0.0.1:0")
	defer ln.Close()
	theirs = reach(t, to)
	theirs.SetReadBuffer(16 << 10)
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	accepted.(*net.TCPConn).SetWriteBuffer(16 << 10)
	if ours, err = g.Take(accepted); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	return ours, theirs
}

// fill writes until there is no room, without waiting, and returns how much it wrote.
func fill(t testing.TB, c *fiber.Conn) (n int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 64<<10)
	for quiet := 0; quiet < 3; quiet++ { // what the other side takes in makes room again
		if err := raw.Control(func(fd uintptr) {
			for {
				m, err := writeNow(int(fd), p)
				if err != nil {
					return
				}
				n += m
				quiet = 0
			}
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(moment)
	}
	return n
}

func say(t testing.TB, nc net.Conn, text string) {
	t.Helper()
	if _, err := nc.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// hears fails the test where other words come.
func hears(t testing.TB, from io.Reader, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if n, err := io.ReadFull(from, b); err != nil || string(b) != want {
		t.Errorf("%q came, want %q: %v", b[:n], want, err)
	}
}

func writeNow(fd int, p []byte) (int, error) {
	return syscall.SendmsgN(fd, p, nil, nil, syscall.MSG_NOSIGNAL|syscall.MSG_DONTWAIT)
}

// isOpen reports whether a descriptor is one.
func isOpen(fd int) bool {
	_, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
	return errno == 0
}

// control runs do with the descriptor of a connection.
func control(t testing.TB, of syscall.Conn, do func(fd int)) {
	t.Helper()
	raw, err := of.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { do(int(fd)) })
	}
	if err != nil {
		t.Fatal(err)
	}
}

// draining reads as package socket does: it does not look for more where there was less
// than there was room for.
type draining struct{ c *fiber.Conn }

func (d draining) Read(p []byte) (n int, err error) {
	raw, err := d.c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		n, failed = syscall.Read(int(fd), p)
		if failed == nil && n < len(p) {
			d.c.Drained()
		}
		return failed != syscall.EAGAIN
	})
	switch {
	case err != nil:
		return 0, err
	case failed != nil:
		return 0, failed
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// takeIn reads n octets.
func takeIn(t testing.TB, nc net.Conn, n int) {
	t.Helper()
	if _, err := io.CopyN(io.Discard, nc, int64(n)); err != nil {
		t.Fatal(err)
	}
}
