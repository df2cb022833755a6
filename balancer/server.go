package balancer

import (
	"context"
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"

	"weir/balancer/flow"
	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/fiber"
	"weir/internal/smtp"
)

// Deps is what the balancer is given by app. All fields are required.
type Deps struct {
	Registry *backend.Registry
	Observer Observer
	Recorder Recorder
	Materials
	// Fibers watches what listeners accept, where they are of it; nil: the balancer has
	// one of its own, which ends with it.
	Fibers *fiber.Group
}

// Materials are what config's words become in other rooms' hands.
type Materials struct {
	// Dialers makes the connections of each pool, by the pool's name.
	Dialers map[string]connector.Dialer
	// TLS is what handshakes with senders begin with, by the listener's name, where
	// the listener's mode is not TLSOff. It is used as it is, neither changed nor
	// copied, and the same one again means that nothing has changed.
	TLS map[string]*tls.Config
}

// Server is the data path of all listeners and pools.
type Server struct {
	deps      Deps
	buffers   *smtp.Buffers
	budget    replayBudget
	setup     atomic.Pointer[setup]
	txs       sync.Pool // of *transaction
	dates     dates
	flows     *flow.Carrier
	fibers    *fiber.Group
	draining  atomic.Bool
	reloaded  chan struct{} // capacity 1: the setup is another one
	farewells atomic.Int32  // handshakes made only to refuse somebody
	lingering atomic.Int32  // sessions that wait for their sender to notice their end
	pins      atomic.Int64  // sessions that are pinned to a connection

	descriptors descriptors

	// base ends when whatever still runs must be cut off.
	base context.Context
	cut  context.CancelFunc

	changing sync.Mutex // held while the setup is replaced, and while Shutdown begins

	mu       sync.Mutex
	sessions map[*session]struct{}
	open     tally // sessions, and connections on their way back to a pool
}

// New makes the data path. It fails when a name in the config has no match.
func New(cfg Config, deps Deps) (*Server, error) {
	s := &Server{
		deps:     deps,
		buffers:  new(smtp.Buffers),
		sessions: map[*session]struct{}{},
		reloaded: make(chan struct{}, 1),
	}
	if s.descriptors.most = cfg.Descriptors; cfg.Descriptors == 0 {
		s.descriptors.atSystemLimit()
	}
	if s.fibers = deps.Fibers; s.fibers == nil {
		s.fibers = new(fiber.Group)
	}
	s.flows = flow.NewCarrier(s.fibers)
	s.txs.New = func() any { return newTransaction() }
	s.base, s.cut = context.WithCancel(context.Background())
	first, err := s.arrange(cfg, deps.Materials, &setup{})
	if err != nil {
		return nil, err
	}
	s.budget.limit.Store(cfg.ReplayMemory)
	s.apply(first)
	return s, nil
}

// Run keeps the connection pools in order, and takes mail away from connectors
// that are disabled, until ctx is done.
func (s *Server) Run(ctx context.Context) error {
	changed, cancel := s.deps.Registry.Subscribe()
	defer cancel()
	tick := time.NewTicker(s.setup.Load().tidyInterval())
	defer tick.Stop()
	for seen := new(backend.Snapshot); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			seen = s.expel(seen)
		case <-s.reloaded:
			tick.Reset(s.setup.Load().tidyInterval())
		case <-tick.C:
		}
		for _, p := range s.setup.Load().pools {
			p.tidy(time.Now())
		}
	}
}

// Shutdown closes the listeners and lets every session come to its next
// transaction boundary, where its sender is told 421. When ctx ends first, what
// is left is cut off, and its error returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.changing.Lock()
	s.draining.Store(true)
	last := s.setup.Load()
	s.changing.Unlock()
	for _, l := range last.listeners {
		l.close()
	}
	s.eachSession((*session).wake)
	for _, p := range last.pools {
		p.tidy(time.Now())
	}
	done := s.open.zero()
	if s.deps.Fibers == nil {
		defer s.fibers.Close()
	}
	defer s.flows.Close()
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
