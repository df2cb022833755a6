package connector

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"weir/internal/backend"
	"weir/internal/smtp"
)

// Timeouts bound each stage; 0 is no bound of that stage's own.
type Timeouts [backend.Stages]time.Duration

// Dialer makes connections to connectors. The zero value speaks SMTP in plaintext
// and says nothing of clients.
type Dialer struct {
	Hostname string // the name given in EHLO
	LMTP     bool   // LHLO instead of EHLO (RFC 2033)
	TLS      Security
	Identity IdentityMode
	// Client is whom the next connection is for, where Identity wants it known. The
	// zero value is weir itself, as in a probe.
	Client   Client
	Timeouts Timeouts
	Buffers  *smtp.Buffers // nil: buffers of its own for each connection
	// Sessions keeps what is needed to resume TLS, by connector; it bounds itself.
	// nil: each handshake is a full one.
	Sessions tls.ClientSessionCache
	// Transcript is told what is said on the connections; nil: nobody is.
	Transcript Transcript
	// DialContext opens the TCP connection; nil means a plain net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Watch follows the stages of dialling; nil: nobody does.
	Watch StageWatch
}

// StageWatch follows the stages of dialling. A stage may come more than once: EHLO
// is said again behind TLS and XCLIENT, and opportunistic TLS that fails is
// followed by a second connection.
type StageWatch interface {
	// Begin is told that a stage begins. It returns how long to wait at most; 0:
	// as long as the stage's timeout allows.
	Begin(stage backend.Stage, now time.Time) (patience time.Duration)
	// Passed is told that the stage went well, or that its failure is none because
	// TLS is only opportunistic. Any other failure ends the dialling.
	Passed(stage backend.Stage, took time.Duration)
}

// Same reports whether two dialers treat connectors alike. What dials, watches,
// lends or remembers does not count.
func (d *Dialer) Same(other *Dialer) bool {
	return d.Hostname == other.Hostname && d.LMTP == other.LMTP && d.Identity == other.Identity &&
		d.Timeouts == other.Timeouts && d.TLS.same(&other.TLS)
}

// Dial connects and goes on as [Dialer.Welcome] does to the last EHLO, each stage
// within its timeout and all of it before deadline and before ctx ends; what
// becomes of ctx later is nothing to the connection. Opportunistic TLS that fails
// costs a second connection to the same connector. The error is an *[Error].
func (d *Dialer) Dial(ctx context.Context, address string, deadline time.Time) (*Conn, error) {
	c, err := d.DialTo(ctx, address, backend.StageEHLO, deadline)
	if plain := d.Fallback(err); plain != nil && ctx.Err() == nil {
		return plain.DialTo(ctx, address, backend.StageEHLO, deadline)
	}
	return c, err
}

// Fallback returns the dialer to try the same connector with once more, when err
// says that opportunistic TLS failed in a way that took the connection along (P3);
// else nil.
func (d *Dialer) Fallback(err error) *Dialer {
	var e *Error
	if !errors.As(err, &e) || !e.plain {
		return nil
	}
	plain := *d
	plain.TLS.Mode = TLSOff
	return &plain
}

// DialTo is [Dialer.Dial] as far as a stage, see [Dialer.Welcome]. TLS that fails
// costs no second connection.
func (d *Dialer) DialTo(ctx context.Context, address string, to backend.Stage, deadline time.Time) (*Conn, error) {
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
	w := welcome{dialer: d, conn: c, deadline: deadline}
	err = w.run(to)
	if !goesOn() {
		err = &Error{Stage: w.stage, Err: context.Cause(ctx)}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
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
		return nil, &Error{Stage: backend.StageConnect, Err: err, Against: party(err)}
	}
	buffers := d.Buffers
	if buffers == nil {
		buffers = new(smtp.Buffers)
	}
	c := newConn(nc, buffers)
	c.address = address
	if d.Transcript != nil {
		c.transcript = d.Transcript
		c.speakOver(c.sock)
	}
	return c, nil
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

// parseCapabilities reads the lines of a 250 to EHLO; the first is a greeting.
func parseCapabilities(lines []string) backend.Capabilities {
	caps := backend.Capabilities{Known: true}
	for _, line := range lines[1:] {
		caps.Announce(line)
	}
	return caps
}
