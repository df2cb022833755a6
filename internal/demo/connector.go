package demo

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"
)

// mode is how a connector behaves.
type mode int

const (
	honest    mode = iota
	off            // it does not listen: connections are refused
	hanging        // it never answers RCPT
	deferring      // it answers 451 to MAIL
)

// connector is a go-smtp server that can be told to misbehave. It stores no
// mail, only the numbers of messages.
type connector struct {
	name    string
	address string
	ledger  *ledger
	stored  atomic.Int64

	mu      sync.Mutex
	mode    mode
	changed chan struct{} // closed when the mode changes
	busy    int           // transactions between MAIL and their end
	server  *smtp.Server  // nil: off
	done    chan struct{} // closed when the server's accept loop has ended
}

// newConnector starts a connector on a free port of the loopback.
func newConnector(name string, l *ledger) (*connector, error) {
	c := &connector{name: name, address: "127.0.0.1:0", ledger: l, changed: make(chan struct{})}
	if err := c.listen(); err != nil {
		return nil, err
	}
	return c, nil
}

// listen starts a server, later ones on the port of the first.
func (c *connector) listen() error {
	ln, err := net.Listen("tcp", c.address)
	if err != nil {
		return fmt.Errorf("starting connector %s: %w", c.name, err)
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{connector: c}, nil }))
	server.Domain = c.name + ".demo.example"
	server.MaxMessageBytes = 1 << 20
	server.MaxRecipients = 100
	server.ErrorLog = log.New(io.Discard, "", 0) // it complains of every connection that is cut
	done := make(chan struct{})
	c.mu.Lock()
	c.address, c.server, c.done = ln.Addr().String(), server, done
	c.mu.Unlock()
	go c.serve(server, ln, done)
	return nil
}

func (c *connector) serve(server *smtp.Server, ln net.Listener, done chan<- struct{}) {
	defer close(done)
	_ = server.Serve(ln) // ends when it is closed, which is what we wait for
}

// set changes the behaviour. Going off takes a moment, see [connector.stop].
func (c *connector) set(ctx context.Context, m mode) error {
	c.mu.Lock()
	c.mode = m
	close(c.changed)
	c.changed = make(chan struct{})
	running := c.server != nil
	c.mu.Unlock()
	switch {
	case m == off:
		c.stop(ctx)
	case !running:
		return c.listen()
	}
	return nil
}

// behaviour returns the mode, and a channel that is closed when it changes.
func (c *connector) behaviour() (mode, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mode, c.changed
}

// The demo's connectors go off as a server does that is shut down, not as one
// whose plug is pulled: what has been stored was answered. Else the summary
// would count duplicates that no balancer can avoid (RFC 1047).
const (
	stopPatience = 2 * time.Second        // for open transactions
	stopLinger   = 100 * time.Millisecond // for their last replies to be written
	stopPoll     = 10 * time.Millisecond
)

// stop lets open transactions end, then closes the port and all connections.
func (c *connector) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	c.mu.Lock()
	server, done := c.server, c.done
	c.server = nil
	c.mu.Unlock()
	if server == nil {
		return
	}
	for c.open() > 0 && pause(ctx, stopPoll) {
		continue
	}
	pause(ctx, stopLinger)
	_ = server.Close() // an error says that the port was closed before
	<-done
}

func (c *connector) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.busy
}

func (c *connector) enter(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy += n
}

// pause waits; it returns false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
