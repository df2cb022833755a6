package balancer

import (
	"fmt"

	"weir/internal/smtp"
)

// onBdat relays one chunk of a message (RFC 3030 section 2). Whatever is wrong
// with it, its octets are consumed (P20); only when their number is unknown the
// connection cannot go on (P21).
func (s *session) onBdat(arg []byte) {
	chunk, ok := s.parseChunk(arg)
	if !ok {
		return
	}
	outOfTurn := enhanced(5, 5, 1)
	switch t := s.tx; {
	case s.skipBdat.Code != 0:
		s.refuseChunk(chunk)
	case t == nil:
		s.skipChunk(chunk, 503, outOfTurn, "MAIL first", !s.putOff)
	case len(t.accepted) == 0 && t.refused:
		s.skipChunk(chunk, 554, outOfTurn, "No valid recipients", t.insists())
	case len(t.accepted) == 0:
		s.skipChunk(chunk, 503, outOfTurn, "RCPT first", true)
	default:
		t.chunk(chunk)
	}
}

// parseChunk understands what is behind BDAT, or ends the session.
func (s *session) parseChunk(arg []byte) (smtp.Bdat, bool) {
	chunk, ok := smtp.ParseBdat(arg)
	if !ok {
		s.reply(501, enhanced(5, 5, 4), "BDAT wants a number of octets")
		s.finish("malformed BDAT")
	}
	return chunk, ok
}

// skipChunk consumes a chunk that cannot be taken, and has the ones behind it
// answered alike until LAST or RSET. Each counts as an error of the sender's where it
// is to blame (P24).
func (s *session) skipChunk(chunk smtp.Bdat, code int, enh smtp.EnhancedCode, text string, blame bool) {
	s.skipBdat, s.skipBlame = smtp.NewReply(code, enh, text+" (weir "+s.currentID()+")"), blame
	s.refuseChunk(chunk)
}

func (s *session) refuseChunk(chunk smtp.Bdat) {
	if !s.skip(chunk.Size) {
		return
	}
	s.relay(&s.skipBdat)
	if s.skipBlame || chunk == (smtp.Bdat{}) { // nobody needs empty ones before the last
		s.erred()
	}
	if chunk.Last {
		s.skipBdat.Reset()
	}
}

// chunk takes one chunk of the transaction's content in.
func (t *transaction) chunk(chunk smtp.Bdat) {
	s := t.s
	c := t.content
	if c == nil {
		c = t.startContent(true)
		if t.verdict.Code == 0 {
			t.reach(goalContent, false, t.now.Add(totalData))
		}
	}
	for left := chunk.Size; left > 0; {
		n, _, ok := c.receive(left)
		if !ok {
			return
		}
		left -= n
	}
	if chunk.Last {
		c.add(c.norm.End())
		c.check()
		c.finish()
		return
	}
	if len(s.in.Buffered()) == 0 {
		c.push() // it waits for our answer, and may pause: a loss is to be seen before the last chunk (P8)
	}
	if c.decided() {
		s.relay(&t.verdict)
		t.rec.Reply.CopyFrom(&t.verdict)
		return
	}
	s.reply(250, enhanced(2, 0, 0), fmt.Sprintf("%d octets received", chunk.Size))
}

// skip reads n octets and throws them away. It returns false when the sender left
// before the end.
func (s *session) skip(n int64) bool {
	s.in.Resize(smtp.LargeBuffer)
	defer s.in.Resize(smtp.SmallBuffer)
	for {
		here := min(int64(len(s.in.Buffered())), n)
		s.in.Discard(int(here))
		if n -= here; n == 0 {
			return true
		}
		if _, ok := s.readMore(nil); !ok {
			return false
		}
	}
}
