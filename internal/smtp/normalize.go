package smtp

import "bytes"

// Normalizer mends bare CR and LF in content that came by BDAT, across the
// borders of chunks (P19, P22). What comes out is content as such, not stuffed.
//
// The zero value is at the start of a message.
type Normalizer struct {
	// Binary is for BODY=BINARYMIME: every octet goes on as it came, and none is
	// bare (RFC 3030 section 3). Such content must never become DATA (P22).
	Binary bool

	careful careful
	cr      bool // CR seen, held back
	bare    bool
}

// Bare reports whether a bare CR or LF was seen so far.
func (z *Normalizer) Bare() bool { return z.bare }

// Held is as of [Scanner].
func (z *Normalizer) Held() int {
	if z.cr {
		return 1
	}
	return 0
}

// Next consumes n octets of src, which must not be empty, and returns what goes
// on, as [Scanner.Next] does. It is called until src is used up.
func (z *Normalizer) Next(src []byte) (out []byte, n int) {
	if z.Binary {
		return src, len(src)
	}
	if z.cr {
		z.cr = false
		if src[0] == '\n' {
			return crlf, 1
		}
		z.bare = true
		return space, 0
	}
	if n, _ = z.careful.clean(src, false, false); n > 0 {
		return src[:n], n
	}
	if src[0] == '\r' {
		z.cr = true
		return noContent, 1
	}
	z.bare = true
	return crlf, 1
}

// End returns what is left at the end of the content: a CR that nothing followed.
func (z *Normalizer) End() []byte {
	if !z.cr {
		return noContent
	}
	z.cr, z.bare = false, true
	return space
}

// Stuffer turns mended content into its DATA form: lines that start with a dot
// get another (RFC 5321 section 4.5.2), and so do lines of NULs before a dot.
//
// The zero value is at the start of a message.
type Stuffer struct {
	inLine bool
	nuls   int  // NULs held back at the start of a line
	leave  bool // … which are being handed on
	many   bool // this line starts with more NULs than are held back
}

// maxNULs bounds how many NULs are held back, and so what [Stuffer.Next] returns
// without consuming anything. No legal line is longer.
const maxNULs = 1000

// Next consumes n octets of src, which must not be empty, and returns what goes
// on. It is called until src is used up; n may be 0.
func (s *Stuffer) Next(src []byte) (out []byte, n int) {
	if s.leave {
		k := min(s.nuls, len(someNULs))
		if s.nuls -= k; s.nuls == 0 {
			s.leave, s.inLine = false, !s.many
		}
		return someNULs[:k], 0
	}
	if !s.inLine && (src[0] == 0 || src[0] == '.' || s.nuls > 0) {
		return s.begin(src)
	}
	n = s.run(src)
	return src[:n], n
}

// begin handles dots and NULs at the start of a line. NULs are held back until
// it is known whether a dot follows, as in [Scanner]. Behind more of them than
// are held a dot is doubled where it stands: that a line which no server takes
// gets one dot more is better than that it ends the message.
func (s *Stuffer) begin(src []byte) (out []byte, n int) {
	switch b := src[0]; {
	case b == 0 && s.many:
		return src[:1], 1
	case b == 0 && s.nuls < maxNULs:
		s.nuls++
		return noContent, 1
	case s.nuls > 0:
		s.leave, s.many = true, b == 0
		if b == '.' {
			return dot, 0
		}
		return noContent, 0
	default:
		s.inLine, s.many = true, false
		return stuffed, 1
	}
}

// run returns the length of the prefix that needs no stuffing. It consumes at
// least one octet.
func (s *Stuffer) run(src []byte) int {
	s.many = false
	i := 0
	for i < len(src) {
		if !s.inLine && (src[i] == '.' || src[i] == 0) {
			return i
		}
		j := bytes.IndexByte(src[i:], '\n')
		if j < 0 {
			s.inLine = true
			return len(src)
		}
		i += j + 1
		s.inLine = false
	}
	return i
}

// End returns what the content still needs before the terminating dot: NULs
// held back, and CRLF when its last line has none (P22).
func (s *Stuffer) End() []byte {
	if s.inLine || s.many || s.nuls > 0 {
		out := append(make([]byte, s.nuls, s.nuls+len(crlf)), crlf...)
		*s = Stuffer{}
		return out
	}
	return noContent
}
