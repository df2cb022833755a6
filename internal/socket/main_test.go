package socket

import (
	"errors"
	"net"
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

// loopback returns both ends of a connection over it.
func loopback(t testing.TB) (ours, theirs *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	if err := b.SetDeadline(time.Now().Add(ceiling)); err != nil {
		t.Fatal(err)
	}
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

// pair is a connection over loopback that holds little.
func pair(t testing.TB) (ours *Conn, theirs *net.TCPConn) {
	t.Helper()
	nc, theirs := loopback(t)
	if err := errors.Join(nc.SetWriteBuffer(32<<10), theirs.SetReadBuffer(32<<10)); err != nil {
		t.Fatal(err)
	}
	return New(nc), theirs
}

// pipe is the same without a descriptor.
func pipe(t testing.TB) (ours *Conn, theirs net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close() })
	t.Cleanup(func() { b.Close() })
	return New(a), b
}

// each runs a test with a descriptor and without one.
func each(t *testing.T, test func(t *testing.T, ours *Conn, theirs net.Conn)) {
	t.Helper()
	t.Run("socket", func(t *testing.T) {
		ours, theirs := pair(t)
		test(t, ours, theirs)
	})
	t.Run("pipe", func(t *testing.T) {
		ours, theirs := pipe(t)
		test(t, ours, theirs)
	})
}

// onFiber runs do on a fiber, with a connection that it carries and the other side of that.
// What is run must not end the test.
func onFiber(t *testing.T, do func(s *Conn, other *net.TCPConn)) {
	t.Helper()
	g := new(fiber.Group)
	t.Cleanup(g.Close)
	nc, other := loopback(t)
	watched, err := g.Take(nc)
	if err != nil {
		t.Fatal(err)
	}
	s := New(watched)
	defer s.Close()
	done := make(chan struct{})
	if err := g.Go(func(f *fiber.Fiber) {
		defer close(done)
		s.Carry(f)
		do(s, other)
	}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(ceiling):
		t.Error("it does not end")
		_ = s.Close()
		<-done
	}
}

// within sets the deadline of what is read next.
func within(t testing.TB, c *Conn, d time.Duration) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
}

// say is for fibers too, and so does not end the test.
func say(t testing.TB, nc net.Conn, text string) {
	t.Helper()
	if _, err := nc.Write([]byte(text)); err != nil {
		t.Error(err)
	}
}

// memory is a lender that knows whether what it has lent is out.
type memory struct {
	p         []byte
	out       bool
	takenBack int
}

func (m *memory) Lend() []byte {
	m.out = true
	return m.p
}

func (m *memory) TakeBack() {
	m.out = false
	m.takenBack++
}
