package smtp

import (
	"bytes"
	"strconv"
	"strings"
)

// EnhancedCode is an enhanced mail system status code (RFC 3463), or the zero
// value where there is none.
type EnhancedCode struct{ Class, Subject, Detail uint16 }

// Append appends the code in its usual notation, such as "5.7.1".
func (e EnhancedCode) Append(dst []byte) []byte {
	dst = strconv.AppendUint(dst, uint64(e.Class), 10)
	dst = append(dst, '.')
	dst = strconv.AppendUint(dst, uint64(e.Subject), 10)
	dst = append(dst, '.')
	return strconv.AppendUint(dst, uint64(e.Detail), 10)
}

// String returns the code in its usual notation, or "" for none.
func (e EnhancedCode) String() string {
	if e == (EnhancedCode{}) {
		return ""
	}
	return string(e.Append(nil))
}

// Reply is one SMTP reply (RFC 5321 section 4.2). Its text is kept in a buffer
// that [Reader.ReadReply] uses again: copy a Reply with [Reply.Clone].
type Reply struct {
	Code     int
	Enhanced EnhancedCode
	text     []byte // the lines, separated by LF, without codes
}

// NewReply makes a reply of weir's own. Lines of text are separated by LF.
func NewReply(code int, enhanced EnhancedCode, text string) Reply {
	return Reply{Code: code, Enhanced: enhanced, text: []byte(text)}
}

// Class returns the first digit of the code; 0 when there was no reply.
func (r *Reply) Class() int { return r.Code / 100 }

// Lines returns the text line by line, without codes.
func (r *Reply) Lines() []string { return strings.Split(string(r.text), "\n") }

// Text returns the text in one line, without codes.
func (r *Reply) Text() string { return strings.ReplaceAll(string(r.text), "\n", " ") }

// String returns the reply in one line, as logs show it.
func (r *Reply) String() string {
	if r.Code == 0 {
		return ""
	}
	var space [256]byte // most are shorter, and cost no memory but the string
	return string(r.AppendString(space[:0]))
}

// AppendString appends what [Reply.String] returns.
func (r *Reply) AppendString(dst []byte) []byte {
	if r.Code == 0 {
		return dst
	}
	dst = strconv.AppendInt(dst, int64(r.Code), 10)
	if r.Enhanced != (EnhancedCode{}) {
		dst = r.Enhanced.Append(append(dst, ' '))
	}
	if len(r.text) == 0 {
		return dst
	}
	dst = append(dst, ' ')
	for text, more := r.text, true; more; {
		var line []byte
		line, text, more = bytes.Cut(text, []byte{'\n'})
		if dst = append(dst, line...); more {
			dst = append(dst, " / "...)
		}
	}
	return dst
}

// Clone returns a reply that shares nothing with r.
func (r *Reply) Clone() Reply {
	c := *r
	c.text = bytes.Clone(r.text)
	return c
}

// CopyFrom makes r equal to other and reuses r's buffer.
func (r *Reply) CopyFrom(other *Reply) {
	r.Code, r.Enhanced = other.Code, other.Enhanced
	r.text = append(r.text[:0], other.text...)
}

// Reset makes r the absence of a reply and keeps its buffer.
func (r *Reply) Reset() {
	r.Code, r.Enhanced, r.text = 0, EnhancedCode{}, r.text[:0]
}

// Append appends the reply as it goes over the wire. Where it has no enhanced
// code and its class wants one (RFC 2034 section 4: 2, 4 and 5), one is made
// from the class when enhanced is set.
func (r *Reply) Append(dst []byte, enhanced bool) []byte {
	code := r.Enhanced
	if class := r.Class(); code == (EnhancedCode{}) && enhanced && class != 3 {
		code = EnhancedCode{Class: uint16(class)}
	}
	text := r.text
	for {
		line, rest, more := bytes.Cut(text, []byte{'\n'})
		dst = strconv.AppendInt(dst, int64(r.Code), 10)
		if more {
			dst = append(dst, '-')
		} else {
			dst = append(dst, ' ')
		}
		if code != (EnhancedCode{}) {
			dst = append(code.Append(dst), ' ')
		}
		dst = append(append(dst, line...), '\r', '\n')
		if !more {
			return dst
		}
		text = rest
	}
}

// addLine takes in one line of a reply as it came: text without code and
// separator. Controls are dropped; an enhanced code of the reply's class is
// taken off, the first one is kept.
func (r *Reply) addLine(text []byte, first bool) {
	if !first {
		r.text = append(r.text, '\n')
	}
	start := len(r.text)
	if hasControl(text) {
		r.text = appendPrintable(r.text, text)
		text = r.text[start:]
	}
	if code, rest, ok := cutEnhanced(text); ok && int(code.Class) == r.Class() {
		if r.Enhanced == (EnhancedCode{}) {
			r.Enhanced = code
		}
		text = rest
	}
	r.text = append(r.text[:start], text...)
}

// appendPrintable appends text without its control characters.
func appendPrintable(dst, text []byte) []byte {
	for _, b := range text {
		if b >= ' ' && b != 0x7f {
			dst = append(dst, b)
		}
	}
	return dst
}

// cutEnhanced parses "5.7.1 text" (RFC 2034 section 4).
func cutEnhanced(text []byte) (code EnhancedCode, rest []byte, ok bool) {
	var parts [3]uint16
	i := 0
	for p := range parts {
		start := i
		for i < len(text) && i-start < 3 && text[i] >= '0' && text[i] <= '9' {
			parts[p] = parts[p]*10 + uint16(text[i]-'0')
			i++
		}
		if i == start {
			return code, text, false
		}
		if p < 2 {
			if i == len(text) || text[i] != '.' {
				return code, text, false
			}
			i++
		}
	}
	if i < len(text) && text[i] != ' ' {
		return code, text, false
	}
	if c := parts[0]; c != 2 && c != 4 && c != 5 {
		return code, text, false
	}
	return EnhancedCode{parts[0], parts[1], parts[2]}, bytes.TrimLeft(text[i:], " "), true
}
