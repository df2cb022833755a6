package balancer

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"weir/internal/backend"
	"weir/internal/smtp"
)

// byBdat reports whether the content goes to the connector by BDAT.
func (c *content) byBdat(a *attempt) bool {
	return c.raw && a.Capabilities().Has(backend.ExtChunking)
}

// traced reports whether the connector is to get weir's Received line. One that was
// told of the client when the connection was made adds its own for it (P33).
func (c *content) traced(a *attempt) bool {
	return c.t.s.front.Received == ReceivedAlways || !a.Told()
}

// push hands on what the connector has not got yet, and moves the transaction
// when the connector is lost over it. Afterwards everything is sent, or there is
// a verdict.
func (c *content) push() {
	if c.decided() {
		return
	}
	c.until, c.hold = c.t.tick().Add(totalBody), time.Time{}
	if f := c.forward(false); f.kind != noFault {
		c.recover(&f)
	}
}

// recover moves the transaction to another connector if the copy is whole (P8).
func (c *content) recover(f *fault) {
	t := c.t
	if f.kind == faultLost || f.kind == faultGone || f.kind == faultDeferred || f.kind == faultSilent {
		if !c.copy.complete() {
			t.leave(f)
			t.giveUp()
			return
		}
	}
	if t.overcome(f, c.until) {
		t.reach(goalCopy, false, c.until)
	}
}

// resend brings a new connector to where the last one was.
func (c *content) resend() fault {
	c.t.tick()
	return c.forward(false)
}

// forward writes what the connector has not got yet; at the end of the content
// with its terminator, which is the commit point. Only this counts as the
// connector's time: how slowly the sender sends is nothing to it.
func (c *content) forward(final bool) fault {
	a := c.t.at
	a.opened = true
	if a.sent == 0 && !c.traced(a) {
		a.sent = c.trace
	}
	if a.sent == c.copy.total && !final {
		return fault{}
	}
	if a.content.IsZero() {
		a.content = c.t.now
	}
	a.body = c.t.beginStage(a.backend, backend.StageBody, c.t.now)
	f := c.send(a, final)
	if body := a.endBody(); body.Backend != nil && f.kind == noFault {
		c.t.tell(body, backend.Outcome{Verdict: backend.Success, At: c.t.now})
	}
	return f
}

func (c *content) send(a *attempt, final bool) fault {
	for {
		p := c.copy.from(a.sent)
		if c.byBdat(a) && a.sent < c.trace {
			p = p[:min(c.trace-a.sent, int64(len(p)))] // a chunk of its own (P33)
		}
		last := final && a.sent+int64(len(p)) == c.copy.total
		if len(p) == 0 && !last {
			return fault{}
		}
		c.t.s.standBack()
		if a.Look() != smtp.Quiet {
			return c.heard()
		}
		var f fault
		if c.byBdat(a) {
			f = c.sendChunk(a, p, last)
		} else {
			f = c.sendData(a, p, last)
		}
		if f.kind != noFault || last {
			return f
		}
	}
}

// sendData writes a piece of content by DATA.
func (c *content) sendData(a *attempt, p []byte, last bool) fault {
	out := p
	if c.raw {
		out = c.stuff(a, p, last)
	}
	if last {
		out = append(out, ".\r\n"...) // a piece has room for it
	}
	n, early, err := a.Write(out, c.patience(), c.until)
	c.t.tick()
	whole := n == len(out)
	if last && n > len(out)-terminatorRoom && !whole {
		f := fault{kind: faultMaybeTaken, stage: backend.StageFinalDot, why: "lost within the terminator"}
		if out := a.out.Load(); out != nil {
			f = out.fault(faultMaybeTaken, backend.StageFinalDot)
		}
		c.t.failed(a.endBody(), &f)
		return f
	}
	switch {
	case early:
		return c.heard()
	case err != nil && !whole:
		return c.lost(err)
	}
	a.sent += int64(len(p))
	return fault{}
}

// stuff turns a piece of raw content into its DATA form.
func (c *content) stuff(a *attempt, p []byte, last bool) []byte {
	out := c.t.scratch[:0]
	for len(p) > 0 {
		part, n := a.stuffer.Next(p)
		out = append(out, part...)
		p = p[n:]
	}
	if last {
		out = append(out, a.stuffer.End()...)
	}
	c.t.scratch = out
	return out
}

// sendChunk writes a piece of content as a chunk of its own (RFC 3030), and
// waits for its answer unless it is the last.
func (c *content) sendChunk(a *attempt, p []byte, last bool) fault {
	out := strconv.AppendInt(append(a.Pending(), "BDAT "...), int64(len(p)), 10)
	if last {
		out = append(out, " LAST"...)
	}
	out = append(append(out, "\r\n"...), p...)
	size := len(out)
	n, early, err := a.Write(out, c.patience(), c.until)
	c.t.tick()
	if cap(out) > smtp.SmallBuffer {
		out = nil // a connection that idles later must not hold so much
	}
	a.SetPending(out[:0])
	switch {
	case early:
		return c.heard()
	case err != nil && n < size:
		return c.lost(err)
	case last:
		return fault{}
	}
	a.sent += int64(len(p))
	if err := a.ReadReply(&c.t.reply, c.t.now.Add(c.patience())); err != nil {
		return c.lost(err)
	}
	c.t.tick()
	if c.t.reply.Class() == 2 {
		return fault{}
	}
	return c.early()
}

// patience is how long a connector may make no progress with the content. It is
// never negative.
func (c *content) patience() time.Duration {
	p := min(c.t.pool.Timeouts[backend.StageBody], c.until.Sub(c.t.now))
	if moveOn := c.t.at.body.Patience; moveOn > 0 && c.movable() {
		p = min(p, moveOn)
	}
	return max(p, 0)
}

// lost is a connector that went away over the content.
func (c *content) lost(err error) fault {
	f := lostBy(faultLost, backend.StageBody, err)
	if out := c.t.at.out.Load(); out != nil {
		f = out.fault(faultLost, backend.StageBody)
	}
	if f.silent && c.t.at.body.Patience > 0 && c.movable() {
		f.kind = faultSilent
	}
	c.bodyFailed(&f)
	return f
}

func (c *content) bodyFailed(f *fault) {
	c.moves++
	c.t.failed(c.t.at.endBody(), f)
}

// earlyPatience is how long the rest of an early answer may take.
const earlyPatience = 5 * time.Second

// heard finds out what a connector said, or that it is gone, while content was
// still being sent (P28).
func (c *content) heard() fault {
	err := c.t.at.ReadReply(&c.t.reply, c.t.now.Add(earlyPatience))
	switch {
	case errors.Is(err, smtp.ErrReplySyntax):
		return c.lost(fmt.Errorf("unexpected answer: %w", err))
	case err != nil:
		return c.lost(err)
	}
	return c.early()
}

// early judges an answer that came before the terminator.
func (c *content) early() fault {
	t := c.t
	switch {
	case t.reply.Class() == 5:
		f := t.declined(faultRefused, backend.StageBody)
		t.failed(t.at.endBody(), &f)
		return f
	case t.reply.Class() == 2:
		f := t.declined(faultMaybeTaken, backend.StageBody)
		t.failed(t.at.endBody(), &f)
		return f
	case t.reply.Class() == 3:
		return c.lost(errors.New("unexpected answer " + t.reply.String()))
	}
	kind := faultDeferred
	if t.reply.Code == 421 {
		kind = faultGone
	}
	f := t.declined(kind, backend.StageBody)
	c.bodyFailed(&f)
	return f
}
