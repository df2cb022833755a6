package app

import (
	"context"
	"errors"
	"fmt"
	"net"

	"weir/dns"
	"weir/dns/serve"
)

// dnsSocket is where an embedded zone is asked: the same port by TCP and by UDP.
type dnsSocket struct {
	streams net.Listener
	packets net.PacketConn
}

// openDNS opens the sockets of the embedded zones; those that share an address
// share them.
func (s *sockets) openDNS(ctx context.Context, zones []dns.Config) error {
	var errs []error
	for i := range zones {
		if zones[i].Serve == nil {
			continue
		}
		address := zones[i].Serve.Address
		if _, open := s.dns[address]; open {
			continue
		}
		d, err := listenDNS(ctx, address)
		if err != nil {
			errs = append(errs, fmt.Errorf("dns zone %s: %w", zones[i].Zone, serve.ExplainListen(address, err)))
			continue
		}
		s.dns[address] = d
	}
	return errors.Join(errs...)
}

// listenDNS takes the port that TCP was given for UDP, too. Where the system
// chooses it, another one is tried when that is taken.
func listenDNS(ctx context.Context, address string) (dnsSocket, error) {
	var lc net.ListenConfig
	_, port, _ := net.SplitHostPort(address)
	const tries = 16
	for try := 1; ; try++ {
		streams, err := lc.Listen(ctx, "tcp", address)
		if err != nil {
			return dnsSocket{}, err
		}
		packets, err := lc.ListenPacket(ctx, "udp", samePort(address, streams.Addr()))
		if err == nil {
			return dnsSocket{streams, packets}, nil
		}
		_ = streams.Close()
		if port != "0" || try == tries {
			return dnsSocket{}, err
		}
	}
}

// samePort is an address with the port that a socket got.
func samePort(address string, got net.Addr) string {
	host, _, _ := net.SplitHostPort(address)
	_, port, _ := net.SplitHostPort(got.String())
	return net.JoinHostPort(host, port)
}
