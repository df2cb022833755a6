package balancer

import (
	"errors"
	"os"
	"time"

	"weir/internal/connector"
	"weir/internal/smtp"
)

// How content comes in: it is read into the copy and mended where it lies.

// As much content as a block goes out at once. Less waits for more, but only so long:
// a message that comes in pieces then costs the connector one read and weir one write,
// instead of one for each piece. A sender that really pauses does not notice.
const (
	block    = 32 << 10
	holdBack = 3 * time.Millisecond
)

// receive takes in up to most octets of the sender's, as many as come at a time, and
// hands on what it has when that is a block, or when the sender pauses. It returns how
// many it has consumed, and whether the message has ended behind them; ok is false when
// the sender left.
func (c *content) receive(most int64) (used int64, end, ok bool) {
	if len(c.t.s.in.Buffered()) > 0 {
		used, end = c.absorb(most)
		c.check()
		return used, end, true
	}
	if c.waiting() >= block {
		c.push()
	}
	p, gap := c.space(most)
	n := 0
	if c.waiting() > 0 {
		if n, ok = c.soon(p[gap:]); !ok {
			c.push()
			p, gap = c.space(most)
		}
	}
	if n == 0 {
		if n, ok = c.t.s.readMore(p[gap:]); !ok {
			return 0, false, false
		}
	}
	used, end = c.mend(p[:gap+n], gap)
	c.check()
	return used, end, true
}

// waiting is how much of the content has not been handed on. Weir's Received line does
// not go alone.
func (c *content) waiting() int64 {
	if c.size == 0 {
		return 0
	}
	return c.copy.total - c.sent()
}

// space returns where up to most octets can be read to, behind a gap for those that
// are held back.
func (c *content) space(most int64) (p []byte, gap int) {
	p = c.copy.space(c.sent())
	for len(p) == 0 {
		c.push()
		p = c.copy.space(c.sent())
	}
	if gap = c.held(); gap > len(p)/2 {
		gap = 0
	}
	if c.scan.Bare() || c.norm.Bare() {
		most = min(most, smtp.LargeBuffer) // much of it may have to be given back
	}
	return p[:gap+int(min(int64(len(p)-gap), most))], gap
}

func (c *content) held() int {
	if c.raw {
		return c.norm.Held()
	}
	return c.scan.Held()
}

// soon waits a short moment for more of the sender's octets. It returns false when none
// have come.
func (c *content) soon(p []byte) (n int, ok bool) {
	s := c.t.s
	if c.hold.IsZero() {
		c.hold = s.now.Add(holdBack)
	}
	n, err := s.in.FillIntoBy(p, c.hold)
	s.tick()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.slack -= holdBack
		return 0, false
	}
	s.earn(n)
	return n, true // whatever else went wrong does so again
}

// mend takes in what was read behind the gap of p, where it lies. What has no place
// there is given back, to be absorbed.
func (c *content) mend(p []byte, gap int) (used int64, end bool) {
	var m smtp.InPlace
	if c.raw {
		m = c.norm.InPlace(p, gap)
	} else {
		m = c.scan.InPlace(p, gap)
	}
	c.t.s.in.Unread(p[gap+m.Used:])
	c.note(p[:m.Kept])
	if !c.decided() {
		c.copy.took(m.Kept)
	}
	c.add(m.More)
	return int64(m.Used), m.End
}

// absorb takes in up to most octets that the reader has already, by copying them.
func (c *content) absorb(most int64) (used int64, end bool) {
	in := c.t.s.in
	buf := in.Buffered()
	buf = buf[:min(int64(len(buf)), most)]
	for len(buf) > 0 && !end {
		var out []byte
		var n int
		out, n, end = c.next(buf)
		c.add(out)
		in.Discard(n)
		used += int64(n)
		buf = buf[n:]
	}
	return used, end
}

func (c *content) next(src []byte) (out []byte, n int, end bool) {
	if c.raw {
		out, n = c.norm.Next(src)
		return out, n, false
	}
	return c.scan.Next(src)
}

// add takes mended octets in by copying them, and hands on where there is no more room.
func (c *content) add(p []byte) {
	c.note(p)
	for len(p) > 0 && !c.decided() {
		n := c.copy.put(p, c.sent())
		p = p[n:]
		if n == 0 {
			c.push()
		}
	}
}

// note looks at mended octets on their way.
func (c *content) note(p []byte) {
	c.size += int64(len(p))
	c.head.Write(p)
}

// dripRate is how many octets of content a second have to come, once a sender has
// used up its patience of one timeouts.data: one that sends an octet now and then would hold a
// connector for years.
const dripRate = 100

// earn is the patience that n octets of content bring.
func (s *session) earn(n int) {
	s.slack = min(s.slack+time.Duration(n)*time.Second/dripRate, s.front.Timeouts.Data)
}

// readMore waits for more of the sender's octets and reads them into p or, where that
// is nil, has them buffered. It returns false when the sender is gone, silent or next to
// silent: its transaction is over then, without a terminator (P11), and the session too.
func (s *session) readMore(p []byte) (n int, ok bool) {
	if err := s.flush(); err != nil {
		s.finish("lost in the content")
		return 0, false
	}
	err := s.listen(s.now.Add(s.slack), func() (err error) {
		n, err = s.fill(p)
		return err
	})
	s.earn(n)
	switch {
	case err == nil:
		return n, true
	case connector.IsTimeout(err):
		s.reply(421, enhanced(4, 4, 2), "No content in time")
		s.finish("timeout in the content")
	case errors.Is(err, errLeaving):
		s.farewell()
	default:
		s.finish("lost in the content")
	}
	if s.tx != nil {
		s.tx.close(Aborted)
	}
	return 0, false
}

func (s *session) fill(p []byte) (int, error) {
	if p != nil {
		return s.in.FillInto(p)
	}
	err := s.in.Fill()
	return len(s.in.Buffered()), err
}
