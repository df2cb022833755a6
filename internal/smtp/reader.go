package smtp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
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

func (b *Buffers) put(buf *[]byte) {
	if len(*buf) > SmallBuffer {
		b.large.Put(buf)
	} else {
		b.small.Put(buf)
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

// Bounds of a connector's reply (P27).
const (
	maxReplyLines = 128
	maxReplyLine  = 1000
)

// Reader reads lines and blocks from one connection. It borrows its buffer only
// while there is something in it. It is used by one goroutine.
type Reader struct {
	buffers *Buffers
	src     io.Reader
	raw     syscall.RawConn // nil: src is read directly, with a buffer held
	try     func(fd uintptr) bool
	tryN    int
	tryErr  error
	look    func(fd uintptr)
	seen    Attention
	size    int // of the next buffer to borrow
	buf     *[]byte
	r, w    int
}

// NewReader returns a reader of src. When src gives access to its descriptor,
// the reader holds no buffer while it waits.
func NewReader(src io.Reader, buffers *Buffers) *Reader {
	r := &Reader{buffers: buffers, src: src, size: SmallBuffer}
	if sc, ok := src.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			r.raw, r.try = raw, r.readDescriptor
			r.look = func(fd uintptr) { r.seen = Peek(fd) }
		}
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
	if r.raw == nil {
		r.borrow()
		return r.src.Read((*r.buf)[r.w:])
	}
	r.tryN, r.tryErr = 0, nil
	if err := r.raw.Read(r.try); err != nil {
		return 0, err
	}
	if r.tryN == 0 && r.tryErr == nil {
		return 0, io.EOF
	}
	return r.tryN, r.tryErr
}

func (r *Reader) borrow() {
	if r.buf == nil {
		r.buf = r.buffers.get(r.size)
	}
}

// readDescriptor reads without blocking; when nothing is there it gives an
// empty buffer back before the connection is waited for.
func (r *Reader) readDescriptor(fd uintptr) bool {
	r.borrow()
	for {
		n, err := syscall.Read(int(fd), (*r.buf)[r.w:])
		switch err {
		case nil:
			r.tryN = n
			return true
		case syscall.EINTR:
		case syscall.EAGAIN:
			if r.w == 0 {
				r.Release()
			}
			return false
		default:
			r.tryErr = fmt.Errorf("reading: %w", err)
			return true
		}
	}
}

// ReadCommand returns the next command line without its CRLF, valid until the
// next call that reads. A line of more than limit octets, CRLF included, is
// thrown away to its end and answered with [ErrLineTooLong] (RFC 5321 section
// 4.5.3.1.4); one that holds a bare LF with [ErrBareNewline] (P38).
func (r *Reader) ReadCommand(limit int) ([]byte, error) {
	bare := false
	for seen := 0; ; {
		buf := r.Buffered()
		if i := bytes.IndexByte(buf[min(seen, len(buf)):], '\n'); i >= 0 {
			i += seen
			complete := i > 0 && buf[i-1] == '\r'
			if !complete && i+1 < len(buf) {
				bare, seen = true, i+1 // the command goes on behind it
				continue
			}
			if i+1 > limit {
				r.Discard(i + 1)
				return nil, ErrLineTooLong
			}
			r.consume(i + 1)
			if bare || !complete {
				return nil, ErrBareNewline
			}
			return buf[:i-1], nil
		}
		seen = len(buf)
		if len(buf) >= limit {
			return nil, r.skipLine()
		}
		if err := r.Fill(); err != nil {
			return nil, err
		}
	}
}

// consume is Discard without giving the buffer back, as a slice of it is about
// to be handed out.
func (r *Reader) consume(n int) { r.r += n }

// skipLine throws the rest of an overlong line away.
func (r *Reader) skipLine() error {
	for last := byte(0); ; {
		buf := r.Buffered()
		if i := bytes.IndexByte(buf, '\n'); i >= 0 {
			if i > 0 {
				last = buf[i-1]
			}
			r.Discard(i + 1)
			if last == '\r' || len(r.Buffered()) == 0 {
				return ErrLineTooLong // a bare LF with nothing behind it ends a command, too
			}
			last = '\n'
			continue
		}
		if len(buf) > 0 {
			last = buf[len(buf)-1]
			r.Discard(len(buf))
		}
		if err := r.Fill(); err != nil {
			return err
		}
	}
}

// PeekCommand returns the next command line without its CRLF when it has been
// read completely already, and leaves it where it is.
func (r *Reader) PeekCommand() ([]byte, bool) {
	buf := r.Buffered()
	i := bytes.IndexByte(buf, '\n')
	if i < 1 || buf[i-1] != '\r' {
		return nil, false
	}
	return buf[:i-1], true
}

// ReadReply reads one reply (RFC 5321 section 4.2.1) into reply: at most 128
// lines of 1000 octets, with the same code on each; controls are stripped (P27).
// A bare LF ends a line too, as some servers send it.
func (r *Reader) ReadReply(reply *Reply) error {
	reply.Reset()
	for n := 0; n < maxReplyLines; n++ {
		line, err := r.readReplyLine()
		if err != nil {
			return err
		}
		last, err := reply.parseLine(line, n == 0)
		if err != nil {
			return err
		}
		if last {
			if r.r >= r.w {
				r.Release()
			}
			return nil
		}
	}
	return fmt.Errorf("%w: more than %d lines", ErrReplySyntax, maxReplyLines)
}

func (r *Reader) readReplyLine() ([]byte, error) {
	for seen := 0; ; {
		buf := r.Buffered()
		if i := bytes.IndexByte(buf[seen:], '\n'); i >= 0 && seen+i <= maxReplyLine {
			line := buf[:seen+i]
			r.consume(seen + i + 1)
			return bytes.TrimSuffix(line, []byte{'\r'}), nil
		}
		if len(buf) > maxReplyLine {
			return nil, fmt.Errorf("%w: a line of more than %d octets", ErrReplySyntax, maxReplyLine)
		}
		seen = len(buf)
		if err := r.Fill(); err != nil {
			return nil, err
		}
	}
}

// parseLine takes in one line of a reply and reports whether it is the last.
func (r *Reply) parseLine(line []byte, first bool) (last bool, err error) {
	if len(line) < 3 {
		return false, fmt.Errorf("%w: %q", ErrReplySyntax, line)
	}
	code := 0
	for _, b := range line[:3] {
		if b < '0' || b > '9' {
			return false, fmt.Errorf("%w: %.40q", ErrReplySyntax, line)
		}
		code = code*10 + int(b-'0')
	}
	if code < 200 || code > 599 {
		return false, fmt.Errorf("%w: code %d", ErrReplySyntax, code)
	}
	if first {
		r.Code = code
	} else if code != r.Code {
		return false, fmt.Errorf("%w: code %d after %d in one reply", ErrReplySyntax, code, r.Code)
	}
	if len(line) == 3 {
		r.addLine(nil, first)
		return true, nil
	}
	if line[3] != ' ' && line[3] != '-' {
		return false, fmt.Errorf("%w: %.40q", ErrReplySyntax, line)
	}
	r.addLine(line[4:], first)
	return line[3] == ' ', nil
}
