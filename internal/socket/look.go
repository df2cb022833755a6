package socket

import "syscall"

// Attention is what a look at a connection, without waiting, finds.
type Attention uint8

// The findings.
const (
	Quiet  Attention = iota // open, and nothing to read
	Spoke                   // there are octets to read
	Closed                  // closed or reset by the other side
)

// Look finds out, without waiting and whatever the deadline, whether the other side
// has spoken or gone.
func (c *Conn) Look() Attention {
	if c.raw == nil {
		return Quiet
	}
	if err := c.raw.Control(c.in.look); err != nil {
		return Closed
	}
	return c.in.seen
}

func (r *reading) lookAt(fd uintptr) { r.seen = Peek(fd) }

// Peek is [Conn.Look] at a descriptor.
func Peek(fd uintptr) Attention {
	for {
		n, errno := peek(fd)
		switch {
		case errno == syscall.EINTR:
		case errno == syscall.EAGAIN:
			return Quiet
		case errno == 0 && n > 0:
			return Spoke
		default:
			return Closed
		}
	}
}
