package smtp

import (
	"bytes"
	"strconv"
	"strings"
)

// Verb is an SMTP command word.
type Verb uint8

// The verbs that weir knows. VerbHTTP stands for a request line of HTTP, which
// has no business here.
const (
	VerbUnknown Verb = iota
	VerbEHLO
	VerbHELO
	VerbLHLO
	VerbMail
	VerbRcpt
	VerbData
	VerbBdat
	VerbRset
	VerbNoop
	VerbQuit
	VerbHelp
	VerbVrfy
	VerbExpn
	VerbEtrn
	VerbTurn
	VerbStartTLS
	VerbAuth
	VerbXClient
	VerbXForward
	VerbHTTP
)

// verbs is ordered by how often each is seen.
var verbs = [...]struct {
	word string
	verb Verb
}{
	{"RCPT", VerbRcpt},
	{"MAIL", VerbMail},
	{"DATA", VerbData},
	{"BDAT", VerbBdat},
	{"EHLO", VerbEHLO},
	{"QUIT", VerbQuit},
	{"RSET", VerbRset},
	{"NOOP", VerbNoop},
	{"HELO", VerbHELO},
	{"LHLO", VerbLHLO},
	{"HELP", VerbHelp},
	{"VRFY", VerbVrfy},
	{"EXPN", VerbExpn},
	{"ETRN", VerbEtrn},
	{"TURN", VerbTurn},
	{"AUTH", VerbAuth},
	{"STARTTLS", VerbStartTLS},
	{"XCLIENT", VerbXClient},
	{"XFORWARD", VerbXForward},
	{"GET", VerbHTTP},
	{"POST", VerbHTTP},
	{"PUT", VerbHTTP},
	{"HEAD", VerbHTTP},
	{"DELETE", VerbHTTP},
	{"OPTIONS", VerbHTTP},
	{"CONNECT", VerbHTTP},
	{"PATCH", VerbHTTP},
	{"TRACE", VerbHTTP},
	{"PRI", VerbHTTP},
}

// Command is a command line taken apart. Arg is part of the reader's buffer.
type Command struct {
	Verb Verb
	Arg  []byte
}

// ParseCommand splits a line into verb and argument. Verbs are case-insensitive
// (RFC 5321 section 2.4). It returns false for a line with a control character,
// a tab too (P38).
func ParseCommand(line []byte) (Command, bool) {
	for _, b := range line {
		if b < ' ' || b == 0x7f {
			return Command{}, false
		}
	}
	word, arg := line, []byte(nil)
	if i := bytes.IndexByte(line, ' '); i >= 0 {
		word, arg = line[:i], bytes.Trim(line[i:], " ")
	}
	return Command{Verb: lookUpVerb(word), Arg: arg}, true
}

// PeekVerb returns the verb of a line without checking it further.
func PeekVerb(line []byte) Verb {
	if i := bytes.IndexByte(line, ' '); i >= 0 {
		line = line[:i]
	}
	return lookUpVerb(line)
}

func lookUpVerb(word []byte) Verb {
	for i := range verbs {
		if equalFold(word, verbs[i].word) {
			return verbs[i].verb
		}
	}
	return VerbUnknown
}

// equalFold compares with an upper-case ASCII word.
func equalFold(b []byte, upper string) bool {
	if len(b) != len(upper) {
		return false
	}
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != upper[i] {
			return false
		}
	}
	return true
}

// Body is the value of MAIL's BODY parameter (RFC 6152).
type Body uint8

// The bodies; BodyUnset where the sender gave none.
const (
	BodyUnset Body = iota
	Body7Bit
	Body8BitMIME
)

// Mail is a MAIL command.
type Mail struct {
	From    string // the reverse-path without brackets; empty: the null sender
	Size    int64  // as declared (RFC 1870); 0: not declared
	HasSize bool
	Body    Body
}

// Rcpt is a RCPT command.
type Rcpt struct {
	To string // the forward-path without brackets and source route
}

// SyntaxError is a command that cannot be understood, with the reply it deserves.
type SyntaxError struct {
	Code     int
	Enhanced EnhancedCode
	Text     string
}

// Error returns the reply's text.
func (e *SyntaxError) Error() string { return e.Text }

var (
	errPath      = &SyntaxError{501, EnhancedCode{5, 1, 7}, "That is no address: <local@domain> wanted"}
	errRcptPath  = &SyntaxError{501, EnhancedCode{5, 1, 3}, "That is no address: <local@domain> wanted"}
	errMailWord  = &SyntaxError{501, EnhancedCode{5, 5, 4}, "MAIL FROM:<address> wanted"}
	errRcptWord  = &SyntaxError{501, EnhancedCode{5, 5, 4}, "RCPT TO:<address> wanted"}
	errSize      = &SyntaxError{501, EnhancedCode{5, 5, 4}, "SIZE= wants a number of octets"}
	errBody      = &SyntaxError{501, EnhancedCode{5, 5, 4}, "BODY= wants 7BIT or 8BITMIME"}
	errBinary    = &SyntaxError{555, EnhancedCode{5, 5, 4}, "BODY=BINARYMIME is not offered"}
	errTwice     = &SyntaxError{501, EnhancedCode{5, 5, 4}, "The same parameter twice"}
	errParameter = &SyntaxError{555, EnhancedCode{5, 5, 4}, "Unknown parameter"}
	errUTF8      = &SyntaxError{553, EnhancedCode{5, 6, 7}, "Address needs SMTPUTF8, which is not offered"}
)

// ParseMail parses the argument of MAIL (RFC 5321 section 4.1.1.2). Extended
// is whether parameters are welcome, that is whether the sender said EHLO. The
// error is a *[SyntaxError].
func ParseMail(arg []byte, extended bool) (Mail, error) {
	var m Mail
	rest, ok := cutWord(arg, "FROM:")
	if !ok {
		return m, errMailWord
	}
	path, rest, ok := parsePath(rest)
	if !ok {
		return m, errPath
	}
	if !isASCII(path) {
		return m, errUTF8
	}
	m.From = string(path)
	for key, value, rest := nextParameter(rest); len(key) > 0; key, value, rest = nextParameter(rest) {
		if err := m.parameter(key, value, extended); err != nil {
			return m, err
		}
	}
	return m, nil
}

func (m *Mail) parameter(key, value []byte, extended bool) error {
	switch {
	case !extended:
		return errParameter
	case equalFold(key, "SIZE"):
		if m.HasSize {
			return errTwice
		}
		size, ok := ParseNumber(value)
		if !ok {
			return errSize
		}
		m.Size, m.HasSize = size, true
	case equalFold(key, "BODY"):
		if m.Body != BodyUnset {
			return errTwice
		}
		switch {
		case equalFold(value, "7BIT"):
			m.Body = Body7Bit
		case equalFold(value, "8BITMIME"):
			m.Body = Body8BitMIME
		case equalFold(value, "BINARYMIME"):
			return errBinary
		default:
			return errBody
		}
	default:
		return errParameter
	}
	return nil
}

// ParseRcpt parses the argument of RCPT (RFC 5321 section 4.1.1.3). The error
// is a *[SyntaxError].
func ParseRcpt(arg []byte) (Rcpt, error) {
	var r Rcpt
	rest, ok := cutWord(arg, "TO:")
	if !ok {
		return r, errRcptWord
	}
	path, rest, ok := parsePath(rest)
	if !ok || len(path) == 0 {
		return r, errRcptPath
	}
	if !isASCII(path) {
		return r, errUTF8
	}
	if key, _, _ := nextParameter(rest); len(key) > 0 {
		return r, errParameter
	}
	r.To = string(path)
	return r, nil
}

// cutWord takes off "FROM:" or "TO:" and the blanks that some senders put
// behind it.
func cutWord(arg []byte, upper string) ([]byte, bool) {
	if len(arg) < len(upper) || !equalFold(arg[:len(upper)], upper) {
		return nil, false
	}
	return bytes.TrimLeft(arg[len(upper):], " "), true
}

// nextParameter cuts KEY or KEY=value off the front. An empty key is the end.
func nextParameter(s []byte) (key, value, rest []byte) {
	s = bytes.TrimLeft(s, " ")
	if i := bytes.IndexByte(s, ' '); i >= 0 {
		s, rest = s[:i], s[i:]
	}
	key, value, _ = bytes.Cut(s, []byte{'='})
	if len(key) == 0 {
		key = s // "=x" is a parameter that nobody knows
	}
	return key, value, rest
}

// ParseNumber parses a number of octets of at most 18 digits.
func ParseNumber(s []byte) (int64, bool) {
	if len(s) == 0 || len(s) > 18 {
		return 0, false
	}
	var n int64
	for _, b := range s {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = n*10 + int64(b-'0')
	}
	return n, true
}

// Bdat is a BDAT command (RFC 3030 section 2).
type Bdat struct {
	Size int64
	Last bool
}

// ParseBdat parses the argument of BDAT. When it returns false the number of
// octets that follow is unknown, and the connection cannot go on (P21).
func ParseBdat(arg []byte) (Bdat, bool) {
	number, rest := arg, []byte(nil)
	if i := bytes.IndexByte(arg, ' '); i >= 0 {
		number, rest = arg[:i], bytes.Trim(arg[i:], " ")
	}
	size, ok := ParseNumber(number)
	if !ok {
		return Bdat{}, false
	}
	last := equalFold(rest, "LAST")
	return Bdat{Size: size, Last: last}, last || len(rest) == 0
}

// ParseHello returns the client's name from EHLO or HELO, or false when there
// is none or it would not fit into one word of a Received line.
func ParseHello(arg []byte) (string, bool) {
	name, _, _ := strings.Cut(string(arg), " ")
	if name == "" || len(name) > 255 || strings.ContainsAny(name, "()<>\\\",;\t") || !isASCII([]byte(name)) {
		return "", false
	}
	return name, true
}

// Append appends the MAIL command with its CRLF, made anew from the parsed form.
func (m *Mail) Append(dst []byte) []byte {
	dst = append(append(append(dst, "MAIL FROM:<"...), m.From...), '>')
	if m.HasSize {
		dst = strconv.AppendInt(append(dst, " SIZE="...), m.Size, 10)
	}
	switch m.Body {
	case Body7Bit:
		dst = append(dst, " BODY=7BIT"...)
	case Body8BitMIME:
		dst = append(dst, " BODY=8BITMIME"...)
	}
	return append(dst, '\r', '\n')
}

// AppendRcpt appends a RCPT command with its CRLF.
func AppendRcpt(dst []byte, to string) []byte {
	return append(append(append(dst, "RCPT TO:<"...), to...), ">\r\n"...)
}
