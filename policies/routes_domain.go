package policies

import (
	"iter"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Domain returns a mail domain as routes compare it: in lower case, as A-labels
// (RFC 5890 section 2.3.2.1), without a dot at its end. An address literal
// stays one. It is false for what is not ASCII and has no such form.
func Domain(s string) (string, bool) {
	folded := foldDomain(nil, s)
	return string(folded), len(folded) > 0 || strings.TrimSuffix(s, ".") == ""
}

// foldDomain appends the domain in the form of [Domain] to dst, or nothing.
func foldDomain(dst []byte, s string) []byte {
	s = strings.TrimSuffix(s, ".")
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return append(dst, toASCII(s)...)
		}
	}
	return appendLower(dst, s)
}

// toASCII is for the few names that senders write in their own script. What is
// none gives "".
func toASCII(s string) string {
	// Underscores and the like pass: the connector judges the name, not weir.
	profile := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false))
	ascii, err := profile.ToASCII(s)
	if err != nil || !utf8.ValidString(s) {
		return ""
	}
	return strings.TrimSuffix(strings.ToLower(ascii), ".")
}

func appendLower(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// foldSender appends a sender to dst as routes compare it, and returns its
// domain too. Case means nothing in the local part either: hardly anybody means
// another person by it.
func foldSender(dst []byte, from string) (address, domain []byte) {
	if from == "" {
		return append(dst, "<>"...), nil
	}
	local, name, ok := cutAddress(from)
	dst = appendLower(dst, local)
	if !ok {
		return dst, nil
	}
	dst = append(dst, '@')
	at := len(dst)
	dst = foldDomain(dst, name)
	return dst, dst[at:]
}

// cutAddress splits at the last "@", unless that is within a quoted local part
// that stands alone. It is false for an address without a domain.
func cutAddress(s string) (local, domain string, ok bool) {
	at := strings.LastIndexByte(s, '@')
	if at < 0 || strings.IndexByte(s[at:], '"') >= 0 {
		return s, "", false
	}
	return s[:at], s[at+1:], true
}

func isPostmaster(rcpt string) bool { return strings.EqualFold(rcpt, "postmaster") }

// dots gives the places behind the dots of a domain, from the left. An address
// literal has no parts.
func dots(domain []byte) iter.Seq[int] {
	return func(yield func(int) bool) {
		if len(domain) == 0 || domain[0] == '[' {
			return
		}
		for i, b := range domain {
			if b == '.' && !yield(i+1) {
				return
			}
		}
	}
}
