package balancer

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"weir/internal/smtp"
)

// maxCommand is the longest command line, CRLF included (P24).
const maxCommand = 2048

// maxReplies is how many octets of replies are gathered before they are sent.
const maxReplies = 4 << 10

// idleBuffer is how large a buffer for replies a session may keep.
const idleBuffer = 512

// session is one sender's connection. It runs on one goroutine; only wake, expel
// and abort are called by others.
type session struct {
	srv      *Server
	listener *listener
	front    *front // how the listener treats it; looked at anew at each MAIL
	nc       net.Conn
	in       *smtp.Reader
	out      []byte
	id       string
	client   netip.AddrPort
	began    time.Time

	helo     string
	extended bool // EHLO was said, not HELO
	offer    offer
	errors   int
	messages int
	tx       *transaction // nil between transactions
	skipBdat smtp.Reply   // Code > 0: every chunk until LAST or RSET gets this (P20)
	end      string       // why the session is over; empty while it goes on
	putOff   bool         // MAIL was refused by weir: what was pipelined behind it is no error of the sender's
	deaf     bool         // the sender takes no replies any more

	atBoundary atomic.Bool // waiting for a command outside of any transaction

	// What of connectors the session uses now, for those who must end that.
	upstream atomic.Pointer[upstream]
	dialling atomic.Pointer[dialling]
}

func newSession(srv *Server, l *listener, nc net.Conn) *session {
	return &session{
		srv: srv, listener: l, front: l.front.Load(), nc: nc,
		in:     smtp.NewReader(nc, srv.buffers),
		id:     newID(),
		client: addrPort(nc.RemoteAddr()),
		began:  time.Now(),
	}
}

// newID makes the name of a session: 60 random bits.
func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return base32.HexEncoding.EncodeToString(b[:])[:12]
}

// wake brings a session that waits at a boundary to look around.
func (s *session) wake() {
	if s.atBoundary.Load() {
		s.interrupt()
	}
}

// interrupt ends a wait for the sender, see listen.
func (s *session) interrupt() { _ = s.nc.SetReadDeadline(time.Unix(1, 0)) }

// leaving reports whether the session is to end at its next boundary.
func (s *session) leaving() bool { return s.srv.draining.Load() || s.listener.removed.Load() }

// farewell ends the session in words, because weir wants it so.
func (s *session) farewell() {
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
	_ = s.nc.Close()
	if c := s.upstream.Load(); c != nil {
		c.Abort()
	}
}

// refuse turns a connection away in words (P1).
func (s *session) refuse() {
	s.reply(421, enhanced(4, 3, 2), "Too many connections, try again later")
	s.finish("too many connections")
	s.close()
}

func (s *session) serve() {
	defer s.close()
	s.offer = s.front.offer()
	if s.leaving() {
		s.farewell()
		return
	}
	s.out = append(append(append(s.out, "220 "...), s.front.hostname...), " ESMTP weir\r\n"...)
	timeout := s.front.Timeouts.Greeting
	for s.end == "" {
		line, err := s.readCommand(timeout)
		timeout = s.front.Timeouts.Command
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
	_ = s.flush()
	s.in.Release()
	s.hangUp()
	if s.messages == 0 {
		s.srv.deps.Recorder.Session(&SessionRecord{
			Session: s.id, Listener: s.front.Name, Client: s.client, HELO: s.helo,
			Reason: s.end, Duration: time.Since(s.began),
		})
	}
}

// lingering is how long a sender may take to notice that it was hung up on.
const lingering = time.Second

// hangUp closes without a reset where the sender may still be sending, so that
// it can read the last reply.
func (s *session) hangUp() {
	half, ok := s.nc.(interface{ CloseWrite() error })
	if ok && s.in.Look() == smtp.Spoke && half.CloseWrite() == nil {
		_ = s.nc.SetReadDeadline(time.Now().Add(lingering))
		_, _ = io.CopyN(io.Discard, s.nc, 1<<20)
	}
	_ = s.nc.Close()
}

// flush sends the replies that are waiting.
func (s *session) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	if s.deaf {
		return errDeaf // one deadline was enough
	}
	if err := s.nc.SetWriteDeadline(time.Now().Add(s.front.Timeouts.Command)); err != nil {
		return err
	}
	_, err := s.nc.Write(s.out)
	s.deaf = err != nil
	if s.out = s.out[:0]; cap(s.out) > idleBuffer {
		s.out = nil
	}
	return err
}

// relay queues a reply as it stands, its enhanced code made where it has none.
func (s *session) relay(r *smtp.Reply) { s.out = r.Append(s.out, true) }

// reply queues a reply of weir's own. Those that report a failure end in the id
// under which the log has it.
func (s *session) reply(code int, enh smtp.EnhancedCode, text string) {
	s.out = strconv.AppendInt(s.out, int64(code), 10)
	s.out = append(s.out, ' ')
	if enh != (smtp.EnhancedCode{}) {
		s.out = append(enh.Append(s.out), ' ')
	}
	s.out = append(s.out, text...)
	if code >= 400 {
		s.out = append(append(append(s.out, " (weir "...), s.currentID()...), ')')
	}
	s.out = append(s.out, '\r', '\n')
}

// currentID is the id of the transaction, or of the session between them.
func (s *session) currentID() string {
	if s.tx != nil {
		return s.tx.id
	}
	return s.id
}

// complain answers a bad command, and ends the session after too many of them.
func (s *session) complain(code int, enh smtp.EnhancedCode, text string) {
	s.reply(code, enh, text)
	s.errors++
	if limit := s.front.Limits.Errors; limit > 0 && s.errors >= limit {
		s.reply(421, enhanced(4, 7, 0), "Too many errors")
		s.finish("too many errors")
	}
}

// outOfTurn answers a command that wants another one before it.
func (s *session) outOfTurn(text string) {
	if s.putOff {
		s.reply(503, enhanced(5, 5, 1), text)
		return
	}
	s.complain(503, enhanced(5, 5, 1), text)
}

func enhanced(class, subject, detail uint16) smtp.EnhancedCode {
	return smtp.EnhancedCode{Class: class, Subject: subject, Detail: detail}
}
