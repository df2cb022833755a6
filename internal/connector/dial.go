package connector

import (
	"context"
	"net"
	"strings"
	"time"

	"weir/internal/backend"
	"weir/internal/smtp"
)

// Timeouts bound each stage; 0 is no bound of that stage's own.
type Timeouts [backend.Stages]time.Duration

// Dialer makes connections to connectors.
type Dialer struct {
	Hostname string // the name given in EHLO
	Timeouts Timeouts
	Buffers  *smtp.Buffers // nil: buffers of its own for each connection
	// DialContext opens the TCP connection; nil means a plain net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Watch follows the stages of dialling; nil: nobody does.
	Watch StageWatch
}

// StageWatch follows the stages of dialling.
type StageWatch interface {
	// Begin is told that a stage begins. It returns how long to wait at most; 0:
	// as long as the stage's timeout allows.
	Begin(stage backend.Stage, now time.Time) (patience time.Duration)
	// Passed is told that the stage went well. One that did not ends the dialling.
	Passed(stage backend.Stage, took time.Duration)
}

// Dial connects, reads the banner and says EHLO, each within its stage's
// timeout and all of it before deadline and before ctx ends; what becomes of ctx
// later is nothing to the connection. The error is an *[Error].
func (d *Dialer) Dial(ctx context.Context, address string, deadline time.Time) (*Conn, error) {
	inTime, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	start := time.Now()
	connecting, done := context.WithDeadline(inTime, d.until(backend.StageConnect, start, deadline))
	c, err := d.Connect(connecting, address)
	done()
	if err != nil {
		return nil, err
	}
	d.passed(backend.StageConnect, start)
	goesOn := context.AfterFunc(ctx, c.Abort)
	stage, err := d.welcome(c, deadline)
	if !goesOn() {
		err = &Error{Stage: stage, Err: context.Cause(ctx)}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// welcome reads the banner and says EHLO. It returns the stage that it reached.
func (d *Dialer) welcome(c *Conn, deadline time.Time) (backend.Stage, error) {
	start := time.Now()
	if err := c.Greet(d.until(backend.StageBanner, start, deadline)); err != nil {
		return backend.StageBanner, err
	}
	d.passed(backend.StageBanner, start)
	start = time.Now()
	if err := c.Hello(d.Hostname, d.until(backend.StageEHLO, start, deadline)); err != nil {
		return backend.StageEHLO, err
	}
	d.passed(backend.StageEHLO, start)
	return backend.StageEHLO, nil
}

// Connect opens the TCP connection within the connect timeout and does nothing
// else. The error is an *[Error].
func (d *Dialer) Connect(ctx context.Context, address string) (*Conn, error) {
	if t := d.Timeouts[backend.StageConnect]; t > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t)
		defer cancel()
	}
	dial := d.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	nc, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, &Error{Stage: backend.StageConnect, Err: err}
	}
	buffers := d.Buffers
	if buffers == nil {
		buffers = new(smtp.Buffers)
	}
	return newConn(nc, buffers), nil
}

// until begins a stage and returns its deadline: the stage's own timeout, the
// watch's patience or the given deadline, whichever is first.
func (d *Dialer) until(stage backend.Stage, start, deadline time.Time) time.Time {
	if t := d.Timeouts[stage]; t > 0 && start.Add(t).Before(deadline) {
		deadline = start.Add(t)
	}
	if d.Watch == nil {
		return deadline
	}
	if p := d.Watch.Begin(stage, start); p > 0 && start.Add(p).Before(deadline) {
		deadline = start.Add(p)
	}
	return deadline
}

func (d *Dialer) passed(stage backend.Stage, start time.Time) {
	if d.Watch != nil {
		d.Watch.Passed(stage, time.Since(start))
	}
}

// Greet reads the whole banner, however many lines or pieces it comes in. Only
// 220 is a welcome (RFC 5321 section 3.1).
func (c *Conn) Greet(deadline time.Time) error {
	var reply smtp.Reply
	if err := c.ReadReply(&reply, deadline); err != nil {
		return &Error{Stage: backend.StageBanner, Err: err}
	}
	c.banner = reply.Text()
	if reply.Code != 220 {
		return &Error{Stage: backend.StageBanner, Reply: reply}
	}
	return nil
}

// Hello says EHLO, and HELO to a connector that does not know EHLO (500, 502;
// RFC 5321 section 3.2). It fills in the capabilities.
func (c *Conn) Hello(hostname string, deadline time.Time) error {
	var reply smtp.Reply
	if err := c.Do("EHLO "+hostname, &reply, deadline); err != nil {
		return &Error{Stage: backend.StageEHLO, Err: err}
	}
	switch reply.Code {
	case 250:
		lines := reply.Lines()
		c.offers, c.caps = lines[1:], parseCapabilities(lines)
		return nil
	case 500, 502:
		if err := c.Do("HELO "+hostname, &reply, deadline); err != nil {
			return &Error{Stage: backend.StageEHLO, Err: err}
		}
	}
	if reply.Code != 250 {
		return &Error{Stage: backend.StageEHLO, Reply: reply}
	}
	c.offers, c.caps = nil, backend.Capabilities{Known: true}
	return nil
}

// parseCapabilities reads the lines of a 250 to EHLO; the first is a greeting.
func parseCapabilities(lines []string) backend.Capabilities {
	caps := backend.Capabilities{Known: true}
	for _, line := range lines[1:] {
		keyword, params, _ := strings.Cut(strings.TrimSpace(line), " ")
		ext := backend.ParseExtension(keyword)
		caps.Ext |= ext
		if ext == backend.ExtSize {
			caps.Size, _ = smtp.ParseNumber([]byte(strings.TrimSpace(params)))
		}
	}
	return caps
}
