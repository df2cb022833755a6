package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// listenAddress accepts where to listen: an IP address, "localhost" or nothing
// (every address of the machine), and a port; port 0 is any free one.
func listenAddress(s string) (string, *fault) {
	host, port, bad := splitAddress(s, "")
	switch {
	case bad != nil:
		return "", bad
	case host == "", host == "localhost":
		return net.JoinHostPort(host, strconv.Itoa(port)), nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return "", faultf("write an IP address of this machine, or only the port, such as \":"+strconv.Itoa(port)+"\"", "%q is not an IP address", host)
	}
	return net.JoinHostPort(ip.Unmap().String(), strconv.Itoa(port)), nil
}

// adminAddress is [listenAddress], and nothing at all for no admin server.
func adminAddress(s string) (string, *fault) {
	if s == "" {
		return "", nil
	}
	return listenAddress(s)
}

// backendAddress accepts the address of a connector.
func backendAddress(s string) (string, *fault) {
	host, port, bad := splitAddress(s, "10.0.0.11")
	if bad != nil {
		return "", bad
	}
	ip, err := netip.ParseAddr(host)
	example := net.JoinHostPort("10.0.0.11", strconv.Itoa(port))
	switch {
	case host == "":
		return "", faultf("for example "+quoted(example), "%q names no host", s)
	case err != nil && strings.Trim(host, ".0123456789") == "", strings.Contains(host, ":") && err != nil:
		return "", faultf("for example "+quoted(example), "%q is not an IP address", host)
	case err != nil && host == "localhost":
		return "", faultf("write \"127.0.0.1:"+strconv.Itoa(port)+"\"", "a backend is given by its IP address, not by a host name")
	case err != nil:
		return "", faultf(fmt.Sprintf("write its IP address, such as %q, or beside backends: dns: {host: %s, port: %d}", example, host, port),
			"a backend is given by its IP address, not by a host name")
	case ip.IsUnspecified():
		return "", faultf("for example "+quoted(example), "%q is no address that one machine has", host)
	case port == 0:
		return "", faultf("for example "+quoted(net.JoinHostPort(host, "25")), "port 0 is not from 1 to 65535")
	}
	return net.JoinHostPort(ip.Unmap().String(), strconv.Itoa(port)), nil
}

// resolverAddress accepts where to ask DNS: an IP address and a port, or nothing
// for the machine's own resolver.
func resolverAddress(s string) (string, *fault) {
	if s == "" {
		return "", nil
	}
	if ip, err := netip.ParseAddr(s); err == nil {
		return "", faultf("write "+quoted(net.JoinHostPort(ip.String(), "53")), "%q has no port", s)
	}
	host, port, bad := splitAddress(s, "127.0.0.1")
	if bad != nil {
		return "", bad
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.IsUnspecified() || port == 0 {
		return "", faultf(`for example "127.0.0.1:53"`, "%q is not an IP address and a port", s)
	}
	return net.JoinHostPort(ip.String(), strconv.Itoa(port)), nil
}

// consulAddress accepts where Consul's agent answers: host:port, which may have
// http:// or https:// before it, or the path of a Unix socket behind unix://.
// Empty leaves it to the environment.
func consulAddress(s string) (string, *fault) {
	const remedy = `for example 127.0.0.1:8500, "https://consul.example.com:8501" or "unix:///run/consul.sock"`
	if s == "" {
		return "", nil
	}
	scheme, rest, isURL := strings.Cut(s, "://")
	switch {
	case isURL && scheme == "unix" && strings.HasPrefix(rest, "/") && !strings.ContainsFunc(rest, func(r rune) bool { return r < ' ' }):
		return s, nil
	case !isURL:
		rest = s
	case scheme != "http" && scheme != "https":
		return "", faultf(remedy, "%q is not the address of an agent", s)
	}
	where, port, bad := splitAddress(rest, "127.0.0.1")
	if bad != nil || port == 0 {
		return "", faultf(remedy, "%q is not host:port", rest)
	}
	if _, bad := host(where); bad != nil {
		return "", faultf(remedy, "%q is neither a host name nor an IP address", where)
	}
	return s, nil
}

// host accepts a host name or an IP address.
func host(s string) (string, *fault) {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		return ip.Unmap().String(), nil
	}
	if s == "" {
		return "", faultf("for example weir.example.com", "is empty")
	}
	return hostname(s)
}

// ownAddress accepts an address that others can reach one machine by.
func ownAddress(s string) (netip.Addr, *fault) {
	ip, err := netip.ParseAddr(s)
	switch {
	case err != nil || ip.Zone() != "":
		return netip.Addr{}, faultf("for example 192.0.2.10", "%q is not an IP address", s)
	case ip.IsUnspecified() || ip.IsMulticast():
		return netip.Addr{}, faultf("for example 192.0.2.10", "%q is no address that one machine has", s)
	}
	return ip.Unmap(), nil
}

// ownAddressOrNone is [ownAddress], and nothing at all for none.
func ownAddressOrNone(s string) (netip.Addr, *fault) {
	if s == "" {
		return netip.Addr{}, nil
	}
	return ownAddress(s)
}

// splitAddress takes host:port apart. The port is 0 to 65535, the host
// unchecked. Example is the host to show where s has none.
func splitAddress(s, example string) (host string, port int, bad *fault) {
	if digits(s) {
		return "", 0, faultf("for example "+quoted(example+":"+s), "%q is not host:port", s)
	}
	if ip, err := netip.ParseAddr(s); err == nil {
		return "", 0, faultf("write "+quoted(net.JoinHostPort(ip.String(), "25")), "%q has no port", s)
	}
	host, service, err := net.SplitHostPort(s)
	switch {
	case s == "":
		return "", 0, faultf("for example "+quoted(example+":25"), "is empty")
	case err != nil && strings.Contains(err.Error(), "missing port"):
		return "", 0, faultf("for example "+quoted(strings.TrimSuffix(s, ":")+":25"), "%q has no port", s)
	case err != nil:
		return "", 0, faultf("for example "+quoted(example+":25"), "%q is not host:port", s)
	}
	port, err = strconv.Atoi(service)
	if err != nil || !digits(service) || port > 65535 {
		return "", 0, faultf("for example "+quoted(net.JoinHostPort(host, "25")), "port %q is not a number from 1 to 65535", service)
	}
	return host, port, nil
}

// network accepts a network in CIDR form, or a single address.
func network(s string) (netip.Prefix, *fault) {
	const remedy = "for example 192.0.2.0/24 or 2001:db8::/32"
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, faultf(remedy, "%q is not a network", s)
	}
	if masked := p.Masked(); masked != p {
		return netip.Prefix{}, faultf("write "+masked.String(), "%q has bits set behind its first %d", s, p.Bits())
	}
	return p, nil
}

// addressKey takes a checked address apart for comparison. The unspecified
// address stands for all of the machine's; an empty address has neither part.
func addressKey(address string) (netip.Addr, string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return netip.Addr{}, ""
	}
	switch host {
	case "":
		return netip.IPv6Unspecified(), port
	case "localhost":
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), port
	}
	ip, _ := netip.ParseAddr(host)
	return ip, port
}

// overlap reports whether two checked addresses cannot both be listened on.
// Port 0 is another one each time. An unspecified address is taken for both
// IPv4 and IPv6, as net.Listen does.
func overlap(a, b string) bool {
	ipA, portA := addressKey(a)
	ipB, portB := addressKey(b)
	if portA != portB || portA == "" || portA == "0" {
		return false
	}
	return ipA == ipB || ipA.IsUnspecified() || ipB.IsUnspecified()
}

// onLoopback reports whether only this machine can reach a checked address.
func onLoopback(address string) bool {
	ip, _ := addressKey(address)
	return ip.IsLoopback()
}

// isPublic reports whether strangers may reach a checked address: one that is
// neither of this machine alone nor of a private network.
func isPublic(address string) bool {
	ip, _ := addressKey(address)
	return ip.IsValid() && !ip.IsLoopback() && !ip.IsPrivate() && !ip.IsLinkLocalUnicast()
}

// everybody reports whether a network is all addresses there are.
func everybody(p netip.Prefix) bool { return p.Bits() == 0 }
