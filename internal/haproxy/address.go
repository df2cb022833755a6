package haproxy

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// splitAddress takes an address apart as HAProxy does: behind the last colon
// stands the port, so ":::25" is port 25 of "::". Port is empty when there is
// none.
func splitAddress(s string) (host, port string) {
	for _, family := range []string{"ipv4@", "ipv6@", "tcp@", "tcp4@", "tcp6@"} {
		s = strings.TrimPrefix(s, family)
	}
	if end := strings.LastIndexByte(s, ']'); strings.HasPrefix(s, "[") && end > 0 {
		return s[1:end], strings.TrimPrefix(s[end+1:], ":")
	}
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i+1:]
}

// portNumber is a port from 1 to 65535, or 0 for what is none.
func portNumber(s string) int {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0
	}
	return int(n)
}

// listenHost is where to listen as weir writes it: an IP address, or nothing
// for all of them.
func listenHost(host string) (string, bool) {
	if host == "" || host == "*" {
		return "", true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Zone() != "" {
		return "", false
	}
	return ip.Unmap().String(), true
}

// overlap reports whether two addresses cannot both be listened on.
func overlap(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB {
		return false
	}
	every := func(host string) bool {
		ip, err := netip.ParseAddr(host)
		return err != nil || ip.IsUnspecified()
	}
	return hostA == hostB || every(hostA) || every(hostB)
}

// isDomain reports whether a name can be asked for in DNS.
func isDomain(s string) bool {
	s = strings.TrimSuffix(s, ".")
	labels := strings.Split(s, ".")
	for _, label := range labels {
		label = strings.TrimPrefix(label, "_")
		odd := strings.IndexFunc(label, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
		})
		if label == "" || len(label) > 62 || odd >= 0 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return len(s) <= 253 && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}
