package balancer_test

import (
	"bytes"
	"net"
	"sync"
	"testing"
)

// benchSink is a connector that takes everything and allocates nothing on the way, so
// that what a benchmark counts is weir's. It knows only the forms of commands that
// weir sends, each line of them whole in what one read brings or at its end.
type benchSink struct {
	ln    net.Listener
	all   sync.WaitGroup
	mu    sync.Mutex
	conns []net.Conn
}

func newBenchSink(b testing.TB) *benchSink {
	b.Helper()
	s := &benchSink{ln: loopback(b)}
	s.all.Go(s.accept)
	b.Cleanup(s.close)
	return s
}

func (s *benchSink) addr() string { return s.ln.Addr().String() }

func (s *benchSink) accept() {
	for {
		conn, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, conn)
		s.mu.Unlock()
		s.all.Go(func() { (&sinkConn{conn: conn}).serve() })
	}
}

func (s *benchSink) close() {
	_ = s.ln.Close()
	s.mu.Lock()
	for _, conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
}

// sinkConn is one connection of weir's.
type sinkConn struct {
	conn net.Conn
	in   [64 << 10]byte
	out  []byte
	left bool    // QUIT has come
	data bool    // content is expected
	tail [5]byte // the last octets of the content so far
}

func (c *sinkConn) serve() {
	defer func() { _ = c.conn.Close() }()
	c.out = append(c.out, "220 sink.test ESMTP\r\n"...)
	kept := 0
	for {
		if _, err := c.conn.Write(c.out); err != nil || c.left {
			return
		}
		c.out = c.out[:0]
		for len(c.out) == 0 {
			n, err := c.conn.Read(c.in[kept:])
			if err != nil {
				return
			}
			kept = copy(c.in[:], c.take(c.in[:kept+n]))
		}
	}
}

// take answers what is whole in p and returns the rest.
func (c *sinkConn) take(p []byte) []byte {
	for len(p) > 0 {
		if c.data {
			p = c.content(p)
			continue
		}
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			return p
		}
		c.command(p[:end])
		p = p[end+1:]
	}
	return nil
}

func (c *sinkConn) command(line []byte) {
	switch line[0] {
	case 'E':
		c.out = append(c.out, "250-sink.test\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"...)
	case 'D':
		c.data, c.tail = true, [5]byte{3: '\r', 4: '\n'}
		c.out = append(c.out, "354 Go ahead\r\n"...)
	case 'Q':
		c.out, c.left = append(c.out, "221 2.0.0 Bye\r\n"...), true
	default:
		c.out = append(c.out, "250 2.0.0 Ok\r\n"...)
	}
}

// content looks only at the end of what has come: nobody pipelines behind a final dot here.
func (c *sinkConn) content(p []byte) []byte {
	if len(p) >= len(c.tail) {
		copy(c.tail[:], p[len(p)-len(c.tail):])
	} else {
		copy(c.tail[:], c.tail[len(p):])
		copy(c.tail[len(c.tail)-len(p):], p)
	}
	if string(c.tail[:]) == "\r\n.\r\n" {
		c.data = false
		c.out = append(c.out, "250 2.0.0 Ok: queued as 4XyZ1234abcd\r\n"...)
	}
	return nil
}
