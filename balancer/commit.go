package balancer

import (
	"crypto/sha256"
	"encoding/hex"
	"io"

	"weir/internal/backend"
	"weir/internal/smtp"
)

// finish ends the content: it writes the terminator, waits for the connector's
// answer, and answers the sender. Before the terminator is written every fault
// still moves the message; afterwards nothing is ever sent again (P9).
func (c *content) finish() {
	t := c.t
	c.ended, c.endedAt = true, t.now
	c.until = c.endedAt.Add(lastCommit)
	t.rec.MessageID, t.rec.Bytes, t.s.lastSize = c.head.MessageID, c.size, c.size
	for !c.decided() {
		if !t.now.Before(c.until) {
			t.drop()
			t.giveUp() // the sender's patience could end before the answer (P15)
			break
		}
		f := c.forward(true)
		if f.kind == noFault {
			c.answer()
			return
		}
		c.recover(&f)
		t.tick()
	}
	t.endWithVerdict(outcomeOf(&t.verdict))
}

// answer waits for the answer to the terminator.
func (c *content) answer() {
	t, a := c.t, c.t.at
	t.took(a.backend, backend.StageBody, t.now.Sub(a.content))
	t.settleFailure()
	ticket, f := t.await(backend.StageFinalDot, c.endedAt.Add(totalFinalDot), nil)
	switch {
	case f.kind == noFault && t.reply.Class() == 3:
		f = t.unexpected(backend.StageFinalDot)
		fallthrough
	case f.kind == faultLost:
		f.kind = faultMaybeTaken
		t.failed(ticket, &f)
		t.ambiguous(&f)
		t.endWithVerdict(Ambiguous)
		return
	case f.kind == faultGone:
		t.failed(ticket, &f)
		a.spoiled = true
	default:
		t.passed(ticket)
	}
	a.opened, a.began = false, false
	a.messages++
	a.bytes += c.copy.total
	t.decideAs(&t.reply)
	t.endWithVerdict(c.received(outcomeOf(&t.reply)))
}

// received completes the outcome of a message that a connector has judged.
func (c *content) received(o Outcome) Outcome {
	t := c.t
	if o != Delivered {
		return o
	}
	t.rec.RemoteID = t.reply.QueueID()
	tr := &t.at.backend.Traffic
	tr.Messages.Add(1)
	tr.Total.Observe(t.now.Sub(t.began))
	if t.s.in.Look() == smtp.Closed {
		return DeliveredUnacknowledged // nobody is left to tell (P12)
	}
	return Delivered
}

// ambiguous fixes the answer to a message that may have been taken: only the
// sender may try again, and whoever looks for duplicates must find a record.
func (t *transaction) ambiguous(f *fault) {
	t.noteTry(t.at.backend, f)
	t.at.backend.Traffic.Ambiguous.Add(1)
	t.maybeTaken = true
	t.rec.Digest = t.envelopeDigest()
	t.decide(451, enhanced(4, 4, 2), "Connection was lost before the connector confirmed the message")
	t.drop()
}

// envelopeDigest identifies an envelope without showing it.
func (t *transaction) envelopeDigest() string {
	h := sha256.New()
	_, _ = io.WriteString(h, t.mail.From)
	for i := range t.accepted {
		_, _ = io.WriteString(h, "\n"+t.accepted[i].To)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
