package balancer

import (
	"math"

	"weir/internal/smtp"
)

// onData relays a message that comes by DATA (RFC 5321 section 4.1.1.4). The
// sender's 354 waits for the connector's.
func (s *session) onData(arg []byte) {
	t := s.tx
	switch {
	case len(arg) > 0:
		s.complain(501, enhanced(5, 5, 4), "DATA takes no argument")
		return
	case t == nil:
		s.outOfTurn("MAIL first")
		return
	case t.mail.Body == smtp.BodyBinaryMIME:
		s.complain(503, enhanced(5, 5, 1), "Binary content comes by BDAT") // P22; RFC 3030 section 3
		return
	case t.content != nil:
		s.complain(503, enhanced(5, 5, 1), "The message comes by BDAT already") // P21
		return
	case t.verdict.Code != 0 && len(t.accepted) > 0:
		t.endWithVerdict(outcomeOf(&t.verdict))
		return
	case len(t.accepted) == 0:
		t.noRecipients()
		return
	}
	c := t.startContent(false)
	if !t.reach(goalContent, false, t.now.Add(totalData)) {
		t.endWithVerdict(outcomeOf(&t.verdict))
		return
	}
	s.out = append(s.out, "354 End data with <CR><LF>.<CR><LF>\r\n"...)
	if err := s.flush(); err != nil {
		s.finish("lost before the content")
		t.close(Aborted)
		return
	}
	if c.receiveDots() {
		c.finish()
	}
}

// noRecipients answers content for nobody (P29).
func (t *transaction) noRecipients() {
	if !t.refused {
		t.s.complain(503, enhanced(5, 5, 1), "RCPT first")
		return
	}
	t.s.reply(554, enhanced(5, 5, 1), "No valid recipients")
	if t.insists() {
		t.s.erred()
	}
}

// insists reports whether content for nobody comes not for the first time: once it may
// have been pipelined before the recipients were refused.
func (t *transaction) insists() bool {
	again := t.forNobody
	t.forNobody = true
	return again
}

// receiveDots reads content up to CRLF.CRLF. It returns false when the sender left
// before the end.
func (c *content) receiveDots() bool {
	for {
		switch _, end, ok := c.receive(math.MaxInt64); {
		case !ok:
			return false
		case end:
			return true
		}
	}
}
