package smtp

import (
	"io"
	"math/rand/v2"
	"net"
	"runtime/debug"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"weir/internal/socket"
)

// failer is what tests, properties and fuzz targets have in common, so that all
// of them check the same things.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// cutter says how many of the n octets that are left come in the next piece,
// from 1 to n.
type cutter func(n int) int

func wholly(n int) int     { return n }
func byteByByte(_ int) int { return 1 }

// cutAt cuts once, behind the first k octets.
func cutAt(k int) cutter {
	first := true
	return func(n int) int {
		if first && 0 < k && k < n {
			first = false
			return k
		}
		return n
	}
}

// cutBySeed cuts into pieces of 1 to 8 octets, or rarely more.
func cutBySeed(seed uint64) cutter {
	r := rand.New(rand.NewPCG(seed, 42))
	return func(n int) int {
		most := 8
		if r.IntN(8) == 0 {
			most = 2000
		}
		return 1 + r.IntN(min(most, n))
	}
}

// drawCutter draws how the octets are split.
func drawCutter(t *rapid.T) cutter { return cutBySeed(rapid.Uint64().Draw(t, "cuts")) }

// pieces calls f with each piece of p.
func pieces(p []byte, cut cutter, f func(piece []byte)) {
	for len(p) > 0 {
		n := cut(len(p))
		f(p[:n])
		p = p[n:]
	}
}

// inPieces is a connection on which p arrives as cut says, and then its end.
type inPieces struct {
	p   []byte
	cut cutter
}

func (c *inPieces) Read(p []byte) (int, error) {
	if len(c.p) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.p[:c.cut(len(c.p))])
	c.p = c.p[n:]
	return n, nil
}

// readerOf reads text whole; slowReaderOf octet by octet.
func readerOf(text string) *Reader {
	return NewReader(&inPieces{[]byte(text), wholly}, new(Buffers))
}

func slowReaderOf(text string) *Reader {
	return NewReader(iotest.OneByteReader(&inPieces{[]byte(text), wholly}), new(Buffers))
}

// tcpPair returns both ends of a connection.
func tcpPair(t testing.TB) (ours, theirs *net.TCPConn) {
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
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

// socketPair is the same with our end as it is used.
func socketPair(t testing.TB) (ours *socket.Conn, theirs *net.TCPConn) {
	t.Helper()
	tcp, theirs := tcpPair(t)
	return socket.New(tcp), theirs
}

// underRace reports whether the race detector is on. It makes sync.Pool forget
// at random, so that allocations cannot be counted.
func underRace() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" && s.Value == "true" {
			return true
		}
	}
	return false
}

// plainOffer is what a session offers at least; wholeOffer all there is.
const (
	plainOffer = With8BitMIME | WithSize
	wholeOffer = everything
)
