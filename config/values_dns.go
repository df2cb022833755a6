package config

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// day is the longest TTL: what is published wrongly is believed so long.
const day = 24 * time.Hour

// zoneName accepts the name of a zone, in any case and with or without a dot at
// its end.
func zoneName(s string) (string, *fault) {
	name, bad := domain(s)
	if bad != nil {
		return "", faultf("for example example.com", "%q is not the name of a zone", s)
	}
	return strings.ToLower(name), nil
}

// recordName accepts the name of a record as zone files have it: "@", one below
// the zone, or a full one with a dot at its end.
func recordName(s string) (string, *fault) {
	const remedy = `for example mx-pool, or "@" for the zone itself`
	if s == "@" {
		return s, nil
	}
	if strings.HasPrefix(s, "*") {
		return "", faultf("name each", "%q: wildcards are not kept", s)
	}
	if _, bad := domain(s); bad != nil {
		return "", faultf(remedy, "%q is not a name in DNS", s)
	}
	return strings.ToLower(s), nil
}

// recordType accepts the types that weir keeps.
func recordType(s string) (string, *fault) {
	kinds := []string{"A", "AAAA", "MX", "SRV"}
	switch {
	case slices.Contains(kinds, s):
		return s, nil
	case slices.Contains(kinds, strings.ToUpper(s)):
		return "", faultf("write "+strings.ToUpper(s), "%q is not one of its values", s)
	case strings.EqualFold(s, "CNAME"):
		return "", faultf("keep the addresses themselves: type A, which brings AAAA along",
			"a CNAME allows no other record at its name, and an MX or SRV record must not point to one (RFC 2181 section 10)")
	default:
		return "", faultf("use "+quoted(kinds...), "%q is not one of its values", s)
	}
}

// timeToLive accepts whole seconds.
func timeToLive(s string) (time.Duration, *fault) {
	const remedy = "for example 60s"
	d, bad := durationOrZero(s)
	switch {
	case bad != nil:
		return 0, bad
	case d == 0:
		return 0, faultf(remedy, "a TTL of 0 makes every sender ask for every message, and some resolvers refuse it")
	case d%time.Second != 0:
		return 0, faultf(remedy, "%q is not in whole seconds", s)
	case d > day:
		return 0, faultf(remedy, "%q is more than a day: so long senders would be sent to a dead connector", s)
	}
	return d, nil
}

// dnsServer accepts the address of a name server.
func dnsServer(s string) (string, *fault) {
	const example = "10.0.0.53"
	where, port, err := net.SplitHostPort(s)
	if err != nil {
		if _, bad := host(strings.Trim(s, "[]")); bad == nil && !digits(s) {
			return "", faultf("write "+quoted(net.JoinHostPort(strings.Trim(s, "[]"), "53")), "%q has no port", s)
		}
		return "", faultf("for example "+quoted(example+":53"), "%q is not host:port", s)
	}
	name, bad := host(where)
	n, err := strconv.Atoi(port)
	switch ip, _ := netip.ParseAddr(where); {
	case err != nil || !digits(port) || n < 1 || n > 65535:
		return "", faultf("for example "+quoted(net.JoinHostPort(where, "53")), "port %q is not a number from 1 to 65535", port)
	case bad != nil || ip.IsUnspecified() && ip.IsValid():
		return "", faultf("for example "+quoted(example+":53"), "%q is neither a host name nor an IP address of a server", where)
	}
	return net.JoinHostPort(name, strconv.Itoa(n)), nil
}

// serverName accepts the full name of a name server.
func serverName(s string) (string, *fault) {
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	if _, bad := hostname(name); bad != nil || !strings.Contains(name, ".") {
		return "", faultf("for example ns1.example.com", "%q is not the full name of a name server", s)
	}
	return name, nil
}

// keyName accepts the name of a TSIG key. It is compared in lower case: with
// capitals some servers do what they were asked, and sign an answer that does not
// verify.
func keyName(s string) (string, *fault) {
	name, bad := domain(s)
	if bad != nil {
		return "", faultf("for example weir", "%q is not the name of a key", s)
	}
	return strings.ToLower(name), nil
}

// contact accepts who answers for a zone: a mail address, or a local part alone.
func contact(s string) (string, *fault) {
	const remedy = "for example hostmaster or hostmaster@example.com"
	local, at, full := strings.Cut(s, "@")
	odd := strings.ContainsFunc(local, func(r rune) bool { return !letter(r) && !digit(r) && !strings.ContainsRune("._+-", r) })
	if odd || local == "" || len(local) > 60 || strings.Trim(local, ".") != local || strings.Contains(local, "..") {
		return "", faultf(remedy, "%q is not a mailbox", s)
	}
	if _, bad := hostname(at); full && (bad != nil || at == "") {
		return "", faultf(remedy, "%q is not a mailbox", s)
	}
	return s, nil
}
