package balancer

import (
	"errors"
	"syscall"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/smtp"
)

// faultKind says what a fault means for the transaction.
type faultKind uint8

const (
	noFault         faultKind = iota
	faultNoPlace              // no connector, or none with a place (P2)
	faultUnreached            // dial, banner or EHLO failed (P3)
	faultStale                // a reused connection that was no good any more: try a new one
	faultLost                 // lost, silent past its deadline, or talking nonsense (P7, P8, P14)
	faultGone                 // 421 (P13)
	faultDeferred             // another 4xx (P4, P7)
	faultMisfit               // a 5xx that is our own mistake (P5)
	faultRefused              // a 5xx that is the connector's right: no other one is asked
	faultBroken               // a recipient that was promised is refused after a move (P7)
	faultMaybeTaken           // the message may have been taken (P9)
	faultUnwelcome            // it refuses the client that it was told of: no other one is asked (P3a)
	faultMisused              // it does not let us tell it of clients (P3a)
	faultUnable               // it offers less than it was seen to (P31)
	faultSilent               // silent for so long that the transaction moves on (P16)
)

// fault is what went wrong with an attempt.
type fault struct {
	kind  faultKind
	stage backend.Stage
	why   string     // for people, without the stage
	reply smtp.Reply // what the connector said; Code 0: nothing

	silent  bool // there was no answer in time
	refused bool // the connection was refused
	hurried bool // the transaction's total ended before the stage's own deadline
	ours    bool // weir had nothing left to make a connection with
	ordered bool // an operator has disabled the connector
}

// lostBy is the fault of a connection that failed by err.
func lostBy(kind faultKind, stage backend.Stage, err error) fault {
	return fault{
		kind: kind, stage: stage, why: connector.Describe(err),
		silent: connector.IsTimeout(err), refused: errors.Is(err, syscall.ECONNREFUSED),
	}
}

// outcome is what the observer is told of a fault.
func (f *fault) outcome(now time.Time) backend.Outcome {
	return backend.Outcome{
		Verdict: f.verdict(), At: now, Code: f.reply.Code, Why: f.String(),
		Silent: f.silent, Refused: f.refused, Full: isFull(&f.reply),
	}
}

// isFull recognises a connector that is out of resources (P18; RFC 3463, X.3.1).
func isFull(r *smtp.Reply) bool { return r.Code == 452 && r.Enhanced == enhanced(4, 3, 1) }

func (f *fault) String() string {
	if f.ordered {
		return f.why // wherever that was
	}
	return f.stage.String() + ": " + f.why
}

// verdict is how a fault counts for its connector. Refusals of the kinds that
// are policy, or our mistake, say nothing against it.
func (f *fault) verdict() backend.Verdict {
	switch f.kind {
	case faultUnreached, faultLost, faultGone, faultMaybeTaken:
		if f.hurried || f.ordered || f.ours {
			return backend.Neutral
		}
		return backend.Failure
	case faultDeferred:
		return backend.Deferral
	case faultSilent:
		return backend.Waited
	case faultRefused:
		return backend.Success
	default:
		return backend.Neutral
	}
}

// aside reports whether a fault before MAIL says nothing of the connector.
func (f *fault) aside() bool { return f.kind == faultUnwelcome || f.kind == faultMisused }

// connectionLives reports whether the connection is still in step after the
// fault: the connector merely declined.
func (f *fault) connectionLives() bool {
	switch f.kind {
	case faultDeferred, faultMisfit, faultRefused, faultBroken, faultUnable:
		return true
	}
	return false
}

// giveUp fixes the transaction's answer when no candidate is left: the one place
// that turns faults into words.
func (t *transaction) giveUp() {
	f := &t.lastFault
	switch {
	case t.rec.Suspect:
		t.decide(451, enhanced(4, 4, 2), "Message failed alike on two connectors")
	case t.content != nil && (t.content.moves > 0 || t.content.ended):
		t.decide(451, enhanced(4, 4, 2), "Connection to the connector was lost, try again later")
	case f.kind == faultNoPlace, f.ordered:
		t.decideIn(noConnector)
	case (f.kind == faultUnwelcome || f.kind == faultUnable && f.reply.Code != 0) && len(t.accepted) == 0:
		t.decideAs(&f.reply)
	case f.kind == faultMisused:
		t.decide(451, enhanced(4, 3, 5), "Connector does not let this server tell it of its clients")
	case f.kind == faultUnable && f.reply.Code == 0:
		t.decideIn(nobodyAble)
	case f.kind == faultUnreached && f.stage == backend.StageTLS:
		t.decide(451, enhanced(4, 7, 5), "TLS with the connector failed, try again later")
	case f.kind == faultUnreached, f.kind == faultSilent && f.stage < backend.StageMail:
		t.decide(451, enhanced(4, 4, 1), "No connector could be reached, try again later")
	case f.kind == faultDeferred, f.kind == faultGone:
		t.decideAs(&f.reply)
	case f.kind == faultMisfit:
		t.decide(451, enhanced(4, 3, 5), "Connector misunderstands this server")
	default:
		t.decide(451, enhanced(4, 4, 2), "Connector failed, try again later")
	}
}

// ownMistake are the refusals of MAIL that speak of the command, not of the
// sender (P5).
func ownMistake(code int) bool {
	switch code {
	case 500, 502, 503, 530, 555:
		return true
	}
	return false
}
