package smtp

import "encoding/binary"

// Questions about the octets of a line. Every command and every reply is asked
// them, so they look at eight octets at once where there are as many.

// An octet in each of a word's eight places.
const (
	ones  = 0x0101010101010101
	highs = ones << 7
)

// controls returns a word that is not 0 when any of the eight octets is a control
// character: below a blank, or DEL.
func controls(word uint64) uint64 {
	del := word ^ ones*0x7f
	return ((word-ones*' ')&^word | (del-ones)&^del) & highs
}

// hasControl reports whether a control character is among them.
func hasControl(s []byte) bool {
	for ; len(s) >= 8; s = s[8:] {
		if controls(binary.LittleEndian.Uint64(s)) != 0 {
			return true
		}
	}
	for _, b := range s {
		if b < ' ' || b == 0x7f {
			return true
		}
	}
	return false
}

// isASCII reports whether none of them has its highest bit set.
func isASCII(s []byte) bool {
	for ; len(s) >= 8; s = s[8:] {
		if binary.LittleEndian.Uint64(s)&highs != 0 {
			return false
		}
	}
	for _, b := range s {
		if b >= 0x80 {
			return false
		}
	}
	return true
}

// octets is a set of octets, of which members are looked up one by one.
type octets [256]bool

// notInLocal are those that end a local part that is not quoted, "@" aside, and have
// no business there.
var notInLocal = octets{
	' ': true, '\t': true, '<': true, '>': true, '(': true, ')': true, '[': true, ']': true,
	'\\': true, ',': true, ';': true, ':': true, '"': true,
}

// inDomain are letters, digits, what else stands in the names of hosts, and all beyond
// ASCII, of which [checkUTF8] knows more.
var inDomain = func() (in octets) {
	for b := range in {
		letter := 'a' <= b|0x20 && b|0x20 <= 'z'
		in[b] = letter || '0' <= b && b <= '9' || b == '.' || b == '-' || b == '_' || b >= 0x80
	}
	return in
}()
