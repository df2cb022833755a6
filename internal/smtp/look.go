package smtp

import "syscall"

// Attention is what a look at a connection, without waiting, finds.
type Attention uint8

// The findings.
const (
	Quiet  Attention = iota // open, and nothing to read
	Spoke                   // there are octets to read
	Closed                  // closed or reset by the other side
)

// Look finds out, without reading or waiting, whether the other side has spoken
// or gone. A connection without a descriptor always seems quiet.
func (r *Reader) Look() Attention {
	if len(r.Buffered()) > 0 {
		return Spoke
	}
	if r.raw == nil {
		return Quiet
	}
	if err := r.raw.Control(r.look); err != nil {
		return Closed
	}
	return r.seen
}

// Peek is [Reader.Look] at a descriptor.
func Peek(fd uintptr) Attention {
	var one [1]byte
	for {
		n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return Quiet
		case err == nil && n > 0:
			return Spoke
		default:
			return Closed
		}
	}
}
