package smtp

import "bytes"

// Normalizer mends bare CR and LF in content that came by BDAT, across the
// borders of chunks (P19, P22). What comes out is content as such, not stuffed.
//
// The zero value is at the start of a message.
type Normalizer struct {
	cr   bool // CR seen, held back
	bare bool
}

// Bare reports whether a bare CR or LF was seen so far.
func (z *Normalizer) Bare() bool { return z.bare }

// Next consumes n octets of src, which must not be empty, and returns what goes
// on. It is called until src is used up.
func (z *Normalizer) Next(src []byte) (out []byte, n int) {
	if z.cr {
		z.cr = false
		if src[0] == '\n' {
			return crlf, 1
		}
		z.bare = true
		return space, 0
	}
	if n = cleanLines(src); n > 0 {
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

// cleanLines returns the length of the longest prefix in which CR and LF stand
// only together.
func cleanLines(src []byte) int {
	i := 0
	for i < len(src) {
		j := bytes.IndexByte(src[i:], '\n')
		if j < 0 {
			if k := bytes.IndexByte(src[i:], '\r'); k >= 0 {
				return i + k
			}
			return len(src)
		}
		switch k := bytes.IndexByte(src[i:i+j], '\r'); {
		case k < 0:
			return i + j
		case k != j-1:
			return i + k
		}
		i += j + 1
	}
	return i
}

// Stuffer turns mended content into its DATA form: lines that start with a dot
// get another (RFC 5321 section 4.5.2), and so do lines of NULs before a dot.
//
// The zero value is at the start of a message.
type Stuffer struct {
	inLine bool
	nuls   int
	leave  bool
}

// Next consumes n octets of src, which must not be empty, and returns what goes
// on. It is called until src is used up; n may be 0.
func (s *Stuffer) Next(src []byte) (out []byte, n int) {
	if s.leave {
		k := min(s.nuls, len(someNULs))
		if s.nuls -= k; s.nuls == 0 {
			s.leave, s.inLine = false, true
		}
		return someNULs[:k], 0
	}
	if !s.inLine {
		switch {
		case src[0] == 0:
			s.nuls++
			return noContent, 1
		case s.nuls > 0:
			s.leave = true
			if src[0] == '.' {
				return dot, 0
			}
			return noContent, 0
		case src[0] == '.':
			s.inLine = true
			return stuffed, 1
		}
	}
	n = s.run(src)
	return src[:n], n
}

// run returns the length of the prefix that needs no stuffing. It consumes at
// least one octet.
func (s *Stuffer) run(src []byte) int {
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
	if s.inLine || s.nuls > 0 {
		out := append(make([]byte, s.nuls, s.nuls+2), crlf...)
		s.inLine, s.nuls = false, 0
		return out
	}
	return noContent
}
