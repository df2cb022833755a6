package smtp

import "bytes"

// careful finds what of some content may go on as it is. It first goes from line end to
// line end, and proves by counting all CRs and LFs that it has seen each of them, at many
// octets a cycle. Where that does not add up it knows no better than that some CR or LF
// is not where it should be, and looks at those octets again, line by line; no octet is
// looked at in haste twice, or content full of bare CRs would cost the square of its
// length.
type careful struct {
	left int // octets to be looked at line by line
}

// clean returns the length of a prefix of src that may go on as it is, and whether a
// line starts behind it. Start is whether one starts at src, and dots whether lines
// that start with a single dot or with a NUL, or with a dot of which src does not
// show enough, may not.
func (c *careful) clean(src []byte, start, dots bool) (n int, atStart bool) {
	if c.left == 0 {
		n, lines, atStart := hasty(src, start, dots)
		if bytes.Count(src[:n], cr) == lines && bytes.Count(src[:n], lf) == lines {
			return n, atStart
		}
		c.left = n
	}
	n, atStart = slowly(src[:min(len(src), c.left)], start, dots)
	c.left -= n
	return n, atStart
}

// alike is how many lines of the same length make it worth to look for the next line's
// end just there: base64 has all its lines of one length, and is most of what is sent.
// That takes less than half the time of searching. Where it is wrong, line ends have
// been passed over, and the count does not add up.
const alike = 4

// hasty is clean without regard to bare CRs, and to what is within a line that seems to
// be as long as those before. It tells how many line ends it has seen. A CR at the end
// of src is left out.
func hasty(src []byte, start, dots bool) (n, lines int, atStart bool) {
	length, run := 0, 0
	for n < len(src) {
		if start && dots && special(src[n:]) {
			return n, lines, start
		}
		end := n + length
		if run < alike || end >= len(src) || src[end] != '\n' {
			k := bytes.IndexByte(src[n:], '\n')
			if k < 0 {
				break
			}
			if run++; k != length {
				length, run = k, 0
			}
			end = n + k
		}
		if end == 0 || src[end-1] != '\r' {
			return end, lines, start && end == n
		}
		n, start = end+1, true
		lines++
	}
	if n == len(src) {
		return n, lines, start
	}
	if last := len(src) - 1; src[last] == '\r' {
		return last, lines, start && last == n
	}
	return len(src), lines, false
}

// maxLook is how far a line's end is looked for at a time: further than any
// legal line is long (RFC 5321 section 4.5.3.1.6), and yet bounded, or content
// full of bare CRs would be searched to its end for each of them.
const maxLook = 1024

// slowly is clean, line by line.
func slowly(src []byte, start, dots bool) (n int, atStart bool) {
	for n < len(src) {
		if start && dots && special(src[n:]) {
			return n, start
		}
		k, whole := cleanLine(src[n:])
		n += k
		if !whole {
			return n, start && k == 0
		}
		start = true
	}
	return n, start
}

// special reports whether the start of a line needs a closer look.
func special(line []byte) bool {
	return line[0] == 0 || line[0] == '.' && (len(line) == 1 || line[1] != '.')
}

// cleanLine returns the length of the longest prefix of src, up to its first
// line end, in which CR and LF stand only together. Whole is whether it ends
// with CRLF.
func cleanLine(src []byte) (n int, whole bool) {
	src = src[:min(len(src), maxLook)]
	j := bytes.IndexByte(src, '\n')
	if j >= 0 {
		src = src[:j]
	}
	switch k := bytes.IndexByte(src, '\r'); {
	case k < 0:
		return len(src), false
	case k == j-1:
		return j + 1, true
	default:
		return k, false
	}
}
