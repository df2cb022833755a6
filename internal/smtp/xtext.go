package smtp

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

const upperHex = "0123456789ABCDEF"

// decodeXtext decodes xtext (RFC 3461 section 4): a plus sign and two hexadecimal
// digits stand for an octet. A raw "=", which some senders write, is let pass: what
// goes on is encoded anew.
func decodeXtext(s []byte) (string, bool) {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c <= ' ' || c >= 0x7f:
			return "", false
		case c != '+':
			b.WriteByte(c)
		default:
			if i+2 >= len(s) {
				return "", false
			}
			high, low := hexDigit(s[i+1]), hexDigit(s[i+2])
			if high < 0 || low < 0 {
				return "", false
			}
			b.WriteByte(byte(high<<4 | low))
			i += 2
		}
	}
	return b.String(), true
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	default:
		return -1
	}
}

func needsXtext(c byte) bool { return c <= ' ' || c >= 0x7f || c == '+' || c == '=' }

// AppendXtext appends s as xtext (RFC 3461 section 4), which encodes what could end
// a parameter.
func AppendXtext(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; needsXtext(c) {
			dst = append(dst, '+', upperHex[c>>4], upperHex[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// xtextLen is the length of s as xtext.
func xtextLen(s string) int {
	n := len(s)
	for i := range len(s) {
		if needsXtext(s[i]) {
			n += 2
		}
	}
	return n
}

// decodeUnitext decodes an address in the form of RFC 6533 section 3, where
// "\x{E4}" stands for a character. Characters beyond ASCII stand for themselves
// only with SMTPUTF8.
func decodeUnitext(s []byte, raw bool) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] == '\\' {
			r, n := embedded(s[i:])
			if n == 0 {
				return "", false
			}
			b.WriteRune(r)
			i += n
			continue
		}
		r, n := utf8.DecodeRune(s[i:])
		if r == utf8.RuneError && n == 1 || r <= ' ' || r == 0x7f || r >= utf8.RuneSelf && !raw {
			return "", false
		}
		b.WriteRune(r)
		i += n
	}
	address := b.String()
	return address, !strings.ContainsFunc(address, isControl)
}

// embedded decodes "\x{HEX}" at the front of s; n is 0 when there is none.
func embedded(s []byte) (r rune, n int) {
	const open = `\x{`
	if len(s) < len(open) || string(s[:len(open)]) != open {
		return 0, 0
	}
	i := len(open)
	for ; i < len(s) && s[i] != '}' && i < len(open)+6; i++ {
		digit := hexDigit(s[i])
		if digit < 0 {
			return 0, 0
		}
		r = r<<4 | rune(digit)
	}
	if i == len(open) || i == len(s) || s[i] != '}' || !utf8.ValidRune(r) {
		return 0, 0
	}
	return r, i + 1
}

// appendUnitext encodes an address for ORCPT; raw lets characters beyond ASCII
// stand for themselves.
func appendUnitext(dst []byte, s string, raw bool) []byte {
	for _, r := range s {
		switch {
		case r <= ' ' || r == '+' || r == '=' || r == '\\' || r == 0x7f, r >= utf8.RuneSelf && !raw:
			hex := strconv.FormatInt(int64(r), 16)
			dst = append(append(append(dst, `\x{`...), strings.ToUpper(hex)...), '}')
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}

func isControl(r rune) bool { return r < ' ' || 0x7f <= r && r < 0xa0 }

// isPrintable reports whether s is graphic ASCII and blanks alone.
func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// isAtom reports whether s is an atom (RFC 5322 section 3.2.3).
func isAtom(s []byte) bool {
	for _, c := range s {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>[]:;@\,."`, c) >= 0 {
			return false
		}
	}
	return len(s) > 0
}
