package balancer

import (
	"time"

	"weir/internal/smtp"
)

// goal is how far a transaction must get with a connector.
type goal uint8

const (
	goalEnvelope goal = iota // the group's recipients are answered
	goalContent              // the connector waits for content
	goalCopy                 // … and has got the copy of what was received so far
)

// reach gets to a goal, by the connector that has the transaction already or by
// the next candidates, from t.now on. It returns false when that failed for good; the
// answer is the transaction's verdict then.
func (t *transaction) reach(g goal, withData bool, limit time.Time) bool {
	for {
		if t.at == nil && !t.move(limit) {
			t.giveUp()
			return false
		}
		f := t.exchange(withData, limit)
		if f.kind == noFault && g >= goalContent {
			f = t.openContent(limit)
		}
		if f.kind == noFault && g >= goalCopy {
			f = t.content.resend()
		}
		if f.kind == noFault {
			return true
		}
		if !t.overcome(&f, limit) {
			return false
		}
		withData = false // after a move DATA waits for all recipients (P7)
	}
}

// overcome deals with a fault. It returns false when no other connector may be
// asked; the verdict says why.
func (t *transaction) overcome(f *fault, limit time.Time) bool {
	switch f.kind {
	case faultStale:
		if t.isPinned(t.at.upstream) {
			break
		}
		// When the new connection fails too, reach goes on to the next candidate.
		_ = t.redial(limit)
		return true
	case faultRefused:
		t.decideAs(&f.reply)
		t.letGo()
		return false
	case faultBroken:
		t.noteTry(t.at.backend, f)
		t.decide(451, enhanced(4, 4, 2), "Recipients could not be moved to another connector")
		t.letGo()
		return false
	case faultMaybeTaken:
		t.ambiguous(f)
		return false
	}
	t.leave(f)
	if t.rec.Suspect || t.content != nil && t.content.moves > 1 {
		t.giveUp()
		return false
	}
	return true
}

// openContent has the connector wait for content: by DATA, unless that went with
// the envelope already or content goes by BDAT.
func (t *transaction) openContent(limit time.Time) fault {
	a := t.at
	if a.opened || a.refusal.Code != 0 || t.content.byBdat(a) {
		return t.refusedContent(a)
	}
	if a.Look() != smtp.Quiet {
		return t.unasked(stepStages[stepData], limit)
	}
	a.SetPending(append(a.Pending(), "DATA\r\n"...))
	sendErr := t.flush(a, stepStages[stepData], limit)
	ticket, f := t.await(stepStages[stepData], limit, sendErr)
	if f.kind == noFault {
		f = t.judge(a, stepData, 0)
	}
	if f.kind != noFault {
		t.failed(ticket, &f)
		return f
	}
	t.passed(ticket)
	return t.refusedContent(a)
}

// refusedContent is the fault of a connector that answered DATA with 5xx.
func (t *transaction) refusedContent(a *attempt) fault {
	if a.refusal.Code == 0 {
		return fault{}
	}
	return fault{kind: faultRefused, stage: stepStages[stepData], why: a.refusal.String(), reply: a.refusal.Clone()}
}
