package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"sync"
	"syscall"

	"weir/balancer"
	"weir/config"
	"weir/internal/fiber"
)

// sockets are the listening sockets of the process.
type sockets struct {
	fibers fiber.Group // watches those for SMTP, and what they accept
	mu     sync.Mutex
	smtp   map[string]socket    // by the listener's name
	dns    map[string]dnsSocket // by the address that the config asks for
	admin  net.Listener         // nil: none
	local  net.Listener         // of the admin server too, in the file system; nil: none
}

// socket is an SMTP listener's, with the address that the config asks for.
type socket struct {
	net.Listener
	wanted string
}

// bind opens all sockets or none. The error names every one that could not be
// opened, with the remedy. SO_REUSEPORT is never set: two processes would share
// a port without either noticing.
func bind(ctx context.Context, cfg *config.Config) (*sockets, error) {
	s := &sockets{smtp: map[string]socket{}, dns: map[string]dnsSocket{}}
	admin := cfg.Admin
	var lc net.ListenConfig
	fresh, err := s.open(ctx, cfg.Balancer.Listeners)
	errs := []error{err, s.openDNS(ctx, cfg.DNS)}
	s.smtp = fresh
	if admin.Address != "" {
		if s.admin, err = lc.Listen(ctx, "tcp", admin.Address); err != nil {
			errs = append(errs, fmt.Errorf("admin: %w", explainBind(admin.Address, err)))
			s.admin = nil
		}
	}
	if admin.Socket != "" {
		if s.local, err = listenLocal(ctx, admin.Socket); err != nil {
			errs = append(errs, fmt.Errorf("admin: %w", err))
			s.local = nil
		}
	}
	if err := errors.Join(errs...); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// open opens the sockets of those listeners that have none yet at their address,
// all or none. A socket that is open already under another name is shared until
// the old one is closed, so that no sender is refused in between.
func (s *sockets) open(ctx context.Context, listeners []balancer.ListenerConfig) (map[string]socket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh := map[string]socket{}
	var errs []error
	for _, l := range listeners {
		if have, ok := s.smtp[l.Name]; ok && have.wanted == l.Address {
			continue
		}
		ln, err := s.openOne(ctx, l.Address)
		if err != nil {
			errs = append(errs, fmt.Errorf("listener %q: %w", l.Name, s.explainOwn(l.Address, err)))
			continue
		}
		fresh[l.Name] = socket{ln, l.Address}
	}
	if len(errs) > 0 {
		closeAll(fresh)
		return nil, errors.Join(errs...)
	}
	return fresh, nil
}

func (s *sockets) openOne(ctx context.Context, address string) (net.Listener, error) {
	for _, have := range s.smtp {
		if ln, ok := have.Listener.(*fiber.Listener); ok && have.wanted == address {
			return ln.Share()
		}
	}
	ln, err := listenSMTP(ctx, address)
	if err != nil {
		return nil, err
	}
	return s.fibers.Listen(ln)
}

// replace puts fresh sockets in the place of the old ones, and closes those and
// the ones of listeners that are not among names any more.
func (s *sockets) replace(fresh map[string]socket, names map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, old := range s.smtp {
		if _, replaced := fresh[name]; replaced || !names[name] {
			_ = old.Close()
			delete(s.smtp, name)
		}
	}
	maps.Copy(s.smtp, fresh)
}

// addr returns where a listener listens; nil when there is no such listener.
func (s *sockets) addr(name string) net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if have, ok := s.smtp[name]; ok {
		return have.Addr()
	}
	return nil
}

// listener returns the socket of that name.
func (s *sockets) listener(name string) net.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.smtp[name].Listener
}

// closeSMTP closes the listeners' sockets; what was accepted stays. They may be
// closed already.
func (s *sockets) closeSMTP() {
	s.mu.Lock()
	defer s.mu.Unlock()
	closeAll(s.smtp)
}

func closeAll(list map[string]socket) {
	for _, ln := range list {
		_ = ln.Close()
	}
}

func (s *sockets) close() {
	s.closeSMTP()
	for _, ln := range []net.Listener{s.admin, s.local} {
		if ln != nil {
			_ = ln.Close()
		}
	}
	for _, d := range s.dns {
		_, _ = d.streams.Close(), d.packets.Close()
	}
	s.fibers.Close()
}

// listenLocal opens the admin socket in the file system, for its owner and group.
// What a weir that was killed has left there is removed; one that answers is not.
func listenLocal(ctx context.Context, path string) (net.Listener, error) {
	var dialer net.Dialer
	if conn, err := dialer.DialContext(ctx, "unix", path); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("listening on %s: another process answers there: stop it, or choose another admin.socket", path)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		_ = os.Remove(path)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w (does its folder exist, and may weir write there?)", path, errnoOf(err))
	}
	if err := os.Chmod(path, 0o660); err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	return ln, nil
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

// explainOwn is explainBind, but for an address that overlaps with one of weir's own,
// such as 0.0.0.0:25 with 127.0.0.1:25. Two sockets cannot listen on both at once, and
// without a moment in which senders are refused only a restart gets from one to the
// other. The caller holds mu.
func (s *sockets) explainOwn(address string, err error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return explainBind(address, err)
	}
	whose := ""
	for name, have := range s.smtp {
		if overlaps(have.Addr(), address) {
			whose = fmt.Sprintf("listener %q, on %s", name, have.wanted)
		}
	}
	for wanted, have := range s.dns {
		if overlaps(have.streams.Addr(), address) {
			whose = "DNS server, on " + wanted
		}
	}
	if s.admin != nil && overlaps(s.admin.Addr(), address) {
		whose = "admin server, on " + s.admin.Addr().String()
	}
	if whose == "" {
		return explainBind(address, err)
	}
	return fmt.Errorf("listening on %s: %w: weir listens there itself, as %s: this change needs a restart", address, errnoOf(err), whose)
}

// overlaps reports whether somebody who listens at have is in the way of address.
func overlaps(have net.Addr, address string) bool {
	own, ok := have.(*net.TCPAddr)
	wanted, err := net.ResolveTCPAddr("tcp", address)
	if !ok || err != nil || own.Port != wanted.Port {
		return false
	}
	return own.IP.IsUnspecified() || len(wanted.IP) == 0 || wanted.IP.IsUnspecified() || own.IP.Equal(wanted.IP)
}

// errnoOf strips the address that net repeats in its error.
func errnoOf(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
