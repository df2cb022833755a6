package balancer

import (
	"time"

	"weir/internal/smtp"
)

// maxOwnHops is how often a message may have been here already: lists return
// mail a few times, a loop does so for ever (P33).
const maxOwnHops = 8

// content is a message on its way through: mended as it comes in, kept for a
// replay, and handed on.
type content struct {
	t    *transaction
	raw  bool // it came by BDAT and is not dot-stuffed
	scan smtp.Scanner
	norm smtp.Normalizer
	head smtp.Headers
	copy replayCopy

	trace int64     // octets at the start of the copy that are weir's Received line
	size  int64     // octets of the sender's
	hold  time.Time // until when a small part of it waits for more; zero: none does
	moves int       // connectors that were lost once content was sent to them

	ended   bool // the sender's end of data was read
	endedAt time.Time
	until   time.Time // when what is being sent must have gone out, by whichever connector (P15)
}

// startContent starts the content of a transaction.
func (t *transaction) startContent(raw bool) *content {
	c := &t.store
	head, pieces := c.head, c.copy
	*c = content{t: t, raw: raw, head: head, copy: pieces}
	c.head.Reset(t.s.front.token)
	c.copy.reset(&t.s.srv.budget, t.pool.ReplayBuffer, max(t.mail.Size, t.s.lastSize))
	t.content = c
	c.norm.Binary = t.mail.Body == smtp.BodyBinaryMIME
	if t.s.front.Received != ReceivedNever {
		line := t.appendReceived(c.copy.space(0)[:0], t.now)
		c.copy.took(len(line)) // there is room for it: leastSpace
		c.trace = c.copy.total
	}
	return c
}

func (c *content) release() { c.copy.release() }

// decided reports whether the message's fate is known before its end: the rest
// of it is read and thrown away.
func (c *content) decided() bool { return c.t.verdict.Code != 0 }

// check refuses what must not go on (P19, P33, and the listener's size limit).
// The connection to the connector is closed without a terminator, and nothing
// is counted against it.
func (c *content) check() {
	if c.decided() {
		return
	}
	f := c.t.s.front
	limit := c.t.s.offer.size
	switch {
	case f.RejectBare && (c.scan.Bare() || c.norm.Bare()):
		c.t.decide(550, enhanced(5, 5, 2), "Message contains bare CR or LF")
	case limit > 0 && c.size > limit:
		c.t.decide(552, enhanced(5, 3, 4), "Message is larger than allowed")
	case c.head.Own > maxOwnHops, f.MaxHops > 0 && c.head.Received > f.MaxHops:
		c.t.decide(554, enhanced(5, 4, 6), "Too many hops, the message loops")
	default:
		return
	}
	c.withdraw()
}

// withdraw takes the content away from its connector.
func (c *content) withdraw() {
	if c.t.at != nil {
		c.t.drop()
	}
}

// sent is how much of the copy is done with: the connector has got it, or nobody will.
func (c *content) sent() int64 {
	switch {
	case c.decided():
		return c.copy.total
	case c.t.at == nil:
		return 0
	}
	return c.t.at.sent
}
