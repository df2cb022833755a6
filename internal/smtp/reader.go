package smtp

import (
	"errors"
	"io"
	"sync"
	"time"

	"weir/internal/socket"
)

// Buffer sizes. A small one holds any command line and a pipelined group of
// usual size; a large one is lent while content flows.
const (
	SmallBuffer = 4 << 10
	LargeBuffer = 64 << 10
)

// Buffers lends read buffers. An idle connection holds none. The zero value is
// ready for use, by many goroutines.
type Buffers struct{ small, large sync.Pool }

func (b *Buffers) get(size int) *[]byte {
	pool := &b.small
	if size > SmallBuffer {
		pool = &b.large
	}
	if buf, ok := pool.Get().(*[]byte); ok {
		return buf
	}
	buf := make([]byte, size)
	return &buf
}

// lend returns a buffer for at least n octets; beyond a large one it is made.
func (b *Buffers) lend(n int) *[]byte {
	switch {
	case n <= SmallBuffer:
		return b.get(SmallBuffer)
	case n <= LargeBuffer:
		return b.get(LargeBuffer)
	}
	buf := make([]byte, n)
	return &buf
}

func (b *Buffers) put(buf *[]byte) {
	switch len(*buf) {
	case SmallBuffer:
		b.small.Put(buf)
	case LargeBuffer:
		b.large.Put(buf)
	}
}

// Errors of a [Reader].
var (
	// ErrLineTooLong is returned once for a line over the limit; the rest of
	// that line has been thrown away, so the dialogue stays in step.
	ErrLineTooLong = errors.New("line too long")
	// ErrBareNewline is returned for a command with a bare LF inside or at its
	// end. The whole command has been consumed.
	ErrBareNewline = errors.New("bare LF in command")
	// ErrReplySyntax is returned for anything that is no SMTP reply, or that
	// passes the bounds of one.
	ErrReplySyntax = errors.New("not an SMTP reply")
)

// Reader reads lines and blocks from one connection. It borrows its buffer only
// while there is something in it. It is used by one goroutine.
type Reader struct {
	buffers *Buffers
	src     io.Reader
	sock    *socket.Conn // nil: src is no such connection, and a buffer is held while it is read
	tls     *overTLS     // nil: src is not TLS, or not over [UnderTLS]
	size    int          // of the next buffer to borrow
	buf     *[]byte
	r, w    int
	into    []byte // not nil: the caller's memory, which is read into instead of buf
}

// NewReader returns a reader of src. When src is a [socket.Conn], the reader holds no
// buffer while it waits; so too when src is TLS over what [UnderTLS] returned.
func NewReader(src io.Reader, buffers *Buffers) *Reader {
	r := &Reader{buffers: buffers, src: src, size: SmallBuffer}
	if sock, ok := src.(*socket.Conn); ok {
		r.sock = sock
	} else {
		r.tls = over(src, buffers)
	}
	return r
}

// Buffered returns what has been read and not consumed. It is valid until the
// next call that reads.
func (r *Reader) Buffered() []byte {
	if r.buf == nil {
		return nil
	}
	return (*r.buf)[r.r:r.w]
}

// Discard consumes n buffered octets, and gives the buffer back when it is empty.
func (r *Reader) Discard(n int) {
	r.r += n
	if r.r >= r.w {
		r.Release()
	}
}

// Release gives the buffer back, with whatever is in it.
func (r *Reader) Release() {
	if r.buf != nil {
		r.buffers.put(r.buf)
		r.buf = nil
	}
	r.r, r.w = 0, 0
}

// Resize chooses the size of the buffer, [SmallBuffer] or [LargeBuffer]. What is
// buffered stays; a smaller size takes effect when the buffer is next empty.
func (r *Reader) Resize(size int) {
	r.size = size
	if r.buf == nil || len(*r.buf) >= size {
		return
	}
	old := r.buf
	r.buf = r.buffers.get(size)
	r.w = copy(*r.buf, (*old)[r.r:r.w])
	r.r = 0
	r.buffers.put(old)
}

// Fill reads once more, at least one octet. It returns [io.ErrShortBuffer] when
// the buffer is full.
func (r *Reader) Fill() error {
	if r.buf != nil && r.r > 0 {
		r.w = copy(*r.buf, (*r.buf)[r.r:r.w])
		r.r = 0
	}
	if r.buf != nil && r.w == len(*r.buf) {
		return io.ErrShortBuffer
	}
	n, err := r.read()
	r.w += n
	if r.w == 0 {
		r.Release()
	}
	switch {
	case n > 0:
		return nil
	case err != nil:
		return err
	default:
		return io.ErrNoProgress
	}
}

func (r *Reader) read() (int, error) {
	switch {
	case r.tls != nil:
		return r.readTLS(time.Time{})
	case r.sock != nil:
		return r.sock.Receive((*lending)(r))
	default:
		return r.src.Read(r.room())
	}
}

// lending is the reader as it lends its room to a connection.
type lending Reader

// Lend implements [socket.Lender].
func (l *lending) Lend() []byte { return (*Reader)(l).room() }

// TakeBack implements [socket.Lender]: what is empty is not held while the connection
// is waited for.
func (l *lending) TakeBack() {
	if l.w == 0 {
		(*Reader)(l).Release()
	}
}

// room is where to read into.
func (r *Reader) room() []byte {
	if r.into != nil {
		return r.into
	}
	if r.buf == nil {
		r.buf = r.buffers.get(r.size)
	}
	return (*r.buf)[r.w:]
}
