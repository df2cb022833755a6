package balancer

import (
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/smtp"
)

// plan is what a connector does not know yet of the envelope, in the order in
// which it is told.
type plan struct {
	mail   int // 1: MAIL
	base   int // the first recipient accepted elsewhere that is to be repeated
	repeat int // how many of these
	group  int // recipients of the group that it is to answer
	data   int // 1: DATA
}

func (p plan) total() int { return p.mail + p.repeat + p.group + p.data }

// step is one command of the envelope.
type step uint8

const (
	stepMail step = iota
	stepRepeat
	stepRcpt
	stepData
)

var stepStages = [...]backend.Stage{backend.StageMail, backend.StageRcpt, backend.StageRcpt, backend.StageData}

// at says which command the i-th is, and of which recipient.
func (p plan) at(i int) (step, int) {
	switch {
	case i < p.mail:
		return stepMail, 0
	case i < p.mail+p.repeat:
		return stepRepeat, p.base + i - p.mail
	case i < p.mail+p.repeat+p.group:
		return stepRcpt, i - p.mail - p.repeat
	default:
		return stepData, 0
	}
}

// exchange tells the connector what it does not know yet of the envelope. With
// PIPELINING commands go in groups (RFC 2920), else one by one. DATA goes with
// them only if the sender pipelined it and nothing was moved (P7).
func (t *transaction) exchange(withData bool, limit time.Time) fault {
	a := t.at
	window := 1
	if a.Extensions()&backend.ExtPipelining != 0 {
		window = maxGroup
	}
	p := plan{base: a.confirmed, repeat: len(t.accepted) - a.confirmed, group: len(t.wanted)}
	if !a.mailed {
		p.mail = 1
	}
	if withData && p.repeat == 0 && window > 1 {
		p.data = 1
	}
	for from, total := 0, p.total(); from < total; {
		n := min(window, total-from)
		if f := t.talk(a, p, from, n, limit); f.kind != noFault {
			return f
		}
		from += n
	}
	return fault{}
}

// talk sends n commands of the plan and takes their answers in.
func (t *transaction) talk(a *attempt, p plan, from, n int, limit time.Time) fault {
	first, _ := p.at(from)
	t.s.standBack()
	if a.mailed && a.Look() != smtp.Quiet {
		return t.unasked(stepStages[first], limit)
	}
	forwards, f := t.forward(a, first, n == 1, limit)
	if f.kind != noFault {
		return f
	}
	out := a.Pending()
	for i := from; i < from+n; i++ {
		out = t.appendStep(out, a, p, i)
	}
	a.SetPending(out)
	sendErr := t.flush(a, stepStages[first], limit)
	if f := t.forwarded(a, forwards, limit, sendErr); f.kind != noFault {
		return f
	}
	for i := from; i < from+n; i++ {
		kind, r := p.at(i)
		if kind == stepData {
			limit = t.now.Add(totalData)
		}
		ticket, f := t.await(stepStages[kind], limit, sendErr)
		if f.kind == noFault {
			f = t.judge(a, kind, r)
		}
		if f.kind == noFault {
			t.passed(ticket)
			continue
		}
		t.failed(ticket, &f)
		if f.connectionLives() {
			t.skip(a, from+n-i-1)
		}
		return f
	}
	return fault{}
}

func (t *transaction) appendStep(out []byte, a *attempt, p plan, i int) []byte {
	switch kind, r := p.at(i); kind {
	case stepMail:
		return t.appendMail(out, a)
	case stepRepeat:
		return t.accepted[r].AppendFor(out, offeredBy(a))
	case stepRcpt:
		return t.group[t.wanted[r]].AppendFor(out, offeredBy(a))
	default:
		return append(out, "DATA\r\n"...)
	}
}

// appendMail makes MAIL anew, with only the parameters that this connector
// offers (P38). Who vouches for a message that is not authenticated is nobody: its
// sender's word is not passed on (RFC 4954 section 5).
func (t *transaction) appendMail(dst []byte, a *attempt) []byte {
	mail := t.mail
	if mail.Auth != "" && !t.isPinned(a.upstream) {
		mail.Auth = "<>"
	}
	return mail.AppendFor(dst, offeredBy(a), edgeRoom)
}

// offeredBy returns what the parameters of commands to a connector may be.
func offeredBy(a *attempt) smtp.Extensions { return smtp.Extensions(a.Extensions()) }

// skip reads the answers to commands that were sent in the same group as one
// that failed, so that the connection stays in step.
func (t *transaction) skip(a *attempt, n int) {
	var reply smtp.Reply
	deadline := t.now.Add(goodbye)
	defer t.tick()
	for range n {
		err := a.ReadReply(&reply, deadline)
		if reply.Class() >= 4 {
			a.refusals++
		}
		if err != nil || reply.Class() == 3 || reply.Code == 421 {
			a.spoiled = true
			return
		}
	}
}

// deadline is the stage's own, or the total's.
func (t *transaction) deadline(stage backend.Stage, now, limit time.Time) time.Time {
	if d := now.Add(t.pool.Timeouts[stage]); d.Before(limit) {
		return d
	}
	return limit
}

// flush sends the commands that are pending. Their answers are awaited from when they
// have gone out, which takes time with a connector that does not read.
func (t *transaction) flush(a *attempt, stage backend.Stage, limit time.Time) error {
	err := a.Flush(t.deadline(stage, t.now, limit))
	t.tick()
	return err
}

// await reads the connector's next answer into t.reply, from t.now on. The fault,
// if any, is one of the connection's: lost, silent, nonsense, or 421.
func (t *transaction) await(stage backend.Stage, limit time.Time, sendErr error) (backend.Ticket, fault) {
	a, now := t.at, t.now
	ticket := t.beginStage(a.backend, stage, now)
	deadline := t.deadline(stage, now, limit)
	if p := ticket.Patience; p > 0 && now.Add(p).Before(deadline) {
		deadline = now.Add(p)
	}
	err := a.ReadReply(&t.reply, deadline)
	if a.Waited() {
		t.tick()
	} else {
		t.instant()
	}
	t.took(a.backend, stage, t.now.Sub(now))
	if err != nil && sendErr != nil {
		err = sendErr // the reason why there was no answer
	}
	// A reused connection that dies before it answered MAIL is no fault of
	// anybody's: its connector may have closed it while we wrote.
	replaceable := stage == backend.StageMail && a.reused
	switch {
	case err != nil && a.out.Load() != nil:
		return ticket, a.out.Load().fault(faultLost, stage)
	case err != nil && replaceable && !connector.IsTimeout(err):
		return ticket, fault{kind: faultStale, stage: stage, why: connector.Describe(err)}
	case err != nil:
		f := lostOrSilent(&ticket, stage, err)
		// With less than its own time a connector cannot be blamed for silence.
		f.hurried = f.silent && deadline == limit && limit.Before(now.Add(t.pool.Timeouts[stage]))
		return ticket, f
	case t.reply.Code == 421 && replaceable:
		return ticket, fault{kind: faultStale, stage: stage, why: t.reply.String()}
	case t.reply.Code == 421:
		return ticket, t.declined(faultGone, stage)
	}
	if t.reply.Class() >= 4 {
		a.refusals++
	}
	return ticket, fault{}
}

// unasked is the fault of a connector that closed, or spoke before it was asked:
// what it said is no answer to the next command (P27).
func (t *transaction) unasked(stage backend.Stage, limit time.Time) fault {
	ticket, f := t.await(stage, limit, nil)
	if f.kind == noFault {
		f = t.unexpected(stage)
	}
	t.failed(ticket, &f)
	return f
}
