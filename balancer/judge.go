package balancer

import "weir/internal/backend"

// How a connector's answers to the envelope are taken in.

// declined is a fault that consists of the connector's answer.
func (t *transaction) declined(kind faultKind, stage backend.Stage) fault {
	return fault{kind: kind, stage: stage, why: t.reply.String(), reply: t.reply.Clone()}
}

// unexpected is an answer of a class that the command cannot have (P14).
func (t *transaction) unexpected(stage backend.Stage) fault {
	return fault{kind: faultLost, stage: stage, why: "unexpected answer " + t.reply.String()}
}

// judge takes in the answer to one command of the envelope.
func (t *transaction) judge(a *attempt, kind step, r int) fault {
	switch kind {
	case stepMail:
		return t.judgeMail(a)
	case stepData:
		return t.judgeData(a)
	}
	if t.reply.Class() == 3 {
		return t.unexpected(backend.StageRcpt)
	}
	if !a.settled {
		// Whatever the answer is: a sender that is greylisted must come back to here.
		a.settled, t.req.Now = true, t.now
		t.pool.policy.Settled(&t.req, a.backend)
	}
	if kind == stepRcpt {
		to := &t.group[t.wanted[r]]
		to.reply.CopyFrom(&t.reply)
		to.byConnector = true
		return fault{}
	}
	if t.reply.Class() != 2 {
		return t.declined(faultBroken, backend.StageRcpt)
	}
	a.confirmed++
	return fault{}
}

func (t *transaction) judgeMail(a *attempt) fault {
	switch class := t.reply.Class(); {
	case class == 2:
		a.mailed, a.began = true, true
		a.mails++
		return fault{}
	case class == 3:
		return t.unexpected(backend.StageMail)
	case class == 4:
		return t.declined(faultDeferred, backend.StageMail)
	case a.reused && !t.isPinned(a.upstream):
		// It may be the connection that is disliked: P5 asks once more on a new one.
		return t.declined(faultStale, backend.StageMail)
	case t.spurned():
		return t.declined(faultUnable, backend.StageMail)
	case ownMistake(t.reply.Code) && !t.s.mustAuthenticate(t.reply.Code):
		return t.declined(faultMisfit, backend.StageMail)
	case len(t.accepted) > 0:
		return t.declined(faultBroken, backend.StageMail)
	default:
		return t.declined(faultRefused, backend.StageMail)
	}
}

// judgeData takes in the answer to DATA. A 5xx is kept for the sender's DATA,
// which may still be waiting behind its recipients.
func (t *transaction) judgeData(a *attempt) fault {
	wanted := t.anyAccepted()
	switch class := t.reply.Class(); {
	case t.reply.Code == 354:
		a.opened = true
		if !wanted {
			t.closeUnwanted(a)
		}
	case class == 2, class == 3:
		return t.unexpected(backend.StageData)
	case !wanted:
		// Nobody to send to: a refusal is right.
	case class == 4:
		return t.declined(faultDeferred, backend.StageData)
	default:
		a.refusal.CopyFrom(&t.reply)
	}
	return fault{}
}

// anyAccepted reports whether any recipient was accepted so far, those of the
// group included.
func (t *transaction) anyAccepted() bool {
	if len(t.accepted) > 0 {
		return true
	}
	for i := range t.group {
		if t.group[i].reply.Class() == 2 {
			return true
		}
	}
	return false
}

// closeUnwanted ends content that a connector asked for although it had refused
// every recipient: a lone dot (RFC 2920 section 3.1), then the connection is
// closed all the same.
func (t *transaction) closeUnwanted(a *attempt) {
	a.SetPending(append(a.Pending(), ".\r\n"...))
	if a.Flush(t.now.Add(goodbye)) == nil {
		_ = a.ReadReply(&t.reply, t.tick().Add(goodbye))
	}
	t.tick()
	a.spoiled = true
}
