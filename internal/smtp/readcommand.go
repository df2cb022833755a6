package smtp

import "bytes"

// ReadCommand returns the next command line without its CRLF, valid until the
// next call that reads. A line of more than limit octets, CRLF included, is
// thrown away to its end and answered with [ErrLineTooLong] (RFC 5321 section
// 4.5.3.1.4); one that holds a bare LF with [ErrBareNewline] (P38). A limit beyond
// [SmallBuffer] borrows a large buffer only for a line that needs it.
func (r *Reader) ReadCommand(limit int) ([]byte, error) {
	return r.ReadCommandOrAuth(limit, limit)
}

// ReadCommandOrAuth is [Reader.ReadCommand] with a limit of its own for AUTH, whose
// initial response may be long (P24, [MaxAuthLine]).
func (r *Reader) ReadCommandOrAuth(limit, auth int) ([]byte, error) {
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
			if i+1 > limit && i+1 > limitOf(buf, limit, auth) {
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
		if len(buf) >= limit && len(buf) >= limitOf(buf, limit, auth) {
			return nil, r.skipLine()
		}
		if err := r.fillMore(); err != nil {
			return nil, err
		}
	}
}

// limitOf is the limit for the command at the front of buf.
func limitOf(buf []byte, limit, auth int) int {
	if hasFold(buf, "AUTH ") {
		return auth
	}
	return limit
}

// fillMore is Fill for a line that may be longer than a small buffer is.
func (r *Reader) fillMore() error {
	if r.buf != nil && len(*r.buf) == SmallBuffer && r.w-r.r == SmallBuffer {
		size := r.size
		r.Resize(LargeBuffer)
		r.size = size
	}
	return r.Fill()
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
