package faulty

import "bytes"

// Forms of an end of data that some server somewhere has believed (P19). CRLF.CRLF is always believed.
const (
	LFDotLF       = "\n.\n"
	LFDotCRLF     = "\n.\r\n"
	CRLFDotLF     = "\r\n.\n"
	CRDotCR       = "\r.\r"
	CRDotCRLF     = "\r.\r\n"
	CRLFDotCR     = "\r\n.\r"
	CRLFDotCRCRLF = "\r\n.\r\r\n"
	NULDot        = "\r\n\x00.\r\n"
	DotNUL        = "\r\n.\x00\r\n"
	DotNULCRLF    = "\r\n.\r\x00\n"
)

// Forms lists all of them by name.
func Forms() map[string]string {
	return map[string]string{
		"LF.LF": LFDotLF, "LF.CRLF": LFDotCRLF, "CRLF.LF": CRLFDotLF, "CR.CR": CRDotCR, "CR.CRLF": CRDotCRLF,
		"CRLF.CR": CRLFDotCR, "CRLF.CRCRLF": CRLFDotCRCRLF, "CRLF-NUL.CRLF": NULDot, "CRLF.NUL-CRLF": DotNUL, "CRLF.CR-NUL-LF": DotNULCRLF,
	}
}

// scanner finds the end of content in a stream that arrives in pieces, and unstuffs it.
type scanner interface {
	// scan appends the content found in piece to dst, and says how much of piece it used and whether the end was in it.
	scan(dst, piece []byte) (content []byte, used int, done bool)
}

func newScanner(b *armedBehaviour) scanner {
	if len(b.Believes) == 0 && !b.StripNUL {
		return &strictScanner{state: atLine}
	}
	return &believer{ends: append([]string{"\r\n.\r\n"}, b.Believes...), stripNUL: b.StripNUL, raw: []byte("\r\n")}
}

// States of strictScanner: what the octets since the last line end were.
const (
	inLine = iota
	atCR
	atLine  // CRLF, or the beginning
	atDot   // CRLF.
	atDotCR // CRLF.CR
)

// strictScanner is RFC 5321: only CRLF.CRLF. It is the fast one.
type strictScanner struct{ state int }

func (s *strictScanner) scan(dst, piece []byte) ([]byte, int, bool) {
	for i := 0; i < len(piece); i++ {
		if s.state == inLine {
			n := bytes.IndexByte(piece[i:], '\r')
			if n < 0 {
				return append(dst, piece[i:]...), len(piece), false
			}
			dst = append(dst, piece[i:i+n]...)
			i += n
		}
		var done bool
		if dst, done = s.step(dst, piece[i]); done {
			return dst, i + 1, true
		}
	}
	return dst, len(piece), false
}

// step takes one octet. The leading dot of a line is never content: it is stuffing, or the end.
func (s *strictScanner) step(dst []byte, c byte) ([]byte, bool) {
	switch {
	case s.state == atLine && c == '.':
		s.state = atDot
		return dst, false
	case s.state == atDot && c == '\r':
		s.state = atDotCR
		return dst, false
	case s.state == atDotCR && c == '\n':
		return dst, true
	case s.state == atDotCR:
		dst = append(dst, '\r') // it was no end after all
		s.state = atCR
	}
	switch {
	case c == '\r':
		s.state = atCR
	case c == '\n' && s.state == atCR:
		s.state = atLine
	default:
		s.state = inLine
	}
	return append(dst, c), false
}

// believer compares the tail of the stream with each form at every octet: slow, and obviously right.
type believer struct {
	ends     []string
	stripNUL bool
	raw      []byte // everything so far, behind the CRLF that a beginning counts as
}

func (b *believer) scan(dst, piece []byte) ([]byte, int, bool) {
	for i, c := range piece {
		if c == 0 && b.stripNUL {
			continue
		}
		b.raw = append(b.raw, c)
		for _, end := range b.ends {
			if bytes.HasSuffix(b.raw, []byte(end)) {
				keep := len(b.raw) - len(end) + len(lineEnd(end))
				return append(dst, unstuff(b.raw[2:max(keep, 2)])...), i + 1, true
			}
		}
	}
	return dst, len(piece), false
}

// lineEnd is what an end-of-data form begins with; it is the last line's own end.
func lineEnd(form string) string {
	for _, e := range []string{"\r\n", "\n", "\r"} {
		if len(form) >= len(e) && form[:len(e)] == e {
			return e
		}
	}
	return ""
}

func unstuff(raw []byte) []byte {
	raw = bytes.ReplaceAll(raw, []byte("\r\n."), []byte("\r\n"))
	return bytes.TrimPrefix(raw, []byte("."))
}
