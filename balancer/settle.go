package balancer

import "weir/internal/backend"

// unsettled is a failure that is not told yet: should the same happen on the
// next connector too, it was the message (P14a).
type unsettled struct {
	ticket  backend.Ticket
	outcome backend.Outcome
}

// failed tells the observer how a stage failed. From MAIL on the message itself
// may be at fault, so the first failure waits for what the second connector does.
func (t *transaction) failed(ticket backend.Ticket, f *fault) {
	outcome := f.outcome(t.tick())
	t.noteMove(&ticket, f)
	t.blame(f)
	maybeMessage := ticket.Stage >= backend.StageMail && ticket.Stage <= backend.StageBody && f.kind == faultLost && !f.ordered
	switch {
	case !maybeMessage:
		t.tell(ticket, outcome)
	case t.unsettled == nil:
		t.unsettled = &unsettled{ticket, outcome}
	case t.unsettled.ticket.Stage == ticket.Stage && t.unsettled.ticket.Backend != ticket.Backend:
		t.rec.Suspect = true
		t.unsettled.outcome.Verdict, outcome.Verdict = backend.Neutral, backend.Neutral
		t.settleFailure()
		t.tell(ticket, outcome)
	default:
		t.settleFailure()
		t.tell(ticket, outcome)
	}
}

// settleFailure tells a failure that was held back. It counts from now on: a circuit
// that it opens is open for its whole time.
func (t *transaction) settleFailure() {
	if u := t.unsettled; u != nil {
		t.unsettled, u.outcome.At = nil, t.tick()
		t.tell(u.ticket, u.outcome)
	}
}

func (t *transaction) tell(ticket backend.Ticket, o backend.Outcome) {
	if t.s.srv.base.Err() != nil {
		o.Verdict = backend.Neutral // it was weir that cut everything off
	}
	if o.Verdict == backend.Failure {
		ticket.Backend.Traffic.Failures.Add(1)
	}
	t.s.srv.deps.Observer.End(ticket, o)
}

// passed tells that a stage was answered as it may be: with a 2xx or 3xx, a 5xx
// that is policy, or a 4xx to a recipient, which is compared with the other
// connectors' (P17).
func (t *transaction) passed(ticket backend.Ticket) {
	if u := t.unsettled; u != nil && ticket.Stage >= u.ticket.Stage {
		t.settleFailure()
	}
	o := backend.Outcome{Verdict: backend.Success, At: t.now, Code: t.reply.Code}
	if t.reply.Class() == 4 {
		t.part.failed = true // to put off at once is not to be fast
		o.Verdict, o.Full, o.Why = backend.Deferral, isFull(&t.reply), t.reply.String()
		if ticket.Stage == backend.StageRcpt {
			// One message to many recipients is one sign, not many.
			if t.at.putOff {
				o.Verdict = backend.Neutral
			}
			t.at.putOff = true
		}
	}
	t.s.srv.deps.Observer.End(ticket, o)
}
