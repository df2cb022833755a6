package balancer

import (
	"errors"
	"slices"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/smtp"
	"weir/policies"
)

// attempt is a transaction at one connector.
type attempt struct {
	*upstream
	mailed    bool       // MAIL was accepted
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
	for {
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

// pick takes a place at the next candidate. When all are at their limit it
// waits in the pool's queue.
func (t *transaction) pick(limit time.Time) *backend.Backend {
	if len(t.asked) >= maxCandidates || !time.Now().Before(limit) {
		return nil // who is asked without time to answer would be blamed for it
	}
	b, busy := t.tryPick()
	if b != nil {
		return b
	}
	if busy {
		if b = t.queue(limit); b != nil {
			return b
		}
	}
	if len(t.asked) == 0 {
		t.lastFault = fault{kind: faultNoPlace}
	}
	return nil
}

// tryPick goes through the policy's order once. Busy tells that some candidate
// would do but has no place.
func (t *transaction) tryPick() (b *backend.Backend, busy bool) {
	if !t.chosen {
		t.chosen, t.passedBusy = true, false
		t.pool.policy.Start(&t.req, t.pool.candidates(), &t.cursor)
	}
	for c := t.pool.policy.Next(&t.cursor); c != nil; c = t.pool.policy.Next(&t.cursor) {
		switch {
		case slices.Contains(t.asked, c.Backend), !t.pool.usable(c.Backend):
		case c.Acquire():
			t.asked = append(t.asked, c.Backend)
			return c.Backend, false
		default:
			t.passedBusy = true
		}
	}
	t.chosen = false // who asks again asks for a new order
	return nil, t.passedBusy
}

// queue waits for a place, up to the pool's queue timeout.
func (t *transaction) queue(limit time.Time) *backend.Backend {
	until := time.Now().Add(t.pool.QueueTimeout)
	if limit.Before(until) {
		until = limit
	}
	for !t.pool.removed() {
		if now := t.pool.latest(); now != t.pool {
			t.pool, t.chosen = now, false
		}
		w := t.pool.enqueue()
		if b, busy := t.tryPick(); b != nil || !busy {
			t.pool.leaveQueue(w)
			return b
		}
		if !wait(t.s.srv.base, w, until) {
			t.pool.leaveQueue(w)
			return nil
		}
	}
	return nil
}

// connect attaches a connection to b, on which a place was taken: a kept one, or
// a new one. When that fails the place is given back.
func (t *transaction) connect(b *backend.Backend, limit time.Time) bool {
	if u := t.pool.take(b, time.Now()); u != nil {
		t.attach(u)
		return true
	}
	if !t.dial(b, limit) {
		t.pool.release(b)
		return false
	}
	return true
}

func (t *transaction) attach(u *upstream) {
	t.spare = attempt{upstream: u, refusal: t.spare.refusal}
	t.spare.refusal.Reset()
	t.at = &t.spare
	t.rec.Backend = u.backend.ID().Name
	t.s.upstream.Store(u)
	// The session may have been cut off, or the connector disabled, before it had
	// this connection.
	if t.s.srv.base.Err() != nil {
		u.Abort()
	}
	if why := t.pool.disabled(u.backend); why != nil {
		u.expel(why)
	}
}

// dial attaches a new connection. A failure is told and recorded.
func (t *transaction) dial(b *backend.Backend, limit time.Time) bool {
	watch := dialWatch{t: t, b: b}
	dialer := t.pool.dialer
	dialer.Watch = &watch
	t.rec.Backend = b.ID().Name
	ctx, hangUp := t.dialling(b)
	defer hangUp()
	conn, err := dialer.Dial(ctx, b.Address(), limit)
	if err != nil {
		f := watch.fault(err)
		if why := expelledBy(ctx); why != nil {
			f = why.fault(faultUnreached, watch.ticket.Stage)
		}
		if watch.ticket.Backend != nil {
			t.failed(watch.ticket, &f)
		}
		t.noteTry(b, &f)
		return false
	}
	b.Traffic.Open.Add(1)
	t.attach(&upstream{Conn: conn, pool: t.pool, backend: b, born: time.Now()})
	return true
}

// dialWatch tells the observer of the stages of dialling.
type dialWatch struct {
	t      *transaction
	b      *backend.Backend
	ticket backend.Ticket
}

func (w *dialWatch) Begin(stage backend.Stage, now time.Time) time.Duration {
	w.ticket = w.t.beginStage(w.b, stage, now)
	return w.ticket.Patience
}

func (w *dialWatch) Passed(stage backend.Stage, took time.Duration) {
	w.t.took(w.b, stage, took)
	w.t.s.srv.deps.Observer.End(w.ticket, backend.Outcome{Verdict: backend.Success, At: time.Now()})
	w.ticket = backend.Ticket{Stage: stage} // dialling may be ended between two stages
}

func (w *dialWatch) fault(err error) fault {
	var e *connector.Error
	if errors.As(err, &e) && e.Err == nil {
		return fault{kind: faultUnreached, stage: e.Stage, why: e.Why(), reply: e.Reply}
	}
	if e != nil {
		err = e.Err
	}
	f := lostOrSilent(&w.ticket, w.ticket.Stage, err)
	if f.kind == faultLost {
		f.kind = faultUnreached
	}
	return f
}

// redial replaces a reused connection by a new one to the same connector.
func (t *transaction) redial(limit time.Time) bool {
	b := t.at.backend
	t.at.discard()
	t.detach()
	if !t.dial(b, limit) {
		t.pool.release(b)
		return false
	}
	return true
}

func (t *transaction) detach() {
	t.at = nil
	t.s.upstream.Store(nil)
}

// leave gives the attempt up because of a fault. The connection is of no
// further use unless the connector merely declined.
func (t *transaction) leave(f *fault) {
	t.noteTry(t.at.backend, f)
	if f.connectionLives() {
		t.letGo(time.Now())
	} else {
		t.drop()
	}
}

func (t *transaction) noteTry(b *backend.Backend, f *fault) {
	t.lastFault = *f
	t.rec.Tries = append(t.rec.Tries, Try{Backend: b.ID().String(), Why: f.String()})
}

// drop closes the attempt's connection and gives its place back.
func (t *transaction) drop() {
	u := t.at.upstream
	if body := t.at.endBody(); body.Backend != nil {
		// The sender left, or weir takes the content back: nobody's fault.
		t.tell(body, backend.Outcome{Verdict: backend.Neutral, At: time.Now(), Why: "content was not ended"})
	}
	t.detach()
	u.discard()
	t.pool.release(u.backend)
}

// letGo ends the attempt and keeps its connection, if that is still in order: one
// on which content was begun and not finished can only be closed (P20).
func (t *transaction) letGo(now time.Time) {
	if t.at.opened || t.at.spoiled {
		t.drop()
		return
	}
	u := t.at.upstream
	t.detach()
	u.giveBack(now)
}

// took notes how long a stage took.
func (t *transaction) took(b *backend.Backend, stage backend.Stage, d time.Duration) {
	t.rec.Stages[stage] += d
	b.Traffic.Stages[stage].Observe(d)
}

// able checks that the pool can serve what the sender asked for (P31), and fixes
// the answer when it cannot.
func (t *transaction) able() bool {
	var needs policies.Needs
	if t.mail.Size > 0 {
		needs.Size = t.mail.Size + edgeRoom // as MAIL will declare it
	}
	if t.mail.Body == smtp.Body8BitMIME {
		needs.Ext |= backend.Ext8BitMIME
	}
	t.req = policies.Request{Client: t.s.client.Addr(), From: t.mail.From, Rcpt: t.group[0].to, Needs: needs}
	if needs == (policies.Needs{}) {
		return true
	}
	switch able := t.pool.candidates().Able(needs); {
	case able.Now, t.pool.view().Eligible == 0:
		return true
	case able.Ever:
		t.decide(451, enhanced(4, 4, 4), "No connector that can take this message is available")
	case able.TooBig:
		t.decide(552, enhanced(5, 3, 4), "Message is larger than any connector takes")
	default:
		t.decide(554, enhanced(5, 6, 3), "No connector takes 8-bit content")
	}
	return false
}
