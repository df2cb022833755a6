package smtp

import (
	"bytes"
	"strings"
)

// Notify is when the sender of a recipient's mail wants a report (RFC 3461
// section 4.1), as a set. The zero value is not to have said so.
type Notify uint8

// The occasions. NotifyNever stands alone.
const (
	NotifyNever Notify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

var notifyWords = [...]struct {
	word string
	when Notify
}{
	{"NEVER", NotifyNever},
	{"SUCCESS", NotifySuccess},
	{"FAILURE", NotifyFailure},
	{"DELAY", NotifyDelay},
}

// Rcpt is a RCPT command.
type Rcpt struct {
	To     string // the forward-path without brackets and source route
	Notify Notify
	// Original is ORCPT, decoded: type, semicolon and address, as in
	// "rfc822;bob@example.org" (RFC 3461 section 4.2, RFC 6533 section 3);
	// empty: none.
	Original string
}

var (
	errNotify   = badArgument("NOTIFY= wants NEVER, or some of SUCCESS,FAILURE,DELAY")
	errOriginal = badArgument("ORCPT= wants TYPE;ADDRESS, the address in xtext")
)

// ForRcpt returns what of the session's extensions the RCPTs of this transaction
// may use: SMTPUTF8 only when MAIL asked for it (RFC 6531 section 3.4).
func (m *Mail) ForRcpt(offered Extensions) Extensions {
	if !m.UTF8 {
		offered &^= WithUTF8
	}
	return offered
}

// ParseRcpt parses the argument of RCPT (RFC 5321 section 4.1.1.3). Offered is
// what [Mail.ForRcpt] returned. The error is a *[SyntaxError].
func ParseRcpt(arg []byte, offered Extensions) (Rcpt, error) {
	var r Rcpt
	rest, ok := cutWord(arg, "TO:")
	if !ok {
		return r, errRcptWord
	}
	path, rest, ok := parsePath(rest)
	if !ok || len(path) == 0 {
		return r, errRcptPath
	}
	if !isASCII(path) && !offered.has(WithUTF8) {
		return r, errUTF8
	}
	if err := checkUTF8(path, true); err != nil {
		return r, err
	}
	for key, value, rest := nextParameter(rest); len(key) > 0; key, value, rest = nextParameter(rest) {
		if err := r.set(key, value, offered); err != nil {
			return r, err
		}
	}
	r.To = string(path)
	return r, nil
}

func (r *Rcpt) set(key, value []byte, offered Extensions) error {
	switch {
	case equalFold(key, "NOTIFY"):
		if !offered.has(WithDSN) {
			return notOffered("NOTIFY")
		}
		return r.setNotify(value)
	case equalFold(key, "ORCPT"):
		if !offered.has(WithDSN) {
			return notOffered("ORCPT")
		}
		return r.setOriginal(value, offered.has(WithUTF8))
	default:
		return errParameter
	}
}

func (r *Rcpt) setNotify(value []byte) error {
	if r.Notify != 0 {
		return errTwice
	}
	for more := true; more; {
		var word []byte
		word, value, more = bytes.Cut(value, []byte{','})
		when := notifyOf(word)
		if when == 0 || r.Notify&when != 0 {
			return errNotify
		}
		r.Notify |= when
	}
	if r.Notify&NotifyNever != 0 && r.Notify != NotifyNever {
		return errNotify
	}
	return nil
}

func notifyOf(word []byte) Notify {
	for i := range notifyWords {
		if equalFold(word, notifyWords[i].word) {
			return notifyWords[i].when
		}
	}
	return 0
}

func (r *Rcpt) setOriginal(value []byte, utf8 bool) error {
	if r.Original != "" {
		return errTwice
	}
	kind, encoded, ok := bytes.Cut(value, []byte{';'})
	if !ok || !isAtom(kind) || len(encoded) == 0 {
		return errOriginal
	}
	unicode := equalFold(kind, "UTF-8")
	address, ok := "", false
	if unicode {
		address, ok = decodeUnitext(encoded, utf8)
	} else {
		address, ok = decodeXtext(encoded)
		ok = ok && isPrintable(address)
	}
	if !ok || len(kind)+1+originalLen(address, unicode) > maxOriginal {
		return errOriginal
	}
	r.Original = string(kind) + ";" + address
	return nil
}

// originalLen is the length of an address as it is encoded for who understands
// least.
func originalLen(address string, unicode bool) int {
	if unicode {
		return len(appendUnitext(nil, address, false))
	}
	return xtextLen(address)
}

// Needs returns what a connector must offer to take the command without a change
// of its meaning (P31). An address beyond ASCII is [Mail.Needs]' business.
func (r *Rcpt) Needs() Extensions {
	if r.Notify != 0 || r.Original != "" {
		return WithDSN
	}
	return 0
}

// AppendFor appends the RCPT command with its CRLF, made anew from the parsed
// form, with only the parameters that a connector with these extensions
// understands (P38).
func (r *Rcpt) AppendFor(dst []byte, offered Extensions) []byte {
	dst = append(append(append(dst, "RCPT TO:<"...), r.To...), '>')
	if offered.has(WithDSN) {
		dst = r.appendNotify(dst)
		dst = r.appendOriginal(dst, offered.has(WithUTF8))
	}
	return append(dst, '\r', '\n')
}

func (r *Rcpt) appendNotify(dst []byte) []byte {
	between := " NOTIFY="
	for i := range notifyWords {
		if r.Notify&notifyWords[i].when != 0 {
			dst = append(append(dst, between...), notifyWords[i].word...)
			between = ","
		}
	}
	return dst
}

func (r *Rcpt) appendOriginal(dst []byte, utf8 bool) []byte {
	if r.Original == "" {
		return dst
	}
	kind, address, _ := strings.Cut(r.Original, ";")
	dst = append(append(append(dst, " ORCPT="...), kind...), ';')
	if strings.EqualFold(kind, "UTF-8") {
		return appendUnitext(dst, address, utf8)
	}
	return AppendXtext(dst, address)
}

// AppendRcpt appends a RCPT command without parameters, with its CRLF.
func AppendRcpt(dst []byte, to string) []byte {
	r := Rcpt{To: to}
	return r.AppendFor(dst, 0)
}
