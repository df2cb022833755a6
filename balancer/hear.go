package balancer

import (
	"errors"
	"io"
	"time"

	"weir/internal/connector"
)

// How a session waits for its sender, and what ends that.

// readCommand sends what was answered so far, unless the next command is here
// already, and returns the next command.
func (s *session) readCommand(timeout time.Duration) ([]byte, error) {
	if _, here := s.in.PeekCommand(); here && len(s.out) < maxReplies {
		return s.in.ReadCommand(maxCommand)
	}
	if err := s.flush(); err != nil {
		return nil, err
	}
	if looksLikeTLS(s.in.Buffered()) {
		return nil, errTLS
	}
	if s.tx == nil {
		s.atBoundary.Store(true)
		defer s.atBoundary.Store(false)
	}
	var line []byte
	err := s.listen(s.commandDeadline(timeout), func() (err error) {
		line, err = s.nextCommand()
		return err
	})
	return line, err
}

func (s *session) nextCommand() ([]byte, error) {
	if len(s.in.Buffered()) == 0 {
		if err := s.in.Fill(); err != nil {
			return nil, err
		}
		if looksLikeTLS(s.in.Buffered()) {
			return nil, errTLS
		}
	}
	return s.in.ReadCommand(maxCommand)
}

// listen has something read from the sender until the deadline. Who wants the
// session to look around interrupts that by a deadline in the past; when nothing
// came of the look, it goes on.
func (s *session) listen(deadline time.Time, read func() error) error {
	for {
		if err := s.nc.SetReadDeadline(deadline); err != nil {
			return err
		}
		// In this order, or an interruption could slip in between.
		if s.atBoundary.Load() && s.leaving() {
			return errLeaving
		}
		if s.tx != nil && s.tx.expelled() {
			start := time.Now()
			s.tx.moveOut()
			deadline = deadline.Add(time.Since(start)) // that was none of the sender's time
			continue
		}
		if err := read(); err == nil || !connector.IsTimeout(err) || !time.Now().Before(deadline) {
			return err
		}
	}
}

func (s *session) commandDeadline(timeout time.Duration) time.Time {
	deadline := time.Now().Add(timeout)
	if age := s.front.Limits.Session; age > 0 && s.tx == nil && s.began.Add(age).Before(deadline) {
		return s.began.Add(age)
	}
	return deadline
}

var (
	errLeaving = errors.New("leaving")
	errTLS     = errors.New("TLS on a plain port")
	errDeaf    = errors.New("sender takes no replies")
)

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
		s.reply(421, enhanced(4, 7, 0), "Session has lasted too long")
		s.finish("session limit")
	case connector.IsTimeout(err):
		s.reply(421, enhanced(4, 4, 2), "No command in time")
		s.finish("timeout")
	case errors.Is(err, errTLS):
		s.reply(500, enhanced(5, 5, 2), "This port speaks SMTP; TLS is not offered here")
		s.finish("TLS on a plain port")
	case errors.Is(err, io.EOF):
		s.finish("closed by the sender")
	default:
		s.finish(connector.Describe(err))
	}
}

func (s *session) expired() bool {
	age := s.front.Limits.Session
	return age > 0 && s.tx == nil && time.Since(s.began) >= age
}

// readMore waits for more of the sender's octets. It returns false when the
// sender is gone or silent: its transaction is over then, without a terminator
// (P11), and the session too.
func (s *session) readMore() bool {
	err := s.listen(time.Now().Add(s.front.Timeouts.Data), s.in.Fill)
	switch {
	case err == nil:
		return true
	case connector.IsTimeout(err):
		s.reply(421, enhanced(4, 4, 2), "No content in time")
		s.finish("timeout in the content")
	default:
		s.finish("lost in the content")
	}
	if s.tx != nil {
		s.tx.close(Aborted)
	}
	return false
}
