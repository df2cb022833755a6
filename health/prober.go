package health

import (
	"context"
	"fmt"
	"net"
	"reflect"
	"slices"
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
	Capabilities backend.Capabilities // as mail would meet them: behind TLS, where the pool uses it; Known is false when EHLO was not reached
	Offers       []string             // the keywords of all EHLOs, in capitals, sorted
	Rcpt         smtp.Reply           // the answer to RCPT; Code 0: none
	Relay        smtp.Reply           // the answer to a recipient of nobody's; Code 0: it was not asked (P39)
	Certificate  time.Time            // when the connector's certificate ends; zero: none was seen
	Remark       string               // what people should know although it is no failure
	Dialogue     []Line
}

// NewProber returns a prober that speaks SMTP to the depth that cfg asks for.
// Each stage has the dialer's timeout for it, the whole probe that of cfg. TLS and
// identity are the dialer's, as for mail, but no client is named.
func NewProber(cfg Config, dialer connector.Dialer) Prober {
	dialer.Client = connector.Client{}
	if dialer.DialContext == nil {
		// A probe is over before keepalives begin: four system calls for nothing.
		dialer.DialContext = (&net.Dialer{KeepAlive: -1}).DialContext
	}
	if dialer.Buffers == nil {
		dialer.Buffers = new(smtp.Buffers)
	}
	return &smtpProber{cfg: cfg, dialer: dialer}
}

type smtpProber struct {
	cfg    Config
	dialer connector.Dialer
	relay  relayClock
}

// sameProber reports whether two probers look at connectors alike, whatever they have
// come to know of them.
func sameProber(a, b Prober) bool {
	x, isX := a.(*smtpProber)
	y, isY := b.(*smtpProber)
	if isX && isY {
		return reflect.DeepEqual(x.cfg, y.cfg) && x.dialer.Same(&y.dialer)
	}
	return reflect.DeepEqual(a, b)
}

// Probe implements [Prober].
func (p *smtpProber) Probe(ctx context.Context, spec backend.Spec) (Report, error) {
	now := time.Now()
	v := &visit{prober: p, spec: spec, tap: &tap{began: now}, deadline: now.Add(p.cfg.Timeout), report: Report{Depth: p.cfg.Probe, Began: now}}
	defer func() { v.uncut() }()
	err := v.reach(ctx)
	if err == nil {
		err = v.talk()
	}
	v.report.Took = time.Since(now)
	if v.asksRelay(err) {
		v.askRelay()
	}
	v.leave(err)
	v.report.Dialogue = v.tap.lines
	return v.report, err
}

// visit is one probe under way.
type visit struct {
	prober   *smtpProber
	spec     backend.Spec
	tap      *tap
	conn     *connector.Conn // nil before it is connected
	stop     func() bool     // ends the watch for the end of ctx
	deadline time.Time
	stage    time.Time // when the stage that the dialer is at began
	lost     bool      // the connection is of no more use
	due      int       // replies to commands that went ahead together
	report   Report
}

// reach goes as far as the dialer does: for a probe of that depth, to EHLO. Where
// opportunistic TLS fails mail goes in plaintext (P3), and so does the probe.
func (v *visit) reach(ctx context.Context) error {
	dialer := v.dialer()
	err := v.arrive(ctx, dialer)
	if plain := dialer.Fallback(err); plain != nil && ctx.Err() == nil {
		v.report.Remark = fmt.Sprintf("mail goes in plaintext, as TLS fails: %v", err)
		v.tap.note(fmt.Sprintf("%v; once more, in plaintext", err))
		v.conn.HangUp(time.Now().Add(farewell))
		v.tap.rest = nil
		err = v.arrive(ctx, plain)
	}
	return err
}

// dialer is the pool's. A probe of TLS wants TLS, whatever is enough for mail.
func (v *visit) dialer() *connector.Dialer {
	dialer := v.prober.dialer
	dialer.Transcript, dialer.Watch = v.tap, v
	if v.prober.cfg.Probe == DepthStartTLS && dialer.TLS.Mode < connector.TLSRequired {
		dialer.TLS.Mode, dialer.TLS.Verify = connector.TLSRequired, false
	}
	return &dialer
}

func (v *visit) arrive(ctx context.Context, dialer *connector.Dialer) error {
	if err := v.connect(ctx, dialer); err != nil || v.prober.cfg.Probe < DepthBanner {
		return err
	}
	to := backend.StageBanner
	if v.prober.cfg.Probe >= DepthEHLO {
		to = backend.StageEHLO
	}
	err := dialer.Welcome(v.conn, to, v.deadline)
	if err != nil && !v.stage.IsZero() {
		v.report.Stages[v.report.Stage] += time.Since(v.stage)
	}
	v.learn()
	return err
}

func (v *visit) connect(ctx context.Context, dialer *connector.Dialer) error {
	return v.step(backend.StageConnect, func(deadline time.Time) error {
		connecting, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		conn, err := dialer.Connect(connecting, v.spec.Address)
		if err != nil {
			return err
		}
		v.uncut()
		// Everything after the connect waits on the connection, not on ctx.
		v.conn, v.stop = conn, context.AfterFunc(ctx, conn.Abort)
		v.noteProxy()
		return nil
	})
}

// uncut ends the watch over the connection.
func (v *visit) uncut() {
	if v.stop != nil {
		v.stop()
	}
}

// Begin implements [connector.StageWatch].
func (v *visit) Begin(stage backend.Stage, now time.Time) time.Duration {
	v.report.Stage, v.stage = stage, now
	return 0
}

// Passed implements [connector.StageWatch].
func (v *visit) Passed(stage backend.Stage, took time.Duration) {
	v.report.Stages[stage] += took
	v.stage = time.Time{}
	if stage == backend.StageTLS {
		v.inspect()
	}
}

// learn takes in what the connector has shown, however far that was.
func (v *visit) learn() {
	v.report.Capabilities = v.conn.Capabilities()
	if v.prober.dialer.TLS.Mode == connector.TLSOff {
		v.report.Capabilities = v.conn.PlainCapabilities() // the TLS was the probe's own wish
	}
	v.report.Offers = slices.Sorted(slices.Values(v.conn.Keywords()))
}

// talk goes through the dialogue behind EHLO as deep as the probe is meant to go.
func (v *visit) talk() error {
	depth := v.prober.cfg.Probe
	if depth < DepthEHLO {
		return nil
	}
	if err := v.expected(); err != nil {
		return err
	}
	switch depth {
	case DepthEnvelope:
		return v.envelope()
	case DepthMessage:
		return v.message()
	default:
		return nil
	}
}

// expected fails a connector that does not offer what the config wants of it.
func (v *visit) expected() error {
	var missing unmet
	for _, keyword := range v.prober.cfg.Expect.Capabilities {
		if !slices.Contains(v.report.Offers, keyword) {
			missing = append(missing, keyword)
		}
	}
	if missing == nil {
		return nil
	}
	return &connector.Error{Stage: backend.StageEHLO, Err: missing}
}

// command sends one command, unless it went ahead in a group; a reply of another
// class than those wanted is a failure, and so is 421 whatever is wanted.
func (v *visit) command(stage backend.Stage, text string, classes ...int) (smtp.Reply, error) {
	var reply smtp.Reply
	err := v.step(stage, func(deadline time.Time) error {
		if err := v.exchange(text, &reply, deadline); err != nil {
			return &connector.Error{Stage: stage, Err: err}
		}
		if reply.Code == 421 || !slices.Contains(classes, reply.Class()) {
			return &connector.Error{Stage: stage, Reply: reply.Clone()}
		}
		return nil
	})
	return reply, err
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
// QUIT where the dialogue is in step, else by closing our side first. What was said
// in a group is answered to its end first.
func (v *visit) leave(err error) {
	if v.conn == nil {
		return
	}
	deadline := time.Now().Add(farewell)
	if v.prober.cfg.Probe == DepthTCP || v.lost || outOfStep(err) {
		v.conn.HangUp(deadline)
		return
	}
	if v.awaitGroup(deadline) != nil {
		v.conn.HangUp(deadline)
		return
	}
	v.conn.Quit(deadline)
}
