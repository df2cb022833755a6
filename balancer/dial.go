package balancer

import (
	"context"
	"errors"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
)

// dial attaches a new connection. A failure is told and recorded.
func (t *transaction) dial(b *backend.Backend, limit time.Time) bool {
	watch := dialWatch{t: t, b: b}
	dialer := t.pool.dialer
	dialer.Watch, dialer.Client = &watch, t.client(t.pool)
	t.s.dialsFor(&dialer)
	t.rec.Backend = b.ID().Name
	ctx, hangUp := t.dialling(b)
	defer hangUp()
	conn, err := dialer.Dial(ctx, b.Address(), limit)
	if err != nil {
		t.unreached(ctx, &watch, err)
		return false
	}
	t.attach(newUpstream(conn, t.pool, b))
	return true
}

// unreached tells and records that dialling has failed.
func (t *transaction) unreached(ctx context.Context, watch *dialWatch, err error) {
	f := watch.fault(err)
	if why := expelledBy(ctx); why != nil {
		f = why.fault(faultUnreached, watch.ticket.Stage)
	}
	if watch.ticket.Backend != nil {
		t.waited(time.Since(watch.began))
		t.failed(watch.ticket, &f)
	}
	t.part.void = t.part.void || f.ordered || f.aside()
	t.noteTry(watch.b, &f)
	if f.kind == faultMisused {
		t.rec.Misuse = watch.b.ID().String() + " does not let weir tell it of a client: " + f.why
	}
}

// dialWatch tells the observer of the stages of dialling.
type dialWatch struct {
	t      *transaction
	b      *backend.Backend
	began  time.Time // the present stage
	ticket backend.Ticket
}

func (w *dialWatch) Begin(stage backend.Stage, now time.Time) time.Duration {
	w.began = now
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
	if errors.As(err, &e) && (e.Err == nil || e.Against == connector.AgainstUs) {
		return fault{kind: againstKinds[e.Against], stage: e.Stage, why: e.Why(), reply: e.Reply}
	}
	ours := connector.SaysNothing(err)
	if e != nil {
		err = e.Err
	}
	f := lostOrSilent(&w.ticket, w.ticket.Stage, err)
	if f.kind == faultLost {
		f.kind = faultUnreached
	}
	f.ours = ours
	return f
}

// againstKinds is what a refusal before MAIL means, by whom it speaks against (P3,
// P3a).
var againstKinds = [...]faultKind{
	connector.AgainstConnector: faultUnreached,
	connector.AgainstClient:    faultUnwelcome,
	connector.AgainstUs:        faultMisused,
}

// redial replaces a reused connection by a new one to the same connector.
func (t *transaction) redial(limit time.Time) bool {
	b := t.at.backend
	t.at.discard()
	t.detach()
	if !t.dial(b, limit) {
		t.endPart(b)
		t.pool.release(b)
		return false
	}
	return t.fits()
}
