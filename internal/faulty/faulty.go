// Package faulty is a connector that can be told to misbehave at every stage; it is for tests and benchmarks only.
//
// A room of its own, because the relay, the probes, the black-box tests and the fault benchmark all need the same
// liar: one that drops in the body or answers 354 to RCPT in exactly the same way everywhere. A [Server] listens on
// loopback and speaks proper SMTP (PIPELINING, DATA and BDAT, bad sequences refused as a real server does) until a
// [Fault] says otherwise. Behaviour is replaced atomically while the server runs, and each connection sees the new
// one at its next command. Everything it hears is recorded: messages, dialogue, counters.
//
// It never verifies anything about mail, keeps all in memory, and imports nothing but the standard library.
package faulty

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// Options are what a server is born with; everything else is [Behaviour] and may change while it runs.
type Options struct {
	Name          string    // in banner, EHLO and queue ids; "" means "faulty"
	Address       string    // "" means a free port on 127.0.0.1
	Behaviour     Behaviour // the zero value is an honest server with no extension at all; see [Honest]
	ForgetContent bool      // messages are recorded without their content: for benchmarks
	ForgetDialog  bool      // no transcript: for benchmarks
}

// Server is one connector. All methods are safe for concurrent use.
type Server struct {
	name string
	addr string
	log  recorder

	behaviour atomic.Pointer[armedBehaviour]
	stop      context.CancelFunc
	ctx       context.Context // ends at Close; only delays and refusals to read wait on it
	wg        sync.WaitGroup

	mu       sync.Mutex // guards what follows
	listener net.Listener
	conns    map[*session]struct{}
	closed   bool
	nextConn int
}

// New starts a server. The caller closes it.
func New(o Options) (*Server, error) {
	if o.Name == "" {
		o.Name = "faulty"
	}
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	s := &Server{name: o.Name, conns: map[*session]struct{}{}}
	s.log.forgetContent, s.log.forgetDialog = o.ForgetContent, o.ForgetDialog
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.Set(o.Behaviour)
	if err := s.listen(o.Address); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// Addr is the host:port the server listens on; it stays the same through Refuse and Accept.
func (s *Server) Addr() string { return s.addr }

// Name is the server's name.
func (s *Server) Name() string { return s.name }

// Refuse closes the listener, so that new connections are refused. Open ones go on; see DropConnections.
func (s *Server) Refuse() {
	s.mu.Lock()
	l := s.listener
	s.listener = nil
	s.mu.Unlock()
	if l != nil {
		_ = l.Close()
	}
}

// Accept reopens the port that Refuse closed.
func (s *Server) Accept() error {
	s.mu.Lock()
	open := s.listener != nil
	s.mu.Unlock()
	if open {
		return nil
	}
	return s.listen(s.addr)
}

// DropConnections closes every open connection now, wherever it is in its dialogue; reset sends RST instead of FIN.
func (s *Server) DropConnections(reset bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.cut(reset)
	}
}

// Close stops listening, closes every connection and waits for the server's goroutines.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.Refuse()
	s.DropConnections(false)
	s.wg.Wait()
}

func (s *Server) listen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listening as a faulty connector: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.listener != nil {
		_ = l.Close()
		return errors.New("faulty connector is closed or open already")
	}
	s.listener, s.addr = l, l.Addr().String()
	s.wg.Add(1)
	go s.accept(l)
	return nil
}

// accept runs until its listener is closed.
func (s *Server) accept(l net.Listener) {
	defer s.wg.Done()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if ses := s.admit(c.(*net.TCPConn)); ses != nil {
			go s.serve(ses)
		}
	}
}

// admit registers a connection; a closed server takes none.
func (s *Server) admit(c *net.TCPConn) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close()
		return nil
	}
	s.nextConn++
	ses := newSession(s, c, s.nextConn)
	s.conns[ses] = struct{}{}
	s.log.connections.Add(1)
	s.log.peak.Store(max(s.log.peak.Load(), s.log.open.Add(1))) // under mu, nobody else raises it
	s.wg.Add(1)
	return ses
}

func (s *Server) serve(ses *session) {
	defer s.wg.Done()
	err := ses.run()
	s.mu.Lock()
	delete(s.conns, ses)
	s.mu.Unlock()
	ses.cut(false)
	s.log.open.Add(-1)
	if errors.Is(err, errEnd) { // said when it is so: tests wait for it
		ses.event("closed by us")
	} else {
		ses.event("closed by peer")
	}
}
