package balancer

import (
	"context"
	"net"
	"net/netip"

	"weir/internal/connector"
)

// dialsFor has a dialer make connections that the session's fiber waits for, where there
// is one.
func (s *session) dialsFor(d *connector.Dialer) {
	if s.fiber != nil && d.DialContext == nil {
		d.DialContext = s.dialOn
	}
}

// dialOn opens a connection that the session's fiber carries. It is a dialer's DialContext.
func (s *session) dialOn(ctx context.Context, network, address string) (net.Conn, error) {
	if to, err := netip.ParseAddrPort(address); err == nil {
		c, err := s.srv.fibers.Dial(ctx, s.fiber, to)
		if err != nil {
			return nil, err // not c, which would be no nil interface
		}
		return c, nil
	}
	s.stepAside() // names take long
	nc, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c, err := s.srv.fibers.Take(nc)
	if err != nil {
		return nil, err
	}
	c.Carry(s.fiber)
	return c, nil
}
