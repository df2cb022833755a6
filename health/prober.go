package health

import (
	"context"
	"slices"
	"strings"
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
	Capabilities backend.Capabilities // of the first EHLO; Known is false when it was not reached
	Offers       []string             // the keywords of all EHLOs, in capitals, sorted
	Rcpt         smtp.Reply           // the answer to RCPT; Code 0: none
	Certificate  time.Time            // when the connector's certificate ends; zero: none was seen
	Remark       string               // what people should know although it is no failure
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
	tap := &tap{began: now}
	v := &visit{prober: p, spec: spec, tap: tap, deadline: now.Add(p.cfg.Timeout), report: Report{Depth: p.cfg.Probe, Began: now}}
	err := v.connect(ctx)
	if err == nil {
		// Everything after the connect waits on the connection, not on ctx.
		uncut := context.AfterFunc(ctx, tap.cut)
		defer uncut()
		err = v.talk(ctx)
	}
	v.report.Took = time.Since(now)
	v.leave(err)
	v.report.Dialogue = tap.lines
	return v.report, err
}

// visit is one probe under way.
type visit struct {
	prober   *smtpProber
	spec     backend.Spec
	tap      *tap
	conn     *connector.Conn // nil before it is connected
	deadline time.Time
	report   Report
}

func (v *visit) connect(ctx context.Context) error {
	dialer := tapped(v.prober.dialer, v.tap)
	return v.step(backend.StageConnect, func(deadline time.Time) error {
		ctx, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		conn, err := dialer.Connect(ctx, v.spec.Address)
		if err != nil {
			return err
		}
		v.conn = conn
		return nil
	})
}

// talk goes through the dialogue as deep as the probe is meant to go.
func (v *visit) talk(ctx context.Context) error {
	depth := v.prober.cfg.Probe
	if depth < DepthBanner {
		return nil
	}
	if err := v.step(backend.StageBanner, v.conn.Greet); err != nil || depth < DepthEHLO {
		return err
	}
	if err := v.hello(); err != nil {
		return err
	}
	v.report.Capabilities = v.conn.Capabilities()
	if depth == DepthStartTLS {
		if err := v.secure(ctx); err != nil {
			return err
		}
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

// hello says EHLO, and adds to what the connector has offered before.
func (v *visit) hello() error {
	err := v.step(backend.StageEHLO, func(deadline time.Time) error {
		return v.conn.Hello(v.prober.dialer.Hostname, deadline)
	})
	if err != nil {
		return err
	}
	for _, line := range v.conn.Offers() {
		v.report.Offers = append(v.report.Offers, keywordOf(line))
	}
	slices.Sort(v.report.Offers)
	v.report.Offers = slices.Compact(v.report.Offers)
	return nil
}

// keywordOf returns the keyword of a line of EHLO; "AUTH=PLAIN" is an old way to
// write AUTH.
func keywordOf(line string) string {
	word := strings.TrimSpace(line)
	if end := strings.IndexAny(word, " ="); end >= 0 {
		word = word[:end]
	}
	return strings.ToUpper(word)
}

func (v *visit) offered(keyword string) bool { return slices.Contains(v.report.Offers, keyword) }

// expected fails a connector that does not offer what the config wants of it.
func (v *visit) expected() error {
	var missing unmet
	for _, keyword := range v.prober.cfg.Expect.Capabilities {
		if !v.offered(keyword) {
			missing = append(missing, keyword)
		}
	}
	if missing == nil {
		return nil
	}
	return &connector.Error{Stage: backend.StageEHLO, Err: missing}
}

// envelope offers a recipient and takes it back. A recipient refused for good is
// policy: the connector is alive (P37), unless its peers accept it (P18), which
// one probe cannot know.
func (v *visit) envelope() error {
	if err := v.sender(); err != nil {
		return err
	}
	if err := v.recipient(2, 5); err != nil {
		return err
	}
	// What RSET is answered says nothing about mail, so long as it is answered
	// and the answer is not 421.
	_, err := v.command(backend.StageRcpt, "RSET", 2, 4, 5)
	return err
}

func (v *visit) sender() error {
	_, err := v.command(backend.StageMail, "MAIL FROM:<"+v.prober.cfg.From+">", 2)
	return err
}

func (v *visit) recipient(classes ...int) error {
	reply, err := v.command(backend.StageRcpt, "RCPT TO:<"+v.prober.cfg.To+">", classes...)
	v.report.Rcpt = reply
	return err
}

// command sends one command; a reply of another class than those wanted is a
// failure, and so is 421 whatever is wanted.
func (v *visit) command(stage backend.Stage, text string, classes ...int) (smtp.Reply, error) {
	var reply smtp.Reply
	err := v.step(stage, func(deadline time.Time) error {
		if err := v.conn.Do(text, &reply, deadline); err != nil {
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
