package socket

import (
	"fmt"
	"syscall"
)

// WriteLast is [Conn.Write] of what is followed by nothing but [Conn.CloseWrite]: the
// end goes out in the same segment, and the other side is woken once for both. Without
// the end what was written may stay for 0.2 s; [Conn.Close] alone, with something unread,
// is a reset and takes it away.
func (c *Conn) WriteLast(p []byte) (n int, err error) {
	if c.raw == nil || len(p) == 0 {
		return c.Write(p)
	}
	var errno syscall.Errno
	err = c.raw.Control(func(fd uintptr) {
		for {
			if n, errno = writeLast(fd, p); errno != syscall.EINTR {
				return
			}
		}
	})
	switch {
	case err != nil:
		return 0, err
	case errno != 0 && errno != syscall.EAGAIN:
		return 0, fmt.Errorf("writing: %w", errno)
	case n == len(p):
		return n, nil
	}
	m, err := c.writeWaiting(p[n:])
	return n + m, err
}
