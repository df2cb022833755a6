package balancer

import (
	"errors"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
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
// pinned to. It returns false when that is of no use any more, or not for this one;
// the fault is then the last one.
func (t *transaction) attachPinned(limit time.Time) bool {
	u := t.s.pinned.Load()
	if len(t.asked) > 0 || u == nil {
		return false // it was tried, and there is no other
	}
	t.asked = append(t.asked, u.backend)
	t.pool, t.rec.Pool = u.pool, u.pool.Name
	t.attach(u)
	return t.resetPinned(u) && t.renamePinned(u, limit)
}

// resetPinned ends at the connector what the transaction before has left open.
func (t *transaction) resetPinned(u *upstream) bool {
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

// renamePinned passes on what the sender has said in EHLO since, where the connector
// knows the sender (P32). A refusal of the name is for this transaction's recipients
// (P3a).
func (t *transaction) renamePinned(u *upstream, limit time.Time) bool {
	client := t.s.identity()
	err := u.pool.dialer.Rename(u.Conn, client.HELO, t.deadline(backend.StageEHLO, time.Now(), limit))
	var e *connector.Error
	switch {
	case errors.As(err, &e) && e.Reply.Code != 0 && e.Reply.Code != 421:
		t.leaveKept(&fault{kind: faultUnwelcome, stage: backend.StageEHLO, why: e.Why(), reply: e.Reply})
		return false
	case err != nil:
		f := lostBy(faultLost, backend.StageEHLO, err)
		if out := u.out.Load(); out != nil {
			f = out.fault(faultLost, backend.StageEHLO)
		}
		t.leave(&f)
		return false
	}
	if why := t.lacks(u); why != "" {
		t.leaveKept(&fault{kind: faultUnable, stage: backend.StageEHLO, why: why})
		return false
	}
	return true
}

// leaveKept gives the attempt up, but not the connection: the next transaction may do
// better.
func (t *transaction) leaveKept(f *fault) {
	t.noteTry(t.at.backend, f)
	t.letGo()
}

// ableOn checks that the connector to which the session is pinned can serve what the
// sender asks for (P31), and fixes the answer when it cannot: there is no other one.
func (t *transaction) ableOn(u *upstream) bool {
	why := t.lacks(u)
	if why == "" {
		return true
	}
	t.rec.Pool = u.pool.Name
	t.noteTried(u.backend.ID().String(), why)
	refusal := words{552, enhanced(5, 3, 4), ""}
	if missing := t.req.Needs.Ext &^ u.Capabilities().Ext; missing != 0 {
		refusal = neverAble(missing)
	}
	refusal.Text = "The connector that you have authenticated to " + why
	t.decideIn(refusal)
	return false
}

// offerPinned has EHLO speak for the connector to which the session is pinned: no
// other one gets its mail.
func (s *session) offerPinned() {
	u := s.pinned.Load()
	if u == nil {
		return
	}
	only := new(backend.Member)
	only.Health.Capabilities = u.Capabilities()
	only.Health.Capabilities.Known = true
	s.offer = s.front.bound(offerOf([]*backend.Pool{{Members: []*backend.Member{only}}}, u.pool.LMTP))
}

// isPinned reports whether a connection is the one that the session is pinned to.
func (t *transaction) isPinned(u *upstream) bool { return t.s.pinned.Load() == u }
