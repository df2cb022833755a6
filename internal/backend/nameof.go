package backend

import "strings"

// NameOf makes a name of what is none, such as an address or another system's ID:
// the brackets of an IPv6 address are dropped, any other character that a name must
// not have becomes a hyphen, and none is left in front, where commands would take
// the name for an option. The result may be empty, and as long as the text.
func NameOf(text string) string {
	return strings.TrimLeft(strings.Map(nameRune, text), "-")
}

// nameRune keeps what the names of connectors, pools and listeners are made of.
func nameRune(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._:-", r):
		return r
	case r == '[', r == ']':
		return -1
	default:
		return '-'
	}
}
