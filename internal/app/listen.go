package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"weir/balancer"
)

// sockets are the listening sockets of the process.
type sockets struct {
	smtp  map[string]net.Listener // by the listener's name
	admin net.Listener            // nil: none
}

// bind opens all sockets or none. The error names every one that could not be
// opened, with the remedy. SO_REUSEPORT is never set: two processes would share
// a port without either noticing.
func bind(ctx context.Context, listeners []balancer.ListenerConfig, admin string) (*sockets, error) {
	s := &sockets{smtp: map[string]net.Listener{}}
	var lc net.ListenConfig
	var errs []error
	for _, l := range listeners {
		ln, err := lc.Listen(ctx, "tcp", l.Address)
		if err != nil {
			errs = append(errs, fmt.Errorf("listener %q: %w", l.Name, explainBind(l.Address, err)))
			continue
		}
		s.smtp[l.Name] = ln
	}
	if admin != "" {
		ln, err := lc.Listen(ctx, "tcp", admin)
		if err != nil {
			errs = append(errs, fmt.Errorf("admin: %w", explainBind(admin, err)))
		} else {
			s.admin = ln
		}
	}
	if len(errs) > 0 {
		s.close()
		return nil, errors.Join(errs...)
	}
	return s, nil
}

// closeSMTP closes the listeners' sockets; what was accepted stays. They may be
// closed already.
func (s *sockets) closeSMTP() {
	for _, ln := range s.smtp {
		_ = ln.Close()
	}
}

func (s *sockets) close() {
	s.closeSMTP()
	if s.admin != nil {
		_ = s.admin.Close()
	}
}

// explainBind says in plain words why an address cannot be listened on, and
// what to do about it.
func explainBind(address string, err error) error {
	_, port, _ := net.SplitHostPort(address)
	var remedy string
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		remedy = fmt.Sprintf("stop what listens there (ss -ltnp 'sport = :%s' shows it) or choose another address", port)
	case errors.Is(err, os.ErrPermission):
		remedy = "ports below 1024 need root or the capability CAP_NET_BIND_SERVICE"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		remedy = "no interface of this machine has that address (ip addr shows those it has)"
	default:
		return fmt.Errorf("listening on %s: %w", address, err)
	}
	return fmt.Errorf("listening on %s: %w: %s", address, errnoOf(err), remedy)
}

// errnoOf strips the address that net repeats in its error.
func errnoOf(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
