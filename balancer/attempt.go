package balancer

import (
	"time"

	"weir/internal/backend"
	"weir/internal/smtp"
)

// attempt is a transaction at one connector.
type attempt struct {
	*upstream
	mailed    bool       // MAIL was accepted
	settled   bool       // it has answered a recipient, and the policy knows
	confirmed int        // how many of the transaction's accepted recipients it has taken
	opened    bool       // it waits for content, or has part of it
	spoiled   bool       // the connection is out of step, and fit only to be closed
	putOff    bool       // some recipient was answered 4xx, and the observer was told
	refusal   smtp.Reply // its 5xx to DATA; Code 0: none
	stuffer   smtp.Stuffer
	sent      int64 // octets of the content's copy that it has got
	body      backend.Ticket
	content   time.Time // when the first of it was sent
}

// endBody returns the ticket of the body, if that was begun: ending it is then
// the caller's.
func (a *attempt) endBody() backend.Ticket {
	ticket := a.body
	a.body = backend.Ticket{}
	return ticket
}

// move gets the next candidate that can be talked to. It returns false when
// there is none, with the reason in lastFault.
func (t *transaction) move(limit time.Time) bool {
	if t.s.pinned.Load() != nil || t.s.pinLost {
		ok := t.attachPinned(limit)
		t.tick()
		return ok
	}
	for {
		if t.lastFault.kind == faultUnwelcome {
			return false // it was the client that was refused
		}
		b := t.pick(limit)
		if b == nil {
			return false
		}
		if t.connect(b, limit) {
			if len(t.asked) > 1 {
				t.rec.Replays++
			}
			return true
		}
	}
}

// connect attaches a connection to b, on which a place was taken: a kept one, or
// a new one. When that fails the place is given back.
func (t *transaction) connect(b *backend.Backend, limit time.Time) bool {
	client := t.client(t.pool)
	if u := t.pool.take(b, &client, t.now); u != nil {
		if t.lacks(u) == "" {
			t.attach(u)
			return true
		}
		u.retire() // the connector may offer more by now
	}
	if !t.dial(b, limit) {
		t.endPart(b)
		t.pool.release(b)
		return false
	}
	return t.fits()
}

// fits reports whether the connector can serve the transaction, by what it says
// now; one that cannot is left.
func (t *transaction) fits() bool {
	why := t.lacks(t.at.upstream)
	if why == "" {
		return true
	}
	t.leave(&fault{kind: faultUnable, stage: backend.StageEHLO, why: why})
	return false
}

func (t *transaction) attach(u *upstream) {
	t.spare = attempt{upstream: u, refusal: t.spare.refusal}
	t.spare.refusal.Reset()
	t.at = &t.spare
	if u.Told() && u.Client().Addr.Port() != 0 {
		u.only = t.s
	}
	t.rec.Backend = u.backend.ID().Name
	u.Carry(t.s.fiber)
	t.s.hold(u)
}

// hold makes a connection the session's, for those who must end that. The session
// may have been cut off, or the connector disabled, before it had it.
func (s *session) hold(u *upstream) {
	s.upstream.Store(u)
	if s.srv.base.Err() != nil {
		u.Abort()
	}
	if m := u.member(); m != nil {
		if why := reasonToLeave(m); why != nil {
			u.expel(why)
		}
	}
}

func (t *transaction) detach() {
	t.at.upstream.Carry(nil)
	t.at = nil
	t.s.upstream.Store(nil)
}

// leave gives the attempt up because of a fault. The connection is of no
// further use unless the connector merely declined.
func (t *transaction) leave(f *fault) {
	t.noteTry(t.at.backend, f)
	if f.connectionLives() {
		t.letGo()
	} else {
		t.drop()
	}
}

func (t *transaction) noteTry(b *backend.Backend, f *fault) {
	t.lastFault = *f
	t.noteTried(b.ID().String(), f.String())
}

// drop closes the attempt's connection and gives its place back.
func (t *transaction) drop() {
	u := t.at.upstream
	t.tick()
	if body := t.at.endBody(); body.Backend != nil {
		// The sender left, or weir takes the content back: nobody's fault.
		t.tell(body, backend.Outcome{Verdict: backend.Neutral, At: t.now, Why: "content was not ended"})
	}
	t.detach()
	t.endPart(u.backend)
	if t.isPinned(u) {
		t.s.losePin()
		return
	}
	u.discard()
	u.pool.release(u.backend)
}

// letGo ends the attempt and keeps its connection, if that is still in order: one
// on which content was begun and not finished can only be closed (P20).
func (t *transaction) letGo() {
	if t.at.opened || t.at.spoiled {
		t.drop()
		return
	}
	u := t.at.upstream
	t.detach()
	t.endPart(u.backend)
	if t.isPinned(u) {
		u.reused = true // what is open there is ended by who needs it next
		return
	}
	u.giveBack(t.now)
}
