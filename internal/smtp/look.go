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

// Look finds out, without waiting, whether the other side has spoken or gone. Of
// TLS over [UnderTLS] it reads into the buffer what is there: what TLS has to say
// for itself, such as session tickets, is no speech, and close_notify is an end.
// Any other connection without a descriptor always seems quiet.
func (r *Reader) Look() Attention {
	if len(r.Buffered()) > 0 {
		return Spoke
	}
	if r.tls != nil {
		return r.lookTLS()
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

// Await waits until the other side has spoken or gone, or until the read deadline
// (the error then is [os.ErrDeadlineExceeded]). It consumes nothing. Of a
// connection that cannot be looked at, or not yet, it does not wait: Quiet, and no
// error.
func (r *Reader) Await() (Attention, error) {
	for {
		seen := r.Look()
		if seen != Quiet || !r.canWait() {
			return seen, nil
		}
		if err := r.wait(); err != nil {
			return Quiet, err
		}
	}
}

func (r *Reader) canWait() bool { return r.raw != nil || r.tls != nil && r.tls.established() }

// wait waits for octets or an end at the descriptor.
func (r *Reader) wait() error {
	if r.tls != nil {
		return r.tls.wait()
	}
	return r.raw.Read(func(fd uintptr) bool { return Peek(fd) != Quiet })
}
