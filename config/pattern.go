package config

import (
	"net/netip"
	"strings"

	"weir/policies"
)

// pattern accepts what a route can match: a domain, "*." before one, "*", or an
// address literal (RFC 5321 section 4.1.3). It returns the form in which routes
// are compared.
func pattern(s string) (string, *fault) {
	const remedy = `for example example.com, "*.example.com" or "*"`
	rest, below := strings.CutPrefix(s, "*.")
	switch {
	case s == "":
		return "", faultf(remedy, "is empty")
	case s == "*":
		return s, nil
	case rest == "":
		return "", faultf(`write "*.example.com" for all below a domain, or "*" for every domain`, "%q names no domain", s)
	case strings.Contains(rest, "*"):
		if last := strings.TrimLeft(rest, "*"); !below && strings.IndexByte(last, '*') < 0 && last != "" {
			return "", faultf("write "+quoted("*."+strings.TrimPrefix(last, ".")), "%q is not a pattern: behind the * stands a dot", s)
		}
		return "", faultf(remedy, "%q is not a pattern: a * stands alone, or with a dot at the beginning", s)
	case strings.Contains(s, "@"):
		return "", faultf("write "+quoted(s[strings.LastIndexByte(s, '@')+1:])+"; senders stand under from", "%q is not a domain: routes go by the recipient's domain", s)
	}
	domain, bad := mailDomain(rest, s)
	if bad != nil {
		return "", bad
	}
	if below && domain[0] == '[' {
		return "", faultf("write "+quoted(domain), "%q is not a pattern: below an address there is nothing", s)
	}
	if below {
		return "*." + domain, nil
	}
	return domain, nil
}

// mailDomain accepts a domain or an address literal; whole is what the file has.
func mailDomain(s, whole string) (string, *fault) {
	const remedy = "for example example.com"
	if strings.HasPrefix(s, "[") {
		return literal(s, whole)
	}
	if bad := noAddress(s, whole); bad != nil {
		return "", bad
	}
	if host, port, ok := strings.Cut(s, ":"); ok && digits(port) {
		return "", faultf("write "+quoted(host), "%q has a port: a mail domain has none", whole)
	}
	if rest := strings.TrimLeft(s, "."); rest != s && rest != "" {
		return "", faultf("write "+quoted("*."+rest)+" for all below it", "%q begins with a dot", whole)
	}
	if strings.ContainsAny(s, " \t") {
		return "", faultf("one domain each", "%q has a blank in it", whole)
	}
	folded, ok := policies.Domain(s)
	if !ok || !validDomain(folded) {
		return "", faultf(remedy, "%q is not a domain", whole)
	}
	return folded, noAddress(folded, whole) // "10.0.0.1." is one only now
}

// noAddress refuses an address where a domain is wanted.
func noAddress(s, whole string) *fault {
	if ip, err := netip.ParseAddr(s); err == nil {
		return faultf("write "+quoted(addressLiteral(ip)), "%q is an address, not a domain", whole)
	}
	return nil
}

// validDomain reports whether mail can be for it: labels of letters, digits,
// hyphens, and the underscores that some systems have.
func validDomain(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		odd := strings.IndexFunc(label, func(r rune) bool { return !letter(r) && !digit(r) && r != '-' && r != '_' })
		if label == "" || len(label) > maxLabel || odd >= 0 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

// literal accepts an address in brackets. It is compared letter by letter.
func literal(s, whole string) (string, *fault) {
	inside, ok := strings.CutSuffix(s[1:], "]")
	address, isV6 := inside, false
	if len(inside) > 5 && strings.EqualFold(inside[:5], "IPv6:") {
		address, isV6 = inside[5:], true
	}
	ip, err := netip.ParseAddr(address)
	switch {
	case !ok || err != nil || ip.Zone() != "":
		return "", faultf(`for example "[192.0.2.1]" or "[IPv6:2001:db8::1]"`, "%q is not an address in brackets", whole)
	case ip.Is6() != isV6:
		return "", faultf("write "+quoted(addressLiteral(ip)), "%q is not an address in brackets", whole)
	}
	return strings.ToLower(s), nil
}

func addressLiteral(ip netip.Addr) string {
	if ip.Is6() {
		return "[IPv6:" + ip.String() + "]"
	}
	return "[" + ip.String() + "]"
}

// senderPattern accepts what a route can ask of the sender: an address, a
// domain, "*." before one, or "<>".
func senderPattern(s string) (string, *fault) {
	const remedy = `for example alice@example.com, example.com, "*.example.com", or "<>" for the null sender`
	switch {
	case s == "":
		return "", faultf(`write "<>" for the null sender`, "is empty")
	case s == "<>":
		return s, nil
	case s == "*":
		return "", faultf("leave from out", "\"*\" is every sender")
	case strings.ContainsAny(s, "<>"):
		return "", faultf("write the address without brackets", "%q is not a sender", s)
	}
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		domain, bad := pattern(s)
		if bad != nil {
			return "", faultf(remedy, "%q is not a sender", s)
		}
		return domain, nil
	}
	local, domain := s[:at], s[at+1:]
	if local == "" && domain != "" {
		return "", faultf("write "+quoted(domain), "%q is not a sender: a domain stands alone", s)
	}
	folded, bad := mailDomain(domain, s)
	odd := strings.IndexFunc(local, func(r rune) bool { return r <= ' ' || r == 0x7f })
	switch {
	case bad != nil, local == "*":
		return "", faultf(remedy, "%q is not a sender", s)
	case odd >= 0 && local[0] != '"':
		return "", faultf(remedy, "%q has a blank in it", s)
	}
	return lowerASCII(local) + "@" + folded, nil
}

// lowerASCII is how routes compare local parts.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}
