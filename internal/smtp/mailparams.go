package smtp

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// DeliverBy is MAIL's BY parameter (RFC 2852 section 4). The zero value is none.
type DeliverBy struct {
	Seconds int32 // within these, counted from now; ≤ 0: already too late
	Mode    byte  // 'N': tell the sender when it is late, 'R': return it; 0: no BY
	Trace   bool  // report each hand-over
}

func (b DeliverBy) append(dst []byte) []byte {
	dst = append(strconv.AppendInt(dst, int64(b.Seconds), 10), ';', b.Mode)
	if b.Trace {
		dst = append(dst, 'T')
	}
	return dst
}

var (
	errEnvelopeID = badArgument("ENVID= wants at most 100 characters of xtext")
	errReturn     = badArgument("RET= wants FULL or HDRS")
	errDeliverBy  = badArgument("BY= wants SECONDS;N or SECONDS;R, with R more than 0 seconds")
	errPriority   = badArgument("MT-PRIORITY= wants a number from -9 to 9")
	errAuthParam  = badArgument("AUTH= wants an address in xtext, or <>")
)

// setFlag takes in a parameter that has no value.
func setFlag(flag *bool, name string, value []byte, offered bool) error {
	switch {
	case !offered:
		return notOffered(name)
	case value != nil:
		return badArgument(name + " takes no value")
	}
	*flag = true
	return nil
}

func (m *Mail) setSize(value []byte, offered Extensions) error {
	if !offered.has(WithSize) {
		return notOffered("SIZE")
	}
	size, ok := ParseNumber(value)
	if !ok {
		return errSize
	}
	m.Size, m.HasSize = size, true
	return nil
}

func (m *Mail) setBody(value []byte, offered Extensions) error {
	switch {
	case equalFold(value, "7BIT"):
		m.Body = Body7Bit
	case equalFold(value, "8BITMIME"):
		if !offered.has(With8BitMIME) {
			return notOffered("8BITMIME")
		}
		m.Body = Body8BitMIME
	case equalFold(value, "BINARYMIME"):
		if !offered.has(WithBinaryMIME) {
			return notOffered("BODY=BINARYMIME")
		}
		m.Body = BodyBinaryMIME
	default:
		return errBody
	}
	return nil
}

func (m *Mail) setReturn(value []byte, offered Extensions) error {
	switch {
	case !offered.has(WithDSN):
		return notOffered("RET")
	case equalFold(value, "FULL"):
		m.Return = ReturnFull
	case equalFold(value, "HDRS"):
		m.Return = ReturnHeaders
	default:
		return errReturn
	}
	return nil
}

func (m *Mail) setEnvelopeID(value []byte, offered Extensions) error {
	if !offered.has(WithDSN) {
		return notOffered("ENVID")
	}
	id, ok := decodeXtext(value)
	if !ok || id == "" || !isPrintable(id) || xtextLen(id) > maxEnvelopeID {
		return errEnvelopeID
	}
	m.EnvelopeID = id
	return nil
}

func (m *Mail) setDeliverBy(value []byte, offered Extensions) error {
	if !offered.has(WithDeliverBy) {
		return notOffered("BY")
	}
	number, mode, _ := bytes.Cut(value, []byte{';'})
	seconds, ok := parseSigned(number, 9)
	if !ok {
		return errDeliverBy
	}
	by := DeliverBy{Seconds: int32(seconds)}
	if len(mode) == 2 && equalFold(mode[1:], "T") {
		by.Trace, mode = true, mode[:1]
	}
	switch {
	case equalFold(mode, "N"):
		by.Mode = 'N'
	case equalFold(mode, "R") && seconds > 0:
		by.Mode = 'R'
	default:
		return errDeliverBy
	}
	m.DeliverBy = by
	return nil
}

func (m *Mail) setPriority(value []byte, offered Extensions) error {
	if !offered.has(WithPriority) {
		return notOffered("MT-PRIORITY")
	}
	priority, ok := parseSigned(value, 1)
	if !ok || value[0] == '+' {
		return errPriority
	}
	m.Priority, m.HasPriority = int8(priority), true
	return nil
}

func (m *Mail) setAuth(value []byte, offered Extensions) error {
	switch {
	case !offered.has(WithAuth):
		return notOffered("AUTH=")
	case string(value) == "<>":
		m.Auth = "<>"
		return nil
	}
	name, ok := decodeXtext(value)
	if !ok || !utf8.ValidString(name) || !validMailbox([]byte(name)) || xtextLen(name) > maxAuthParam {
		return errAuthParam
	}
	m.Auth = name
	return nil
}

// parseSigned parses a number of at most so many digits, with a sign or without.
func parseSigned(s []byte, digits int) (int64, bool) {
	number, negative := s, false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		number, negative = s[1:], s[0] == '-'
	}
	if len(number) > digits {
		return 0, false
	}
	n, ok := ParseNumber(number)
	if negative {
		n = -n
	}
	return n, ok
}
