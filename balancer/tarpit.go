package balancer

import (
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"weir/internal/connector"
)

// How offenders are kept waiting. A session that waits so takes up a place, so it does
// not wait any longer than there is somebody to learn from it.

// tarpit holds back what is said to an offender. Not while a connector is waiting:
// its place is worth more than the lesson. Its error is that the sender has gone.
func (s *session) tarpit() error {
	if s.visit == nil || s.upstream.Load() != nil {
		return nil
	}
	return s.pause(s.visit.Delay(s.now))
}

// pause waits, unless the session is to end, wherever it is in its dialogue: makeRoom
// and wake end the wait too. It ends at once, with [io.EOF], when the sender hangs up;
// what that has said before stays unread.
func (s *session) pause(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	s.held.Store(true)
	defer s.held.Store(false)
	for until := s.now.Add(d); ; {
		if err := s.raw.SetReadDeadline(until); err != nil {
			return err
		}
		// In this order, or an interruption could slip in between.
		if s.leaving() {
			return nil
		}
		err := s.awaitEnd(until)
		switch {
		case err == nil:
			return io.EOF
		case !connector.IsTimeout(err):
			return err
		case !s.tick().Before(until) || s.srv.base.Err() != nil:
			return nil
		}
	}
}

// awaitEnd waits for the sender to hang up, until the read deadline, which is until or
// earlier. TLS makes no difference: the connection below it is what ends. One without
// a descriptor, as tests have it, cannot be watched.
func (s *session) awaitEnd(until time.Time) error {
	if !s.raw.HasDescriptor() {
		sleep(s.srv.base, time.Until(until))
		return os.ErrDeadlineExceeded
	}
	return s.raw.Wait(hungUp)
}

// hungUp reports whether the other side has closed, even where there is still something
// of it to be read.
func hungUp(fd uintptr) bool {
	look := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	for {
		n, err := unix.Poll(look, 0)
		if err != unix.EINTR {
			return err != nil || n > 0
		}
	}
}
