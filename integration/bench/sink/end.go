package sink

import "bytes"

// terminator ends a content (RFC 5321 §4.1.1.4); before the first line of a content its first CRLF is that of DATA.
const terminator = "\r\n.\r\n"

// endOfData finds the end of a content that arrives in blocks. It looks for dots, which are rare in what is sent here, and
// a terminator may straddle any number of blocks.
type endOfData struct {
	tail [len(terminator) - 1]byte // the last octets of the blocks so far
	n    int
}

// reset begins a new content.
func (e *endOfData) reset() { e.n = copy(e.tail[:], "\r\n") }

// find returns the offset in b behind the terminator, or -1; after that b counts as seen.
func (e *endOfData) find(b []byte) int {
	if at := e.straddling(b); at >= 0 {
		return at
	}
	for from := 2; from < len(b)-2; {
		dot := bytes.IndexByte(b[from:len(b)-2], '.')
		if dot < 0 {
			break
		}
		from += dot
		if b[from-2] == '\r' && b[from-1] == '\n' && b[from+1] == '\r' && b[from+2] == '\n' {
			return from + 3
		}
		from++
	}
	e.remember(b)
	return -1
}

// straddling finds a terminator that begins in the tail.
func (e *endOfData) straddling(b []byte) int {
	var joint [2 * (len(terminator) - 1)]byte
	n := copy(joint[:], e.tail[:e.n])
	n += copy(joint[n:], b[:min(len(b), len(terminator)-1)])
	at := bytes.Index(joint[:n], []byte(terminator))
	if at < 0 || at >= e.n {
		return -1
	}
	return at + len(terminator) - e.n
}

// remember keeps the last octets of what was seen.
func (e *endOfData) remember(b []byte) {
	if len(b) >= len(e.tail) {
		e.n = copy(e.tail[:], b[len(b)-len(e.tail):])
		return
	}
	keep := min(e.n, len(e.tail)-len(b))
	copy(e.tail[:], e.tail[e.n-keep:e.n])
	e.n = keep + copy(e.tail[keep:], b)
}
