package socket

import (
	"errors"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ceiling is what nothing here takes, however busy the machine is; moment is short, and
// nothing depends on its length.
const (
	ceiling = time.Minute
	moment  = 10 * time.Millisecond
)

// pair returns both ends of a connection over loopback, which holds little.
func pair(t testing.TB) (ours *Conn, theirs *net.TCPConn) {
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
	theirs = b.(*net.TCPConn)
	err = errors.Join(a.(*net.TCPConn).SetWriteBuffer(32<<10), theirs.SetReadBuffer(32<<10), theirs.SetDeadline(time.Now().Add(ceiling)))
	if err != nil {
		t.Fatal(err)
	}
	return New(a), theirs
}

// pipe is the same without a descriptor.
func pipe(t testing.TB) (ours *Conn, theirs net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close() })
	t.Cleanup(func() { b.Close() })
	return New(a), b
}

func within(t testing.TB, c *Conn, d time.Duration) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
}

func say(t testing.TB, nc net.Conn, text string) {
	t.Helper()
	if _, err := nc.Write([]byte(text)); err != nil {
		t.Fatal(err)
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
