package smtp

import (
	"bytes"
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
	if hasControl(line) {
		return Command{}, false
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

// SyntaxError is a command that cannot be understood, with the reply it deserves.
type SyntaxError struct {
	Code     int
	Enhanced EnhancedCode
	Text     string
}

// Error returns the reply's text.
func (e *SyntaxError) Error() string { return e.Text }

// badArgument is a known command or parameter with a value that is none.
func badArgument(text string) *SyntaxError {
	return &SyntaxError{501, EnhancedCode{5, 5, 4}, text}
}

// cutWord takes off "FROM:" or "TO:" and the blanks that some senders put
// behind it.
func cutWord(arg []byte, upper string) ([]byte, bool) {
	if len(arg) < len(upper) || !equalFold(arg[:len(upper)], upper) {
		return nil, false
	}
	return bytes.TrimLeft(arg[len(upper):], " "), true
}

// nextParameter cuts KEY or KEY=value off the front. An empty key is the end; a
// nil value is that of a KEY without "=".
func nextParameter(s []byte) (key, value, rest []byte) {
	s = bytes.TrimLeft(s, " ")
	if i := bytes.IndexByte(s, ' '); i >= 0 {
		s, rest = s[:i], s[i:]
	}
	key = s
	if i := bytes.IndexByte(s, '='); i >= 0 {
		key, value = s[:i], s[i+1:]
	}
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
