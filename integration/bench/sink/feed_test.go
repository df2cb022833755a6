package sink

import (
	"bytes"
	"testing"

	"weir/integration/bench/poll"

	"golang.org/x/sys/unix"
)

// answers is what a connection is told that sends input in blocks of some size, and how many messages that is.
func answers(t *testing.T, input []byte, size int) (said []byte, messages uint64) {
	t.Helper()
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer poll.CloseFD(ends[1])
	c := &conn{fd: ends[0]}
	s.conns = make([]*conn, ends[0]+1)
	s.conns[c.fd] = c
	if err := s.poll.Add(c.fd, unix.EPOLLIN); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	for len(input) > 0 && s.conns[c.fd] == c {
		n := min(size, len(input))
		s.feed(c, input[:n])
		input = input[n:]
		for c.blocked || n > 0 {
			if n, _ = poll.Read(ends[1], buf); n > 0 {
				said = append(said, buf[:n]...)
			}
			if c.blocked && !s.flush(c) {
				break
			}
		}
	}
	for n := 1; n > 0; {
		n, _ = poll.Read(ends[1], buf)
		said = append(said, buf[:n]...)
	}
	return said, s.messages.Load()
}

// FuzzFeed: the answers do not depend on how the octets were cut.
func FuzzFeed(f *testing.F) {
	f.Add([]byte("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\na\r\n.\r\nQUIT\r\nNOOP\r\n"), byte(3))
	f.Add([]byte("\n\r\nX\nrset\nDATA\n.\r\n.\r\n"), byte(1))
	f.Add(bytes.Repeat([]byte("NOOP\r\n"), 3000), byte(200))
	f.Fuzz(func(t *testing.T, input []byte, size byte) {
		whole, n := answers(t, input, len(input)+1)
		cut, m := answers(t, input, 1+int(size))
		if !bytes.Equal(whole, cut) || n != m {
			t.Errorf("in one block %d messages, %.200q; in blocks of %d %d, %.200q", n, whole, 1+int(size), m, cut)
		}
	})
}
