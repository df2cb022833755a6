package smtp

import (
	"bytes"
	"fmt"
)

// Bounds of a connector's reply (P27).
const (
	maxReplyLines = 128
	maxReplyLine  = 1000
)

// ReadReply reads one reply (RFC 5321 section 4.2.1) into reply: at most 128
// lines of 1000 octets, with the same code on each; controls are stripped (P27).
// A bare LF ends a line too, as some servers send it.
func (r *Reader) ReadReply(reply *Reply) error { return r.readReply(reply, maxReplyLine) }

// ReadAuthReply is [Reader.ReadReply] with room for the challenge of a 334, whose
// line may be as long as [MaxAuthLine].
func (r *Reader) ReadAuthReply(reply *Reply) error { return r.readReply(reply, MaxAuthLine) }

// HoldsReply reports whether a reply of one line, as most are, has been read completely
// already.
func (r *Reader) HoldsReply() bool {
	buf := r.Buffered()
	return len(buf) > 3 && buf[3] != '-' && bytes.IndexByte(buf, '\n') > 3
}

func (r *Reader) readReply(reply *Reply, limit int) error {
	reply.Reset()
	for n := 0; n < maxReplyLines; n++ {
		line, err := r.readReplyLine(limit)
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

func (r *Reader) readReplyLine(limit int) ([]byte, error) {
	for seen := 0; ; {
		buf := r.Buffered()
		if i := bytes.IndexByte(buf[seen:], '\n'); i >= 0 && seen+i <= limit {
			line := buf[:seen+i]
			r.consume(seen + i + 1)
			return bytes.TrimSuffix(line, []byte{'\r'}), nil
		}
		if len(buf) > limit {
			return nil, fmt.Errorf("%w: a line of more than %d octets", ErrReplySyntax, limit)
		}
		seen = len(buf)
		if err := r.fillMore(); err != nil {
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
