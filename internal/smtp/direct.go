package smtp

import (
	"io"
	"time"
)

// FillInto reads once, at least one octet, into the caller's memory: what is
// buffered, or else what comes next, which it waits for as [Reader.Fill] does. It
// borrows no buffer of its own, so that content need not be copied. p must not be
// empty.
func (r *Reader) FillInto(p []byte) (int, error) { return r.FillIntoBy(p, time.Time{}) }

// FillIntoBy is [Reader.FillInto] for a wait of milliseconds: when nothing has come by
// then it returns [os.ErrDeadlineExceeded]. The read deadline of the connection counts
// too, and stays what it is. The zero time means that it is all that counts, and it is
// where there is no [socket.Conn].
func (r *Reader) FillIntoBy(p []byte, by time.Time) (n int, err error) {
	if n := r.drain(p); n > 0 {
		return n, nil
	}
	r.Release()
	r.into = p
	switch {
	case r.tls != nil:
		n, err = r.readTLS(by)
	case r.sock != nil && !by.IsZero():
		n, err = r.sock.ReceiveBy((*lending)(r), by)
	default:
		n, err = r.read()
	}
	r.into = nil
	if n == 0 && err == nil {
		err = io.ErrNoProgress
	}
	return n, err
}

// drain moves what is buffered.
func (r *Reader) drain(p []byte) int {
	n := copy(p, r.Buffered())
	if n > 0 {
		r.Discard(n)
	}
	return n
}

// Unread puts octets back in front of what is buffered. More than [LargeBuffer] of
// them cost an allocation.
func (r *Reader) Unread(p []byte) {
	if len(p) == 0 {
		return
	}
	if r.buf != nil && r.r >= len(p) {
		r.r -= len(p)
		copy((*r.buf)[r.r:], p)
		return
	}
	rest := r.Buffered()
	need := len(p) + len(rest)
	old, buf := r.buf, r.buffers.lend(max(r.size, need))
	copy((*buf)[copy(*buf, p):], rest)
	if old != nil {
		r.buffers.put(old)
	}
	r.buf, r.r, r.w = buf, 0, need
}
