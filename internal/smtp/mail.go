package smtp

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// Body is the value of MAIL's BODY parameter (RFC 6152, RFC 3030).
type Body uint8

// The bodies; BodyUnset where the sender gave none.
const (
	BodyUnset Body = iota
	Body7Bit
	Body8BitMIME
	BodyBinaryMIME
)

// Return is what a report about the message shall hold of it: the value of
// MAIL's RET parameter (RFC 3461 section 4.3).
type Return uint8

// What is returned; ReturnUnset where the sender gave no RET.
const (
	ReturnUnset Return = iota
	ReturnFull
	ReturnHeaders
)

// Mail is a MAIL command.
type Mail struct {
	From        string // the reverse-path without brackets; empty: the null sender
	Size        int64  // as declared (RFC 1870); 0: not declared
	HasSize     bool
	Body        Body
	UTF8        bool   // SMTPUTF8 (RFC 6531)
	RequireTLS  bool   // REQUIRETLS (RFC 8689)
	Return      Return // RET (RFC 3461)
	EnvelopeID  string // ENVID, decoded: printable ASCII (RFC 3461); empty: none
	HasPriority bool
	Priority    int8      // MT-PRIORITY, −9 … 9 (RFC 6710)
	DeliverBy   DeliverBy // BY (RFC 2852)
	// Auth is AUTH, decoded (RFC 4954 section 5): an address, or "<>" for
	// nobody known; empty: none.
	Auth string
}

// Bounds of encoded values: what RFC 3461 gives ENVID and ORCPT (sections 4.4
// and 4.2), and RFC 4954 AUTH. With them every command made anew is shorter than a
// line may be (P24).
const (
	maxEnvelopeID = 100
	maxOriginal   = 500
	maxAuthParam  = 500
)

var (
	errPath      = &SyntaxError{501, EnhancedCode{5, 1, 7}, "That is no address: <local@domain> wanted"}
	errRcptPath  = &SyntaxError{501, EnhancedCode{5, 1, 3}, "That is no address: <local@domain> wanted"}
	errMailWord  = badArgument("MAIL FROM:<address> wanted")
	errRcptWord  = badArgument("RCPT TO:<address> wanted")
	errSize      = badArgument("SIZE= wants a number of octets")
	errBody      = badArgument("BODY= wants 7BIT or 8BITMIME")
	errTwice     = badArgument("The same parameter twice")
	errParameter = &SyntaxError{555, EnhancedCode{5, 5, 4}, "Unknown parameter"}
	errUTF8      = &SyntaxError{553, EnhancedCode{5, 6, 7}, "Address needs SMTPUTF8, which is not offered"}
	errAskUTF8   = &SyntaxError{553, EnhancedCode{5, 6, 7}, "Address needs SMTPUTF8, which MAIL did not ask for"}
	errNotUTF8   = &SyntaxError{501, EnhancedCode{5, 5, 2}, "Address is not UTF-8, or holds a control character"}
)

func notOffered(name string) *SyntaxError {
	return &SyntaxError{555, EnhancedCode{5, 5, 4}, name + " is not offered"}
}

// ParseMail parses the argument of MAIL (RFC 5321 section 4.1.1.2). Offered is
// what this session offers its sender: parameters of other extensions are refused;
// after HELO it is none. BODY=7BIT promises nothing new and needs none. The error
// is a *[SyntaxError].
func ParseMail(arg []byte, offered Extensions) (Mail, error) {
	var m Mail
	rest, ok := cutWord(arg, "FROM:")
	if !ok {
		return m, errMailWord
	}
	path, rest, ok := parsePath(rest)
	if !ok {
		return m, errPath
	}
	if !isASCII(path) && !offered.has(WithUTF8) {
		return m, errUTF8
	}
	var seen mailParameter
	for key, value, rest := nextParameter(rest); len(key) > 0; key, value, rest = nextParameter(rest) {
		which := mailParameterOf(key)
		switch {
		case which == 0 || offered == 0:
			return m, errParameter
		case seen&which != 0:
			return m, errTwice
		}
		seen |= which
		if err := m.set(which, value, offered); err != nil {
			return m, err
		}
	}
	if err := checkUTF8(path, m.UTF8); err != nil {
		return m, err
	}
	m.From = string(path)
	return m, nil
}

// checkUTF8 checks that a path needs no more than what was asked for.
func checkUTF8(path []byte, asked bool) error {
	switch {
	case isASCII(path):
		return nil
	case !asked:
		return errAskUTF8
	case !utf8.Valid(path) || bytes.ContainsFunc(path, isControl):
		return errNotUTF8
	default:
		return nil
	}
}

// mailParameter is a parameter of MAIL, as a bit.
type mailParameter uint16

const (
	mailSize mailParameter = 1 << iota
	mailBody
	mailUTF8
	mailRequireTLS
	mailReturn
	mailEnvelopeID
	mailBy
	mailPriority
	mailAuth
)

var mailParameters = [...]struct {
	keyword string
	which   mailParameter
}{
	{"SIZE", mailSize},
	{"BODY", mailBody},
	{"SMTPUTF8", mailUTF8},
	{"REQUIRETLS", mailRequireTLS},
	{"RET", mailReturn},
	{"ENVID", mailEnvelopeID},
	{"BY", mailBy},
	{"MT-PRIORITY", mailPriority},
	{"AUTH", mailAuth},
}

func mailParameterOf(key []byte) mailParameter {
	for i := range mailParameters {
		if equalFold(key, mailParameters[i].keyword) {
			return mailParameters[i].which
		}
	}
	return 0
}

// set takes in one parameter. A nil value is none at all, not even an empty one.
func (m *Mail) set(which mailParameter, value []byte, offered Extensions) error {
	switch which {
	case mailSize:
		return m.setSize(value, offered)
	case mailBody:
		return m.setBody(value, offered)
	case mailUTF8:
		return setFlag(&m.UTF8, "SMTPUTF8", value, offered.has(WithUTF8))
	case mailRequireTLS:
		return setFlag(&m.RequireTLS, "REQUIRETLS", value, offered.has(WithRequireTLS))
	case mailReturn:
		return m.setReturn(value, offered)
	case mailEnvelopeID:
		return m.setEnvelopeID(value, offered)
	case mailBy:
		return m.setDeliverBy(value, offered)
	case mailPriority:
		return m.setPriority(value, offered)
	default:
		return m.setAuth(value, offered)
	}
}

// Needs returns what a connector must offer to take the command without a change
// of its meaning (P31). Without MT-PRIORITY, AUTH or SIZE a message loses nothing
// that its sender was promised.
func (m *Mail) Needs() Extensions {
	var e Extensions
	switch m.Body {
	case Body8BitMIME:
		e |= With8BitMIME
	case BodyBinaryMIME:
		e |= WithBinaryMIME
	}
	if m.UTF8 {
		e |= WithUTF8
	}
	if m.RequireTLS {
		e |= WithRequireTLS
	}
	if m.Return != ReturnUnset || m.EnvelopeID != "" {
		e |= WithDSN
	}
	if m.DeliverBy.Mode != 0 {
		e |= WithDeliverBy
	}
	return e
}

// Append appends the MAIL command with its CRLF, made anew from the parsed form,
// with all that it holds.
func (m *Mail) Append(dst []byte) []byte { return m.AppendFor(dst, everything, 0) }

// AppendFor appends the MAIL command with its CRLF, with only the parameters that
// a connector with these extensions understands (P38). Added is how many octets
// weir may add to a message; a declared size grows by it.
func (m *Mail) AppendFor(dst []byte, offered Extensions, added int64) []byte {
	dst = append(append(append(dst, "MAIL FROM:<"...), m.From...), '>')
	if m.HasSize && offered.has(WithSize) {
		dst = strconv.AppendInt(append(dst, " SIZE="...), m.Size+added, 10)
	}
	switch {
	case m.Body == BodyBinaryMIME && offered.has(WithBinaryMIME):
		dst = append(dst, " BODY=BINARYMIME"...)
	case !offered.has(With8BitMIME):
	case m.Body == Body7Bit:
		dst = append(dst, " BODY=7BIT"...)
	case m.Body == Body8BitMIME:
		dst = append(dst, " BODY=8BITMIME"...)
	}
	if m.UTF8 && offered.has(WithUTF8) {
		dst = append(dst, " SMTPUTF8"...)
	}
	if m.RequireTLS && offered.has(WithRequireTLS) {
		dst = append(dst, " REQUIRETLS"...)
	}
	return append(m.appendRare(dst, offered), '\r', '\n')
}

// appendRare appends the parameters that few senders use.
func (m *Mail) appendRare(dst []byte, offered Extensions) []byte {
	if offered.has(WithDSN) {
		switch m.Return {
		case ReturnFull:
			dst = append(dst, " RET=FULL"...)
		case ReturnHeaders:
			dst = append(dst, " RET=HDRS"...)
		}
		if m.EnvelopeID != "" {
			dst = AppendXtext(append(dst, " ENVID="...), m.EnvelopeID)
		}
	}
	if m.DeliverBy.Mode != 0 && offered.has(WithDeliverBy) {
		dst = m.DeliverBy.append(append(dst, " BY="...))
	}
	if m.HasPriority && offered.has(WithPriority) {
		dst = strconv.AppendInt(append(dst, " MT-PRIORITY="...), int64(m.Priority), 10)
	}
	switch {
	case m.Auth == "" || !offered.has(WithAuth):
		return dst
	case m.Auth == "<>":
		return append(dst, " AUTH=<>"...)
	default:
		return AppendXtext(append(dst, " AUTH="...), m.Auth)
	}
}
