package balancer

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"weir/balancer/gate"
	"weir/internal/fiber"
	"weir/policies"
)

// listener is what stays of one listener through reloads: its sockets, and the gate
// that knows who is inside.
type listener struct {
	name    string
	gate    *gate.Gate[*session]
	front   atomic.Pointer[front]
	removed atomic.Bool // by a reload: its sessions end at their next boundary

	mu      sync.Mutex
	closed  bool
	sockets map[net.Listener]struct{} // being served: for a moment two, when the address changes
}

// front is how a listener treats its senders. It never changes: a reload gives
// the listener another one, which a session takes at its next MAIL.
type front struct {
	ListenerConfig
	pools    []*pool          // that it can reach: its own, or those that its routes lead to
	all      map[string]*pool // those that were there when it was made: mail to postmaster may go anywhere
	routes   *policies.Routes // nil: it has a pool of its own
	accepts  *policies.Routes // finds the recipients that mail is taken for; nil: all
	tls      *tls.Config      // nil: there is no TLS
	offers   offerCache
	hostname string
	token    string // marks our own Received lines
}

func newListener(name string) *listener {
	return &listener{name: name, gate: gate.New[*session](gate.Limits{}, time.Now()), sockets: map[net.Listener]struct{}{}}
}

// same reports whether nothing is different for senders.
func (f *front) same(o *front) bool {
	return o != nil && slices.Equal(f.pools, o.pools) && f.routes == o.routes && f.hostname == o.hostname && f.token == o.token && f.tls == o.tls &&
		reflect.DeepEqual(f.ListenerConfig, o.ListenerConfig)
}

// open takes a socket in, or closes it where it comes too late.
func (l *listener) open(ln net.Listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sockets[ln] = struct{}{}
	if l.closed {
		_ = ln.Close()
	}
}

func (l *listener) leave(ln net.Listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sockets, ln)
}

// close closes the sockets, those that are still to come too.
func (l *listener) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for ln := range l.sockets {
		_ = ln.Close()
	}
}

// ListenerStats tells how busy a listener is.
type ListenerStats struct {
	Name     string
	Address  string
	Sessions int
	Limit    int // 0: none
}

// Sessions tells how busy the listeners are, in the order of the config.
func (s *Server) Sessions() []ListenerStats {
	var out []ListenerStats
	now := s.setup.Load()
	for i, f := range now.fronts {
		out = append(out, ListenerStats{
			Name: f.Name, Address: f.Address,
			Sessions: now.listeners[i].gate.Inside(), Limit: f.Limits.Connections,
		})
	}
	return out
}

// Serve accepts connections for the named listener until ln is closed. Shutdown
// does that, and a reload that removes the listener; both make Serve return nil.
// Where the address of a listener changes, it is served on the new socket before
// the caller closes the old one.
func (s *Server) Serve(ctx context.Context, name string, ln net.Listener) error {
	l := s.setup.Load().listener(name)
	if l == nil {
		return fmt.Errorf("serving: no listener %q", name)
	}
	l.open(ln)
	defer l.leave(ln)
	return s.acceptAll(ctx, l, ln)
}

// admit starts a session, from the fiber that has accepted it or from a goroutine; the
// gate is asked by itself (edge.go).
func (s *Server) admit(l *listener, nc net.Conn, from *fiber.Fiber) {
	if tcp, ok := nc.(*net.TCPConn); ok { // of a listener that no fibers watch
		c, err := s.fibers.Take(tcp)
		if err != nil {
			return
		}
		nc = c
	}
	s.descriptors.held.Add(1)
	sess := newSession(s, l, nc)
	s.mu.Lock()
	s.sessions[sess] = struct{}{}
	s.mu.Unlock()
	s.embark(sess, nc, from)
}

func (s *Server) forget(sess *session) {
	sess.leave()
	s.descriptors.held.Add(-1)
	s.mu.Lock()
	delete(s.sessions, sess)
	s.mu.Unlock()
}

// addrPort returns the address of a TCP peer, with IPv4 as IPv4; the zero value
// for anything else.
func addrPort(addr net.Addr) netip.AddrPort {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()) // networks have no zones
}

// sleep waits for d, or until ctx is done, which it reports as false.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
