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
	// Took is told how long each stage of dialling took; nil: nobody is.
	Took func(stage backend.Stage, d time.Duration)
}

// Dial connects, reads the banner and says EHLO, each within its stage's
// timeout and all of it before deadline and before ctx ends; what becomes of ctx
// later is nothing to the connection. The error is an *[Error].
func (d *Dialer) Dial(ctx context.Context, address string, deadline time.Time) (*Conn, error) {
	inTime, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	start := time.Now()
	c, err := d.Connect(inTime, address)
	if err != nil {
		return nil, err
	}
	start = d.took(backend.StageConnect, start)
	goesOn := context.AfterFunc(ctx, c.Abort)
	stage, err := d.welcome(c, start, deadline)
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
func (d *Dialer) welcome(c *Conn, start, deadline time.Time) (backend.Stage, error) {
	if err := c.Greet(d.until(backend.StageBanner, start, deadline)); err != nil {
		return backend.StageBanner, err
	}
	start = d.took(backend.StageBanner, start)
	if err := c.Hello(d.Hostname, d.until(backend.StageEHLO, start, deadline)); err != nil {
		return backend.StageEHLO, err
	}
	d.took(backend.StageEHLO, start)
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

func (d *Dialer) until(stage backend.Stage, start, deadline time.Time) time.Time {
	if t := d.Timeouts[stage]; t > 0 && start.Add(t).Before(deadline) {
		return start.Add(t)
	}
	return deadline
}

func (d *Dialer) took(stage backend.Stage, start time.Time) time.Time {
	now := time.Now()
	if d.Took != nil {
		d.Took(stage, now.Sub(start))
	}
	return now
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
		c.caps = parseCapabilities(reply.Lines())
		return nil
	case 500, 502:
		if err := c.Do("HELO "+hostname, &reply, deadline); err != nil {
			return &Error{Stage: backend.StageEHLO, Err: err}
		}
	}
	if reply.Code != 250 {
		return &Error{Stage: backend.StageEHLO, Reply: reply}
	}
	c.caps = backend.Capabilities{Known: true}
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
