package balancer

import (
	"errors"
	"time"

	"weir/internal/backend"
	"weir/internal/smtp"
	"weir/policies"
)

const (
	// totalAuth bounds how long the sender waits for the answer to AUTH, over all
	// candidates.
	totalAuth = totalData
	// maxChallenges is more than any mechanism has.
	maxChallenges = 32
	// authStage is what AUTH counts for: the stages have none of its own. Like MAIL
	// it is said to a connector that has greeted, and has its timeout.
	authStage = backend.StageMail
)

// authRelay is one AUTH on its way to a connector (P34). Until something that the
// sender said, or was told, belongs to one connector, faults lead to the next one;
// from then on to 454. What the sender says is kept nowhere, and from then on
// nothing that the connector says either: some repeat what they were told.
type authRelay struct {
	s       *session
	t       *transaction // finds a connector as for mail, but carries none
	auth    smtp.Auth
	initial bool // the initial response is still to be sent, after the first 334
	bound   bool // to this one connector
	rec     AuthRecord
}

// relayAuth finds a connector and has it decide.
func (s *session) relayAuth(auth smtp.Auth) {
	t := s.borrow()
	t.id = s.id
	t.rec = Record{Rcpts: t.rec.Rcpts[:0], Tries: t.rec.Tries[:0], Reply: t.rec.Reply}
	t.req = policies.Request{Client: s.client.Addr()}
	r := &authRelay{s: s, t: t, auth: auth}
	if p := s.front.authPool(); p != nil {
		t.way = &policies.Way{Targets: []policies.Target{{Pool: p.Name}}}
	}
	if r.open(t.now.Add(totalAuth)) {
		r.converse()
	}
	r.close()
}

// open has a connector answer AUTH with a challenge or a decision. It returns
// false when that failed for good and the sender was told.
func (r *authRelay) open(limit time.Time) bool {
	for r.reach(limit) {
		f := r.ask(limit)
		if f.kind == noFault {
			return true
		}
		r.leave(&f)
		if r.bound {
			break
		}
	}
	r.putOff()
	return false
}

// reach makes a new connection to the next candidate: a kept one has had other
// senders, who may have cost it the connector's patience.
func (r *authRelay) reach(limit time.Time) bool {
	t := r.t
	for t.way != nil {
		b := t.pick(limit)
		switch {
		case b == nil:
			return false
		case t.dial(b, limit):
			return true
		}
		t.endPart(b)
		t.pool.release(b)
		if t.lastFault.kind == faultUnwelcome {
			return false // it was the client that was refused (P3a)
		}
	}
	return false
}

// ask says AUTH. Refusals that speak of the command and not of who says it lead to
// the next candidate, as does whatever a connector says that knows nothing yet.
func (r *authRelay) ask(limit time.Time) fault {
	t, a := r.t, r.t.at
	if a.TLS() == nil || !a.Capabilities().Auth.Has(r.auth.Mechanism) {
		return fault{kind: faultMisfit, stage: backend.StageEHLO, why: "does not offer AUTH " + r.auth.Mechanism}
	}
	line, inline := r.auth.Append(a.Pending())
	a.SetPending(line)
	r.initial = !inline
	r.bound = r.auth.HasInitial && inline
	if f := r.exchange(limit); f.kind != noFault {
		return f
	}
	switch code := t.reply.Code; {
	case misunderstood(code):
		return r.declined(faultMisfit)
	case !r.bound && t.reply.Class() == 4:
		return r.declined(faultDeferred)
	}
	return fault{}
}

// misunderstood are the refusals of AUTH that speak of the command or the
// connection, when its mechanism is offered: our mistake, or the connector's (P5).
func misunderstood(code int) bool { return ownMistake(code) || code == 504 || code == 538 }

// exchange sends what is pending and reads the answer.
func (r *authRelay) exchange(limit time.Time) fault {
	t, a := r.t, r.t.at
	now := t.tick()
	ticket := t.beginStage(a.backend, authStage, now)
	f := r.hear(t.deadline(authStage, now, limit))
	if f.kind != noFault {
		t.failed(ticket, &f)
		return f
	}
	// How long passwords take says nothing of mail.
	t.tell(ticket, backend.Outcome{Verdict: backend.Neutral, At: t.tick(), Code: t.reply.Code})
	return fault{}
}

func (r *authRelay) hear(deadline time.Time) fault {
	t, a := r.t, r.t.at
	if a.Look() == smtp.Spoke {
		a.SetPending(a.Pending()[:0])
		return fault{kind: faultLost, stage: authStage, why: "spoke before it was asked"} // P27
	}
	err := a.Flush(deadline)
	if e := a.ReadAuthReply(&t.reply, deadline); err == nil {
		err = e
	}
	switch {
	case err != nil && a.out.Load() != nil:
		return a.out.Load().fault(faultLost, authStage)
	case errors.Is(err, smtp.ErrReplySyntax):
		return lostBy(faultLost, authStage, smtp.ErrReplySyntax) // without what it said
	case err != nil:
		return lostBy(faultLost, authStage, err)
	case t.reply.Code == 421:
		return r.declined(faultGone)
	case t.reply.Code == 235, t.reply.Code == 334, t.reply.Class() >= 4:
		return fault{}
	default:
		f := r.declined(faultLost) // P14
		f.why = "unexpected answer " + f.why
		return f
	}
}

// leave gives the connector up. A connection that has seen a sender's words goes to
// nobody else.
func (r *authRelay) leave(f *fault) {
	if !r.bound || !f.connectionLives() {
		r.t.leave(f)
		return
	}
	r.t.noteTry(r.t.at.backend, f)
	r.dismiss()
}

// dismiss says goodbye to the connector.
func (r *authRelay) dismiss() {
	t := r.t
	u := t.at.upstream
	t.detach()
	t.endPart(u.backend)
	u.quit()
	u.pool.release(u.backend)
}

// declined is a fault that consists of the connector's answer.
func (r *authRelay) declined(kind faultKind) fault {
	f := r.t.declined(kind, authStage)
	if r.bound {
		f.reply = smtp.NewReply(f.reply.Code, f.reply.Enhanced, "")
		f.why = f.reply.String()
	}
	return f
}

// putOff tells the sender to try again: no connector could be asked, or the one
// that was is lost with what it was told (RFC 4954 section 4.5). One that refuses
// the client itself is let speak (P3a).
func (r *authRelay) putOff() {
	s, f := r.s, &r.t.lastFault
	if f.kind == faultUnwelcome && f.reply.Code != 421 {
		s.relay(&f.reply)
		r.answered(f.reply.Code, f.reply.Enhanced, true)
		return
	}
	text := "Temporary authentication failure, try again later"
	switch {
	case f.kind == faultNoPlace, r.t.way == nil:
		text = "No connector is available, try again later"
	case f.kind == faultMisused:
		text = "Connector does not let this server tell it of its clients"
	}
	s.reply(454, enhanced(4, 7, 0), text)
	r.answered(454, enhanced(4, 7, 0), false)
}

func (r *authRelay) answered(code int, enh smtp.EnhancedCode, byConnector bool) {
	r.rec.Code, r.rec.Enhanced, r.rec.ByConnector = code, enh, byConnector
}

// close has the AUTH recorded and gives back what was lent.
func (r *authRelay) close() {
	s, t := r.s, r.t
	t.settleFailure()
	r.rec.Session, r.rec.Listener, r.rec.Client, r.rec.HELO = s.id, s.front.Name, s.client, s.helo
	r.rec.TLS, r.rec.Mechanism, r.rec.Misuse = s.tlsText(), r.auth.Mechanism, t.rec.Misuse
	r.rec.Pool, r.rec.Backend, r.rec.Tries = t.rec.Pool, t.rec.Backend, t.rec.Tries
	r.rec.Duration = time.Since(t.began)
	s.srv.deps.Recorder.Auth(&r.rec)
	t.forget()
	s.srv.txs.Put(t)
}
