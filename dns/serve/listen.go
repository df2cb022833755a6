package serve

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
)

// ExplainListen says in plain words why a DNS address cannot be listened on, and
// what to do about it. err is that of net.Listen or net.ListenPacket.
func ExplainListen(address string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = errno // net repeats the address
	}
	host, port, _ := net.SplitHostPort(address)
	remedy := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && port == "53" && hasResolved("/proc"):
		remedy = "systemd-resolved listens on 127.0.0.53:53 and hinders a server for all addresses: set serve.address to this machine's own address (such as 192.0.2.10:53), or DNSStubListener=no in /etc/systemd/resolved.conf and restart it"
	case errors.Is(err, syscall.EADDRINUSE):
		remedy = fmt.Sprintf("stop what listens there (ss -lunp 'sport = :%s' and ss -ltnp 'sport = :%s' show it), or choose another serve.address", port, port)
	case errors.Is(err, os.ErrPermission):
		remedy = "ports below 1024 need root or the capability CAP_NET_BIND_SERVICE"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		remedy = fmt.Sprintf("no interface of this machine has the address %s (ip addr shows those it has)", host)
	default:
		return fmt.Errorf("listening for DNS on %s: %w", address, err)
	}
	return fmt.Errorf("listening for DNS on %s: %w: %s", address, err, remedy)
}

// hasResolved reports whether a systemd-resolved runs here.
func hasResolved(proc string) bool {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return false
	}
	for _, e := range entries {
		name, err := os.ReadFile(proc + "/" + e.Name() + "/comm")
		// The kernel cuts names after 15 octets.
		if err == nil && strings.HasPrefix(strings.TrimSpace(string(name)), "systemd-resolve") {
			return true
		}
	}
	return false
}
