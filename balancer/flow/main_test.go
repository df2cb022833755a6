package flow

import (
	"io"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weir/internal/fiber"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ceiling is how long anything in a test may take; it is no expectation.
const ceiling = 20 * time.Second

// pair is a flow with what is at its two ends.
type pair struct {
	*Flow
	ended             chan struct{}
	sender, connector *net.TCPConn
}

// carry begins a flow.
func carry(t testing.TB, c *Carrier, limits Limits) pair {
	t.Helper()
	sender, front := connected(t)
	connector, back := connected(t)
	ended := make(chan struct{})
	f, err := c.Start(front, back, limits, func(*fiber.Fiber) { close(ended) })
	if err != nil {
		t.Fatal(err)
	}
	return pair{f, ended, sender, connector}
}

// connected returns the two ends of a connection; the test's end closes the first,
// whoever takes it the other one.
func connected(t testing.TB) (ours, theirs *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	other, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = nc.SetDeadline(time.Now().Add(ceiling))
	return nc.(*net.TCPConn), other.(*net.TCPConn)
}

// newCarrier returns one that the test's end closes.
func newCarrier(t testing.TB) *Carrier {
	fibers := new(fiber.Group)
	t.Cleanup(fibers.Close)
	c := NewCarrier(fibers)
	t.Cleanup(c.Close)
	return c
}

// over waits for the flow's end and returns it.
func (p pair) over(t testing.TB) Ending {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(ceiling):
		t.Fatal("the flow does not end")
	}
	return p.Ending()
}

func say(t testing.TB, nc net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(nc, text); err != nil {
		t.Fatal(err)
	}
}

func hear(t testing.TB, nc net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(nc, got); err != nil || string(got) != want {
		t.Fatalf("heard %q, %v; want %q", got, err, want)
	}
}

// ends checks that nothing more comes, and no reset either.
func ends(t testing.TB, nc net.Conn) {
	t.Helper()
	if rest, err := io.ReadAll(nc); err != nil || len(rest) != 0 {
		t.Fatalf("then came %q, %v", rest, err)
	}
}

// descriptors returns how many this process has open.
func descriptors(t testing.TB) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}
