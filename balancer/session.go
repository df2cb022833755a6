package balancer

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"weir/balancer/flow"
	"weir/balancer/gate"
	"weir/internal/fiber"
	"weir/internal/smtp"
	"weir/internal/socket"
)

// maxCommand is the longest command line, CRLF included (P24).
const maxCommand = 2048

// session is one sender's connection. One fiber or goroutine at a time runs it; only wake, expel,
// makeRoom and abort are called by others.
type session struct {
	clock
	srv      *Server
	listener *listener
	front    *front       // how the listener treats it; looked at anew at each MAIL
	fiber    *fiber.Fiber // that carries the session; nil: a goroutine does
	resume   func(*fiber.Fiber)
	parked   time.Time    // until when it waits without a fiber; zero: it does not
	raw      *socket.Conn // as it was accepted
	nc       net.Conn     // raw, or TLS over it
	in       *smtp.Reader
	out      []byte
	id       string
	client   netip.AddrPort // whom raw is of, or whom a trusted proxy or XCLIENT speaks for
	began    time.Time

	helo      string
	extended  bool // EHLO was said, not HELO
	offer     offer
	errors    int
	messages  int
	lastSize  int64         // octets of the sender's last message: the next may be like it
	tx        *transaction  // nil between transactions
	skipBdat  smtp.Reply    // Code > 0: every chunk until LAST or RSET gets this (P20)
	skipBlame bool          // and is an error of the sender's
	end       string        // why the session is over; empty while it goes on
	putOff    bool          // MAIL was refused by weir: what was pipelined behind it is no error of the sender's
	deaf      bool          // the sender takes no replies any more
	timeout   time.Duration // for the next command
	slack     time.Duration // behind the present command: how long the sender may still let weir wait for content: it grows with what comes

	// The edge: see edge.go, edge_tls.go, edge_client.go.
	visit     *gate.Visit[*session] // nil: not inside
	proxied   *gate.Proxied         // what a trusted proxy has said; nil: there is none
	secured   *secured              // the sender's TLS; nil: it speaks plaintext
	claimed   *smtp.Identity        // what XCLIENT has said; nil: nothing
	forwarded *forward              // what XFORWARD has said; nil: nothing
	trusted   bool                  // may use these two
	engaged   bool                  // the gate knows of a transaction
	unsealed  bool                  // a handshake has failed: nothing can be said any more

	shed       atomic.Bool // is to make room for another
	atBoundary atomic.Bool // waiting for a command outside of any transaction
	held       atomic.Bool // in the tarpit, see pause

	auth authentication

	// What of connectors the session uses now, for those who must end that.
	upstream atomic.Pointer[upstream]
	dialling atomic.Pointer[dialling]
	pinned   atomic.Pointer[upstream] // see pin
	pinLost  bool
	over     atomic.Bool // see forgetKept

	passage *Passage                  // in tcp mode: where the connection was passed to
	flow    atomic.Pointer[flow.Flow] // in tcp mode: what carries it, once it does
}

func newSession(srv *Server, l *listener, nc net.Conn) *session {
	raw := socket.New(nc)
	began := time.Now()
	return &session{
		clock: clock{began}, srv: srv, listener: l, front: l.front.Load(), raw: raw, nc: raw,
		in:     smtp.NewReader(raw, srv.buffers),
		id:     newID(),
		client: addrPort(nc.RemoteAddr()),
		began:  began,
	}
}

// newID makes the name of a session: 60 random bits.
func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return base32.HexEncoding.EncodeToString(b[:])[:12]
}

// wake brings a session that waits at a boundary, or in the tarpit, to look around.
func (s *session) wake() {
	if s.atBoundary.Load() || s.held.Load() {
		s.interrupt()
	}
}

// interrupt ends a wait for the sender, see listen, and in tcp mode what carries it.
func (s *session) interrupt() {
	_ = s.raw.SetReadDeadline(time.Unix(1, 0))
	s.cutFlow()
}

func (s *session) cutFlow() {
	if f := s.flow.Load(); f != nil {
		f.Cut()
	}
}

// leaving reports whether the session is to end at its next boundary.
func (s *session) leaving() bool {
	return s.srv.draining.Load() || s.listener.removed.Load() || s.shed.Load()
}

// farewell ends the session in words, because weir wants it so.
func (s *session) farewell() {
	s.tick() // it may have been parked for long
	if s.forsaken() {
		s.reply(421, enhanced(4, 3, 2), "The connector is not available any more, connect again")
		s.finish("connector lost")
		return
	}
	if s.shed.Load() {
		s.turnAway(gate.Refuse(gate.MadeRoom))
		return
	}
	if s.srv.draining.Load() {
		s.reply(421, enhanced(4, 3, 2), "Service is shutting down")
		s.finish("shutting down")
		return
	}
	s.reply(421, enhanced(4, 3, 2), "This listener is closed, connect again")
	s.finish("listener removed")
}

// refresh takes over what a reload has changed. What EHLO has announced stays,
// but for the size, which is the listener's to decide.
func (s *session) refresh() {
	if f := s.listener.front.Load(); f != s.front {
		s.front = f
		s.offer.size = f.offer().size
	}
}

// abort breaks the session's connections.
func (s *session) abort() {
	_ = s.raw.Close()
	s.cutFlow()
	if c := s.upstream.Load(); c != nil {
		c.Abort()
	}
	if c := s.pinned.Load(); c != nil {
		c.Abort()
	}
}

// live is the whole life of a session, or a part of it: it returns false when the session
// waits for its sender and is to be resumed.
func (s *session) live() (over bool) {
	switch {
	case !s.parked.IsZero():
		return s.serve()
	case !s.arrive():
		s.close()
	case s.front.Mode == ModeTCP:
		s.passThrough()
	default:
		s.open()
		return s.serve()
	}
	return true
}

// open greets the sender.
func (s *session) open() {
	s.offer = s.front.offer()
	if s.leaving() {
		s.farewell()
		return
	}
	s.greet()
	s.timeout = s.front.Timeouts.Greeting
}

// serve is the dialogue, see live.
func (s *session) serve() (over bool) {
	for s.end == "" {
		line, err := s.readCommand()
		if errors.Is(err, errParked) {
			return false
		}
		s.timeout, s.slack = s.front.Timeouts.Command, s.front.Timeouts.Data
		if err != nil {
			s.settle()
		}
		switch {
		case err == nil:
			s.dispatch(line)
		case errors.Is(err, smtp.ErrLineTooLong):
			s.complain(500, enhanced(5, 5, 2), "Line too long")
		case errors.Is(err, smtp.ErrBareNewline):
			s.complain(501, enhanced(5, 5, 2), "Lines end in CRLF; this one has a bare LF")
		default:
			s.readFailed(err)
		}
	}
	s.close()
	return true
}

// greet is what a sender hears first.
func (s *session) greet() {
	s.out = append(append(append(s.out, "220 "...), s.front.hostname...), " ESMTP weir\r\n"...)
}

// finish makes the session end after the replies that are waiting.
func (s *session) finish(reason string) {
	if s.end == "" {
		s.end = reason
	}
}

// close ends the session: what is left of a transaction, the last replies, the
// connection.
func (s *session) close() {
	if s.tx != nil {
		s.tx.abort()
	}
	s.unpin()
	s.forgetKept()
	_ = s.send(true)
	s.in.Release()
	s.hangUp()
	if s.messages == 0 {
		s.srv.deps.Recorder.Session(&SessionRecord{
			Session: s.id, Listener: s.front.Name, Client: s.client, HELO: s.helo, TLS: s.tlsText(), Proxy: s.proxyText(),
			Reason: s.end, Duration: time.Since(s.began), Passage: s.passage,
		})
	}
}
