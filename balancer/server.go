package balancer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/smtp"
)

// Deps is what the balancer is given by app. All fields are required.
type Deps struct {
	Registry *backend.Registry
	Observer Observer
	Recorder Recorder
	// Dialers makes the connections of each pool, by the pool's name.
	Dialers map[string]connector.Dialer
}

// Server is the data path of all listeners and pools.
type Server struct {
	cfg      Config
	deps     Deps
	buffers  *smtp.Buffers
	budget   replayBudget
	token    string // marks our own Received lines
	pools    map[string]*pool
	fronts   map[string]*front
	txs      sync.Pool // of *transaction
	draining atomic.Bool

	// base ends when whatever still runs must be cut off.
	base context.Context
	cut  context.CancelFunc

	mu       sync.Mutex
	sessions map[*session]struct{}
	open     tally // sessions, and connections on their way back to a pool
}

// front is one listener: its settings, and how many sessions it has.
type front struct {
	ListenerConfig
	pool     *pool
	sessions atomic.Int64

	mu sync.Mutex
	ln net.Listener // closed by Shutdown
}

// ListenerStats tells how busy a listener is.
type ListenerStats struct {
	Name     string
	Address  string
	Sessions int
	Limit    int // 0: none
}

// New makes the data path. It fails when a name in the config has no match.
func New(cfg Config, deps Deps) (*Server, error) {
	s := &Server{
		cfg: cfg, deps: deps,
		buffers:  new(smtp.Buffers),
		token:    "(weir/" + cfg.Cluster + ")",
		pools:    map[string]*pool{},
		fronts:   map[string]*front{},
		sessions: map[*session]struct{}{},
	}
	s.budget.limit = cfg.ReplayMemory
	s.txs.New = func() any { return newTransaction() }
	s.base, s.cut = context.WithCancel(context.Background())
	for _, pc := range cfg.Pools {
		dialer, ok := deps.Dialers[pc.Name]
		if !ok {
			return nil, fmt.Errorf("pool %s has no dialer", pc.Name)
		}
		p, err := newPool(s, pc, dialer)
		if err != nil {
			return nil, fmt.Errorf("making pool %s: %w", pc.Name, err)
		}
		s.pools[pc.Name] = p
	}
	for _, lc := range cfg.Listeners {
		p := s.pools[lc.Pool]
		if p == nil {
			return nil, fmt.Errorf("listener %s: no pool %q", lc.Name, lc.Pool)
		}
		s.fronts[lc.Name] = &front{ListenerConfig: lc, pool: p}
	}
	return s, nil
}

// Sessions tells how busy the listeners are, in the order of the config.
func (s *Server) Sessions() []ListenerStats {
	var out []ListenerStats
	for _, lc := range s.cfg.Listeners {
		f := s.fronts[lc.Name]
		out = append(out, ListenerStats{
			Name: f.Name, Address: f.Address,
			Sessions: int(f.sessions.Load()), Limit: f.Limits.Connections,
		})
	}
	return out
}

// Run keeps the connection pools in order until ctx is done.
func (s *Server) Run(ctx context.Context) error {
	changed, cancel := s.deps.Registry.Subscribe()
	defer cancel()
	tick := time.NewTicker(s.tidyInterval())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-tick.C:
		}
		for _, p := range s.pools {
			p.tidy(time.Now())
		}
	}
}

// tidyInterval is half the shortest time that a connection may idle.
func (s *Server) tidyInterval() time.Duration {
	interval := time.Second
	for _, p := range s.pools {
		if idle := p.Reuse.Idle; idle > 0 {
			interval = min(interval, max(idle/2, 10*time.Millisecond))
		}
	}
	return interval
}

// Serve accepts connections for the named listener until ln is closed, which
// Shutdown does.
func (s *Server) Serve(ctx context.Context, name string, ln net.Listener) error {
	f := s.fronts[name]
	if f == nil {
		return fmt.Errorf("serving: no listener %q", name)
	}
	f.mu.Lock()
	f.ln = ln
	f.mu.Unlock()
	if s.draining.Load() {
		_ = ln.Close() // Shutdown may have come before there was one to close
	}
	for pause := time.Duration(0); ; {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			s.admit(f, nc)
		case errors.Is(err, net.ErrClosed):
			return nil
		default:
			// Out of descriptors, most likely: sessions that end will help.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			if !sleep(ctx, pause) {
				return ctx.Err()
			}
		}
	}
}

// admit starts a session, or refuses it in words (P1).
func (s *Server) admit(f *front, nc net.Conn) {
	limit := f.Limits.Connections
	n := f.sessions.Add(1)
	full := limit > 0 && n > int64(limit) && !exempt(f.Exempt, nc.RemoteAddr())
	sess := newSession(s, f, nc)
	s.mu.Lock()
	s.sessions[sess] = struct{}{}
	s.mu.Unlock()
	s.background(func() {
		defer s.forget(sess)
		if full {
			sess.refuse()
			return
		}
		sess.serve()
	})
}

func (s *Server) forget(sess *session) {
	sess.front.sessions.Add(-1)
	s.mu.Lock()
	delete(s.sessions, sess)
	s.mu.Unlock()
}

// Shutdown closes the listeners and lets every session come to its next
// transaction boundary, where its sender is told 421. When ctx ends first, what
// is left is cut off, and its error returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	for _, f := range s.fronts {
		f.mu.Lock()
		if f.ln != nil {
			_ = f.ln.Close()
		}
		f.mu.Unlock()
	}
	s.eachSession((*session).wake)
	for _, p := range s.pools {
		p.tidy(time.Now())
	}
	done := s.open.zero()
	select {
	case <-done:
		s.cut()
		return nil
	case <-ctx.Done():
	}
	s.cut()
	s.eachSession((*session).abort)
	<-done
	return ctx.Err()
}

func (s *Server) eachSession(do func(*session)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sess := range s.sessions {
		do(sess)
	}
}

// background runs something that Shutdown waits for.
func (s *Server) background(do func()) {
	s.open.add()
	go func() {
		defer s.open.done()
		do()
	}()
}

func exempt(prefixes []netip.Prefix, addr net.Addr) bool {
	ap := addrPort(addr)
	for _, p := range prefixes {
		if p.Contains(ap.Addr()) {
			return true
		}
	}
	return false
}

// addrPort returns the address of a TCP peer, with IPv4 as IPv4; the zero value
// for anything else.
func addrPort(addr net.Addr) netip.AddrPort {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
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
