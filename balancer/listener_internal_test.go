package balancer

import (
	"net"
	"net/netip"
	"testing"
)

// TestAddrPort: networks in the configuration have no zones, so clients have none.
func TestAddrPort(t *testing.T) {
	linkLocal := netip.MustParsePrefix("fe80::/10")
	from := addrPort(&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 25, Zone: "eth0"})
	if from != netip.MustParseAddrPort("[fe80::1]:25") || !contains([]netip.Prefix{linkLocal}, from.Addr()) {
		t.Errorf("%s is not in %s", from, linkLocal)
	}
	if got := addrPort(&net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.1"), Port: 25}); got != netip.MustParseAddrPort("192.0.2.1:25") {
		t.Errorf("got %s", got)
	}
}
