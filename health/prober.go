package health

import (
	"context"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/smtp"
)

// farewell is how long a probe waits for the answer to QUIT, or for the
// connector's side of the close. Going without it is no failure (P37).
const farewell = time.Second

// Prober looks at one connector. Probe returns nil when the connector is fit to
// take mail as far as the probe can see; otherwise an error in words for people,
// which is an [*connector.Error] where the connector is to blame. The report is
// filled in as far as the probe came in both cases. Probe returns soon after
// ctx ends, and never leaves a connection open.
type Prober interface {
	Probe(ctx context.Context, spec backend.Spec) (Report, error)
}

// Report is what a probe saw.
type Report struct {
	Depth        Depth
	Stage        backend.Stage // the last one begun
	Began        time.Time
	Took         time.Duration // until the verdict; saying goodbye is not in it
	Stages       [backend.Stages]time.Duration
	Capabilities backend.Capabilities // Known is false when EHLO was not reached
	Dialogue     []Line
}

// NewProber returns a prober that speaks SMTP to the depth that cfg asks for.
// Each stage has the dialer's timeout for it, the whole probe that of cfg.
func NewProber(cfg Config, dialer connector.Dialer) Prober {
	return &smtpProber{cfg: cfg, dialer: dialer}
}

type smtpProber struct {
	cfg    Config
	dialer connector.Dialer
}

// Probe implements [Prober].
func (p *smtpProber) Probe(ctx context.Context, spec backend.Spec) (Report, error) {
	now := time.Now()
	v := &visit{prober: p, deadline: now.Add(p.cfg.Timeout), report: Report{Depth: p.cfg.Probe, Began: now}}
	tap := &tap{began: now}
	err := v.connect(ctx, tap, spec.Address)
	if err == nil {
		// Everything after the connect waits on the connection, not on ctx.
		uncut := context.AfterFunc(ctx, tap.cut)
		defer uncut()
		err = v.talk()
	}
	v.report.Took = time.Since(now)
	v.leave(err)
	v.report.Dialogue = tap.lines
	return v.report, err
}

// visit is one probe under way.
type visit struct {
	prober   *smtpProber
	conn     *connector.Conn // nil before it is connected
	deadline time.Time
	report   Report
}

func (v *visit) connect(ctx context.Context, t *tap, address string) error {
	dialer := tapped(v.prober.dialer, t)
	return v.step(backend.StageConnect, func(deadline time.Time) error {
		ctx, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		conn, err := dialer.Connect(ctx, address)
		if err != nil {
			return err
		}
		v.conn = conn
		return nil
	})
}

// talk goes through the dialogue as deep as the probe is meant to go.
func (v *visit) talk() error {
	depth := v.prober.cfg.Probe
	if depth < DepthBanner {
		return nil
	}
	if err := v.step(backend.StageBanner, v.conn.Greet); err != nil || depth < DepthEHLO {
		return err
	}
	err := v.step(backend.StageEHLO, func(deadline time.Time) error {
		return v.conn.Hello(v.prober.dialer.Hostname, deadline)
	})
	if err != nil {
		return err
	}
	v.report.Capabilities = v.conn.Capabilities()
	if depth < DepthEnvelope {
		return nil
	}
	return v.envelope()
}

// envelope offers a recipient and takes it back. A recipient refused for good is
// policy: the connector is alive (P37).
func (v *visit) envelope() error {
	err := v.command(backend.StageMail, "MAIL FROM:<"+v.prober.cfg.From+">", 2)
	if err != nil {
		return err
	}
	err = v.command(backend.StageRcpt, "RCPT TO:<"+v.prober.cfg.To+">", 2, 5)
	if err != nil {
		return err
	}
	// What RSET is answered says nothing about mail, so long as it is answered
	// and the answer is not 421.
	return v.command(backend.StageRcpt, "RSET", 2, 4, 5)
}

// command sends one command; a reply of another class than those wanted is a
// failure, and so is 421 whatever is wanted.
func (v *visit) command(stage backend.Stage, text string, classes ...int) error {
	return v.step(stage, func(deadline time.Time) error {
		var reply smtp.Reply
		if err := v.conn.Do(text, &reply, deadline); err != nil {
			return &connector.Error{Stage: stage, Err: err}
		}
		for _, class := range classes {
			if reply.Class() == class && reply.Code != 421 {
				return nil
			}
		}
		return &connector.Error{Stage: stage, Reply: reply.Clone()}
	})
}

// step runs one stage within its own timeout and the probe's.
func (v *visit) step(stage backend.Stage, do func(deadline time.Time) error) error {
	began, deadline := time.Now(), v.deadline
	if t := v.prober.dialer.Timeouts[stage]; t > 0 && began.Add(t).Before(deadline) {
		deadline = began.Add(t)
	}
	v.report.Stage = stage
	err := do(deadline)
	v.report.Stages[stage] += time.Since(began)
	return err
}

// leave ends the connection without a reset, whatever has happened (P37): with a
// QUIT where the dialogue is in step, else by closing our side first.
func (v *visit) leave(err error) {
	if v.conn == nil {
		return
	}
	deadline := time.Now().Add(farewell)
	if v.prober.cfg.Probe == DepthTCP || outOfStep(err) {
		v.conn.HangUp(deadline)
		return
	}
	v.conn.Quit(deadline)
}
