package smtp

import (
	"time"

	"weir/internal/socket"
)

// Attention is what a look at a connection, without waiting, finds.
type Attention = socket.Attention

// The findings.
const (
	Quiet  = socket.Quiet  // open, and nothing to read
	Spoke  = socket.Spoke  // there are octets to read
	Closed = socket.Closed // closed or reset by the other side
)

// Look finds out, without waiting, whether the other side has spoken or gone. Of
// TLS over [UnderTLS] it reads into the buffer what is there: what TLS has to say
// for itself, such as session tickets, is no speech, and close_notify is an end.
// Any other connection without a descriptor always seems quiet.
func (r *Reader) Look() Attention {
	switch {
	case r.r < r.w:
		return Spoke
	case r.tls != nil:
		return r.lookTLS()
	case r.sock != nil:
		return r.sock.Look()
	default:
		return Quiet
	}
}

// Rest reports whether there is nothing to be read that the connection below does not
// know of. Then the reader holds nothing, and what was read last is not valid any more.
func (r *Reader) Rest() bool {
	if r.r < r.w || r.tls != nil && r.lookTLS() != Quiet {
		return false
	}
	r.Release()
	return true
}

// Await waits until the other side has spoken or gone, or until the read deadline
// (the error then is [os.ErrDeadlineExceeded]). It consumes nothing. Of a
// connection that cannot be looked at, or not yet, it does not wait: Quiet, and no
// error.
func (r *Reader) Await() (Attention, error) {
	if r.sock != nil && r.r == r.w {
		return r.sock.Await()
	}
	for {
		seen := r.Look()
		if seen != Quiet || r.tls == nil || !r.tls.established() {
			return seen, nil
		}
		if err := r.tls.under.fetch(r.size, time.Time{}); err != nil {
			return Quiet, err
		}
	}
}
