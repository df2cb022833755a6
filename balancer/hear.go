package balancer

import (
	"errors"
	"io"
	"time"

	"weir/balancer/gate"
	"weir/internal/connector"
)

// How a session waits for its sender, and what ends that.

// readCommand sends what was answered so far, unless the next command is here
// already, and returns the next command. [errParked] means that the session is to be
// left, and resumed.
func (s *session) readCommand() ([]byte, error) {
	deadline := s.parked
	if s.parked = (time.Time{}); deadline.IsZero() {
		if _, here := s.in.PeekCommand(); here && len(s.out) < maxReplies {
			return s.in.ReadCommandOrAuth(maxCommand, s.maxAuth())
		}
		if err := s.flush(); err != nil {
			return nil, err
		}
		if err := s.strange(); err != nil {
			return nil, err
		}
		deadline = s.commandDeadline(s.timeout)
		if s.park(deadline) {
			return nil, errParked
		}
	} else if s.raw.Again() && s.park(deadline) {
		return nil, errParked
	}
	if s.tx == nil {
		s.disengage()
		s.atBoundary.Store(true)
		defer s.atBoundary.Store(false)
	}
	var line []byte
	err := s.listen(deadline, func() (err error) {
		line, err = s.nextCommand()
		return err
	})
	return line, err
}

// park has the session wait outside of any transaction without anything but itself: no
// fiber, and so no stack. It does not where there is something to be done already.
func (s *session) park(deadline time.Time) bool {
	if s.fiber == nil || s.tx != nil || !s.in.Rest() || s.raw.SetReadDeadline(deadline) != nil {
		return false
	}
	s.disengage()
	s.atBoundary.Store(true)
	// In this order, or an interruption could slip in between.
	if s.leaving() || s.forsaken() {
		return false
	}
	s.parked = deadline
	if !s.raw.Park(s.resume) {
		s.parked = time.Time{}
	}
	return !s.parked.IsZero()
}

func (s *session) nextCommand() ([]byte, error) {
	if len(s.in.Buffered()) == 0 {
		if err := s.in.Fill(); err != nil {
			return nil, err
		}
		if err := s.strange(); err != nil {
			return nil, err
		}
	}
	return s.in.ReadCommandOrAuth(maxCommand, s.maxAuth())
}

// listen has something read from the sender until the deadline. Who wants the
// session to look around interrupts that by a deadline in the past; when nothing
// came of the look, it goes on.
func (s *session) listen(deadline time.Time, read func() error) error {
	for {
		if err := s.raw.SetReadDeadline(deadline); err != nil {
			return err
		}
		// In this order, or an interruption could slip in between.
		if s.shed.Load() {
			return errLeaving
		}
		if s.atBoundary.Load() && (s.leaving() || s.forsaken()) {
			return errLeaving
		}
		if s.tx != nil && s.tx.expelled() {
			start := s.now
			s.tx.moveOut()
			deadline = deadline.Add(s.tick().Sub(start)) // that was none of the sender's time
			continue
		}
		start := s.now
		err := read()
		s.slack -= s.tick().Sub(start) // of content; each command begins with all of it
		if err == nil || !connector.IsTimeout(err) || !s.now.Before(deadline) {
			return err
		}
	}
}

func (s *session) commandDeadline(timeout time.Duration) time.Time {
	deadline := s.now.Add(timeout)
	if age := s.front.Limits.Session; age > 0 && s.tx == nil && s.began.Add(age).Before(deadline) {
		return s.began.Add(age)
	}
	return deadline
}

var (
	errLeaving = errors.New("leaving")
	errTLS     = errors.New("TLS on a plain port")
	errProxy   = errors.New("PROXY header of a stranger")
	errDeaf    = errors.New("sender takes no replies")
	errParked  = errors.New("the session is parked")
)

// strange recognises what is no SMTP at all.
func (s *session) strange() error {
	switch b := s.in.Buffered(); {
	case s.secured == nil && looksLikeTLS(b):
		return errTLS
	case s.helo == "" && gate.LooksLikeProxy(b):
		return errProxy
	}
	return nil
}

// looksLikeTLS recognises a ClientHello: a handshake record of version 3.x.
func looksLikeTLS(b []byte) bool { return len(b) >= 2 && b[0] == 0x16 && b[1] == 3 }

// readFailed ends the session for want of a command.
func (s *session) readFailed(err error) {
	switch {
	case s.deaf:
		s.finish("replies were not taken: " + connector.Describe(err))
	case errors.Is(err, errLeaving):
		s.farewell()
	case connector.IsTimeout(err) && s.expired():
		s.tooOld()
	case connector.IsTimeout(err):
		s.reply(421, enhanced(4, 4, 2), "No command in time")
		s.finish("timeout")
	case errors.Is(err, errTLS):
		s.reply(500, enhanced(5, 5, 2), s.plainHere())
		s.finish("TLS on a plain port")
	case errors.Is(err, errProxy):
		s.reply(550, enhanced(5, 7, 1), "PROXY headers are not taken from your address")
		s.finish("PROXY header from an address that is not in proxy_protocol.trust")
	case errors.Is(err, io.EOF):
		s.finish("closed by the sender")
	default:
		s.finish(connector.Describe(err))
	}
}

func (s *session) expired() bool {
	age := s.front.Limits.Session
	return age > 0 && s.tx == nil && s.now.Sub(s.began) >= age
}

// tooOld ends a session that has reached its age limit.
func (s *session) tooOld() {
	s.reply(421, enhanced(4, 7, 0), "Session has lasted too long")
	s.finish("session limit")
}
