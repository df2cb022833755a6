package sink

import (
	"container/heap"
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"weir/integration/bench/poll"

	"golang.org/x/sys/unix"
)

// Options says what the sinks are like. The zero value of a field is an honest, prompt server.
type Options struct {
	Addrs        []netip.AddrPort        // one sink at each, IPv4; port 0: a free one
	NoPipelining bool                    // PIPELINING is not offered
	Delays       map[Stage]time.Duration // before the reply of a stage
}

// Counts is what the sinks have seen since they started.
type Counts struct {
	Messages    uint64 `json:"messages"` // final dots answered with 250
	Bytes       uint64 `json:"bytes"`    // of content, with the dot
	Connections uint64 `json:"connections"`
	Open        int64  `json:"open"`   // connections at this moment
	Resets      uint64 `json:"resets"` // RSET, which weir's probes end with
	// Unknown are commands that were answered with 500: anything but 0 is a bug of a front end, or of the sink.
	Unknown uint64 `json:"unknown"`
}

// Server is a set of sinks.
type Server struct {
	poll      *poll.Poller
	addrs     []netip.AddrPort
	listeners map[int]bool // descriptors
	replies   replies
	conns     []*conn // by descriptor
	delayed   schedule
	buf       []byte
	began     time.Time

	messages, bytes, connections, resets, unknown atomic.Uint64
	open                                          atomic.Int64
}

// New binds the addresses; Run serves them.
func New(o Options) (*Server, error) {
	p, err := poll.New()
	if err != nil {
		return nil, err
	}
	s := &Server{poll: p, listeners: map[int]bool{}, replies: newReplies(o), buf: make([]byte, 256<<10), began: time.Now()}
	for _, a := range o.Addrs {
		fd, bound, err := poll.Listen(a)
		if err != nil {
			s.close()
			return nil, err
		}
		s.listeners[fd] = true
		s.addrs = append(s.addrs, bound)
		if err := p.Add(fd, unix.EPOLLIN); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// Addrs is where the sinks listen, in the order of the options.
func (s *Server) Addrs() []netip.AddrPort { return s.addrs }

// Counts may be called at any time, by any goroutine.
func (s *Server) Counts() Counts {
	return Counts{
		Messages: s.messages.Load(), Bytes: s.bytes.Load(), Connections: s.connections.Load(), Open: s.open.Load(),
		Resets: s.resets.Load(), Unknown: s.unknown.Load(),
	}
}

// Run serves until ctx ends, and closes everything then. It returns an error only if the kernel refuses to go on.
func (s *Server) Run(ctx context.Context) error {
	defer s.close()
	defer context.AfterFunc(ctx, s.poll.Wake)()
	for {
		events, woken, err := s.poll.Wait(s.delayed.wait(s.now()))
		if err != nil {
			return fmt.Errorf("serving: %w", err)
		}
		if woken && ctx.Err() != nil {
			return nil
		}
		for i := range events {
			if err := s.event(&events[i]); err != nil {
				return fmt.Errorf("serving: %w", err)
			}
		}
		s.due()
	}
}

func (s *Server) event(ev *unix.EpollEvent) error {
	fd := int(ev.Fd)
	if s.listeners[fd] {
		return s.accept(fd)
	}
	c := s.conns[fd]
	if c == nil {
		return nil // closed by an earlier event of this round
	}
	if ev.Events&unix.EPOLLOUT != 0 && !s.flush(c) {
		return nil
	}
	const gone = unix.EPOLLHUP | unix.EPOLLERR
	switch {
	case c.deaf() && ev.Events&gone != 0:
		s.hangUp(c)
	case !c.deaf() && ev.Events&(unix.EPOLLIN|gone) != 0:
		s.readable(c)
	}
	return nil
}

// accept takes one connection: if more wait, the set says so again, and others have their turn between.
func (s *Server) accept(listener int) error {
	fd, errno := poll.Accept(listener)
	switch errno {
	case 0:
	case unix.EAGAIN, unix.ECONNABORTED, unix.EINTR:
		return nil
	default:
		return fmt.Errorf("accepting: %w (too few descriptors? ulimit -n)", errno)
	}
	for len(s.conns) <= fd {
		s.conns = append(s.conns, nil)
	}
	c := &conn{fd: fd}
	s.conns[fd] = c
	s.connections.Add(1)
	s.open.Add(1)
	if err := s.poll.Add(fd, unix.EPOLLIN); err != nil {
		return err
	}
	if s.answer(c, Banner) {
		s.flush(c)
	}
	return nil
}

// readable reads a block and answers what is in it.
func (s *Server) readable(c *conn) {
	n, errno := poll.Read(c.fd, s.buf)
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
	case errno != 0 || n == 0:
		s.hangUp(c)
	default:
		s.feed(c, s.buf[:n])
	}
}

// flush writes what is to be written; false if the connection is closed after it.
func (s *Server) flush(c *conn) bool {
	if len(c.out) > 0 {
		n, errno := poll.Write(c.fd, c.out)
		if errno != 0 && errno != unix.EAGAIN {
			s.hangUp(c)
			return false
		}
		c.out = c.out[:copy(c.out, c.out[n:])]
	}
	if len(c.out) > 0 && !c.blocked || len(c.out) == 0 && c.blocked {
		c.blocked = !c.blocked
		s.watch(c)
	}
	if c.last && len(c.out) == 0 {
		s.hangUp(c)
		return false
	}
	return true
}

// watch waits for what the connection is good for now.
func (s *Server) watch(c *conn) {
	var events uint32
	if !c.deaf() {
		events = unix.EPOLLIN
	}
	if c.blocked {
		events |= unix.EPOLLOUT
	}
	if err := s.poll.Change(c.fd, events); err != nil {
		s.hangUp(c)
	}
}

func (s *Server) hangUp(c *conn) {
	if s.conns[c.fd] != c {
		return
	}
	s.conns[c.fd] = nil
	poll.CloseFD(c.fd)
	s.open.Add(-1)
}

// due gives the delayed replies whose time has come.
func (s *Server) due() {
	for len(s.delayed) > 0 && s.delayed[0].at <= s.now() {
		d := heap.Pop(&s.delayed).(delayed)
		c := d.conn
		if s.conns[c.fd] != c {
			continue
		}
		c.paused = false
		c.out = append(c.out, d.reply...)
		rest := c.rest
		c.rest = nil
		s.watch(c)
		s.feed(c, rest)
	}
}

func (s *Server) now() time.Duration { return time.Since(s.began) }

func (s *Server) close() {
	for _, c := range s.conns {
		if c != nil {
			s.hangUp(c)
		}
	}
	for fd := range s.listeners {
		poll.CloseFD(fd)
	}
	s.poll.Close()
}
