package balancer

import (
	"errors"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
)

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
			t.waited(time.Since(watch.began))
			t.failed(watch.ticket, &f)
		}
		t.part.void = t.part.void || f.ordered
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
		t.endPart(b)
		t.pool.release(b)
		return false
	}
	return true
}
