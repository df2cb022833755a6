package smtp

import (
	"encoding/base64"
)

// MaxAuthLine is the longest line of an AUTH dialogue, CRLF included (RFC 4954
// section 4).
const MaxAuthLine = 12288

// maxCommandLine is the longest command that every server takes (RFC 5321 section
// 4.5.3.1.4).
const maxCommandLine = 512

// Auth is an AUTH command (RFC 4954 section 4).
type Auth struct {
	Mechanism  string // in capitals
	HasInitial bool
	Initial    string // the initial response, in base64; empty: one of no octets
}

var (
	errAuthWord      = badArgument("AUTH MECHANISM wanted")
	errAuthMechanism = &SyntaxError{504, EnhancedCode{5, 5, 4}, "That is no name of an AUTH mechanism"}
	errAuthBase64    = &SyntaxError{501, EnhancedCode{5, 5, 2}, "That is no base64"}
	errAuthCancel    = &SyntaxError{501, EnhancedCode{5, 7, 0}, "Authentication cancelled"}
)

// ParseAuth parses the argument of AUTH. The error is a *[SyntaxError].
func ParseAuth(arg []byte) (Auth, error) {
	word, initial, has := cutBlank(arg)
	switch {
	case len(word) == 0:
		return Auth{}, errAuthWord
	case !isMechanism(word):
		return Auth{}, errAuthMechanism
	}
	a := Auth{Mechanism: upper(word), HasInitial: has}
	if !has || string(initial) == "=" {
		return a, nil
	}
	var err error
	a.Initial, err = parseBase64(initial)
	return a, err
}

// ParseAuthResponse parses the line with which a client answers a 334, and returns
// its base64. The error is a *[SyntaxError]; it says so when the client gives up
// ("*").
func ParseAuthResponse(line []byte) (string, error) {
	if string(line) == "*" {
		return "", errAuthCancel
	}
	return parseBase64(line)
}

// Append appends the AUTH command with its CRLF. Where it would be longer than
// every server takes, the initial response is left out and must be sent as answer
// to the connector's first 334 (RFC 4954 section 4, P34): inline is false then.
func (a *Auth) Append(dst []byte) (line []byte, inline bool) {
	dst = append(append(dst, "AUTH "...), a.Mechanism...)
	if a.HasInitial {
		initial := a.Initial
		if initial == "" {
			initial = "="
		}
		inline = len("AUTH  \r\n")+len(a.Mechanism)+len(initial) <= maxCommandLine
		if inline {
			dst = append(append(dst, ' '), initial...)
		}
	}
	return append(dst, '\r', '\n'), inline || !a.HasInitial
}

// isMechanism checks a SASL mechanism's name (RFC 4422 section 3.1).
func isMechanism(word []byte) bool {
	for _, c := range word {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return len(word) > 0 && len(word) <= 20
}

// parseBase64 accepts what has one meaning only (RFC 4648 sections 3.3 and 3.5).
func parseBase64(text []byte) (string, error) {
	strict := base64.StdEncoding.Strict()
	octets := make([]byte, strict.DecodedLen(len(text)))
	n, err := strict.Decode(octets, text)
	if err != nil || strict.EncodedLen(n) != len(text) {
		return "", errAuthBase64 // a CR or LF inside is let pass by Decode
	}
	return string(text), nil
}

// cutBlank splits at the first run of blanks; has is whether there is anything
// behind it.
func cutBlank(s []byte) (word, rest []byte, has bool) {
	for i := range s {
		if s[i] == ' ' {
			for rest = s[i:]; len(rest) > 0 && rest[0] == ' '; {
				rest = rest[1:]
			}
			return s[:i], rest, len(rest) > 0
		}
	}
	return s, nil, false
}

// upper returns ASCII letters as capitals.
func upper(word []byte) string {
	b := make([]byte, len(word))
	for i, c := range word {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		b[i] = c
	}
	return string(b)
}
