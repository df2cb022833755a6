package balancer

import (
	"time"

	"weir/internal/smtp"
)

// A session that has authenticated to a connector is pinned to the connection on
// which it has (P34): every transaction of it runs there, wherever routes or
// policies would lead; the connection is never pooled and nothing is ever moved.
// When it is lost, or the connector may not get mail any more, the sender is told
// 421 at its next boundary.

// pin gives the session the connection for all that is still to come. The caller
// has dialled it (see newUpstream) and holds a place at its connector: both are the
// session's now, which gives them back by unpin.
func (s *session) pin(u *upstream) {
	s.pinned.Store(u)
	s.srv.pins.Add(1)
}

// unpin says goodbye to the connection that the session is pinned to, if it is.
func (s *session) unpin() {
	if u := s.pinned.Swap(nil); u != nil {
		s.srv.pins.Add(-1)
		u.retire()
		u.pool.release(u.backend)
	}
}

// losePin closes the connection that the session is pinned to.
func (s *session) losePin() {
	u := s.pinned.Swap(nil)
	s.pinLost = true
	s.srv.pins.Add(-1)
	u.discard()
	u.pool.release(u.backend)
}

// forsaken reports whether a session that was pinned must end at this boundary.
func (s *session) forsaken() bool {
	u := s.pinned.Load()
	return s.pinLost || u != nil && (u.closing() || u.Look() != smtp.Quiet)
}

// closing reports whether a reload, or what is known of the connector, has put the
// connection out of use.
func (u *upstream) closing() bool { return u.pool.replaced() || !u.pool.usable(u.backend) }

// wakePinned ends pinned sessions that may not go on, where they wait for their
// senders.
func (s *Server) wakePinned() {
	if s.pins.Load() == 0 {
		return
	}
	s.eachSession(func(sess *session) {
		if u := sess.pinned.Load(); u != nil && u.closing() {
			sess.wake()
		}
	})
}

// attachPinned has the transaction go on over the connection that its session is
// pinned to. It returns false when that is of no use any more; the fault is then
// the last one.
func (t *transaction) attachPinned() bool {
	u := t.s.pinned.Load()
	if len(t.asked) > 0 || u == nil {
		return false // it was tried, and there is no other
	}
	t.asked = append(t.asked, u.backend)
	t.pool, t.rec.Pool = u.pool, u.pool.Name
	t.attach(u)
	if !u.began {
		return true
	}
	var reply smtp.Reply
	if err := u.Do("RSET", &reply, time.Now().Add(goodbye)); err != nil || reply.Class() != 2 {
		t.lastFault = fault{kind: faultNoPlace}
		t.drop()
		return false
	}
	u.began = false
	return true
}

// isPinned reports whether a connection is the one that the session is pinned to.
func (t *transaction) isPinned(u *upstream) bool { return t.s.pinned.Load() == u }
