package smtp

// Scanner finds the end of a message that came by DATA and makes its octets
// safe to hand on (P19): CRLF.CRLF alone is the end; a bare LF becomes CRLF, a
// bare CR a space; a dot is unstuffed only after a true CRLF, and lines are
// stuffed after they were mended (RFC 5321 section 4.5.2). What comes out is the
// content in its DATA form, without the terminating dot.
//
// The zero value is at the start of a message.
type Scanner struct {
	state   scanState
	nuls    int // NULs held back at the start of a line
	careful careful
	bare    bool // a bare CR or LF was seen
}

type scanState uint8

const (
	atStart     scanState = iota // after a true CRLF, or at the very beginning
	atSoft                       // after a line end that was mended
	atNUL                        // only NULs so far on this line
	leavingNULs                  // … which are being handed on
	inLine                       // anywhere else
	afterCR                      // CR seen, held back
	afterDot                     // a dot after a true CRLF, held back
	afterDotC                    // … and then CR
)

var (
	cr        = []byte("\r")
	lf        = []byte("\n")
	crlf      = []byte("\r\n")
	space     = []byte(" ")
	dot       = []byte(".")
	stuffed   = []byte("..")
	someNULs  = make([]byte, 64)
	noContent []byte
)

// Bare reports whether a bare CR or LF was seen so far.
func (s *Scanner) Bare() bool { return s.bare }

// Held returns how many octets were consumed and may still go on as they are: they
// wait for what follows them.
func (s *Scanner) Held() int {
	switch s.state {
	case afterCR, afterDot:
		return 1
	case afterDotC:
		return 2
	default:
		return s.nuls
	}
}

// Next consumes n octets of src, which must not be empty, and returns what goes
// on: a part of src that ends where its n octets end, or a few octets of its own. It
// is called until src is used up or the message ends; n may be 0 where only held-back
// octets come out. It never consumes beyond the end of the message.
func (s *Scanner) Next(src []byte) (out []byte, n int, end bool) {
	if s.state == atStart || s.state == inLine {
		if n = s.clean(src); n > 0 {
			return src[:n], n, false
		}
	}
	return s.step(src[0])
}

// clean returns the length of a prefix that may go on as it is, and moves the state
// behind it. Only where that is 0 the next octet needs a closer look.
func (s *Scanner) clean(src []byte) int {
	n, start := s.careful.clean(src, s.state == atStart, true)
	if s.state = inLine; start {
		s.state = atStart
	}
	return n
}

// step takes in one octet where the state needs a closer look.
func (s *Scanner) step(b byte) (out []byte, n int, end bool) {
	switch s.state {
	case atStart, atSoft, inLine:
		return s.begin(b)
	case atNUL:
		return s.countNULs(b)
	case leavingNULs:
		return s.leaveNULs()
	case afterCR:
		if b == '\n' {
			s.state = atStart
			return crlf, 1, false
		}
		return s.bareCR()
	case afterDot:
		return s.stepDot(b)
	default: // afterDotC
		if b == '\n' {
			return noContent, 1, true
		}
		return s.bareCR()
	}
}

// begin handles the first octet of a line, and CR or bare LF anywhere.
func (s *Scanner) begin(b byte) (out []byte, n int, end bool) {
	from := s.state
	switch {
	case b == '\r':
		s.state = afterCR
		return noContent, 1, false
	case b == '\n':
		return s.bareLF()
	case b == '.' && from == atStart:
		s.state = afterDot
		return noContent, 1, false
	case b == '.' && from == atSoft:
		s.state = inLine
		return stuffed, 1, false
	case b == 0 && from != inLine:
		s.state, s.nuls = atNUL, 1
		return noContent, 1, false
	}
	// An ordinary octet that only a mended line end kept from clean.
	s.state = inLine
	return nil, 0, false
}

// stepDot handles what follows a dot at the start of a line. Alone it was the
// sender's stuffing and is dropped, so that only its receiver's view goes on.
func (s *Scanner) stepDot(b byte) (out []byte, n int, end bool) {
	switch b {
	case '\r':
		s.state = afterDotC
		return noContent, 1, false
	case '.':
		s.state = inLine
		return stuffed, 1, false
	case '\n':
		return s.bareLF()
	case 0:
		s.state, s.nuls = atNUL, 1
		return noContent, 1, false
	}
	s.state = inLine
	return nil, 0, false
}

// countNULs holds NULs at the start of a line back until it is known what
// follows. A connector that strips them must not find a lone dot behind them, so
// a line whose first other octet is a dot is stuffed at its very start; one of
// NULs alone must not be.
func (s *Scanner) countNULs(b byte) (out []byte, n int, end bool) {
	if b == 0 {
		s.nuls++
		return noContent, 1, false
	}
	s.state = leavingNULs
	if b == '.' {
		return dot, 0, false
	}
	return noContent, 0, false
}

// leaveNULs hands the counted NULs on.
func (s *Scanner) leaveNULs() (out []byte, n int, end bool) {
	k := min(s.nuls, len(someNULs))
	if s.nuls -= k; s.nuls == 0 {
		s.state = inLine
	}
	return someNULs[:k], 0, false
}

func (s *Scanner) bareLF() (out []byte, n int, end bool) {
	s.bare, s.state = true, atSoft
	return crlf, 1, false
}

// bareCR replaces a CR that no LF follows. What follows is looked at again.
func (s *Scanner) bareCR() (out []byte, n int, end bool) {
	s.bare, s.state = true, inLine
	return space, 0, false
}
