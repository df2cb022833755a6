package health

import (
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/smtp"
)

// world plays a pool, its senders and its prober on virtual time, without any
// goroutine: the jury and its machines see what the relay would tell them.
type world struct {
	cfg   Config
	now   time.Time
	start time.Time
	rng   *rand.Rand
	queue eventQueue
	seq   int
	jury  jury
	conns []*conn

	rate       func(since time.Duration) float64 // messages a second, of the pool
	sitting    time.Duration                     // how often the jury sits
	senderWait time.Duration                     // how long a sender waits at the final dot

	sent, delivered, deferred, failed, nobody int
	ejections, kept                           int
	log                                       []string
}

// conn is a connector of the world.
type conn struct {
	name string
	*member
	fact     backend.HealthFact
	admin    bool // an operator takes it out
	inFlight int
	credit   float64
	received int // messages since the last look
	// reply is what the connector does at a stage; probe: to a probe.
	reply   func(stage backend.Stage, probe bool) reply
	probeAt int // version of the probe that is due
	probing bool
	lastEnd time.Time
}

// reply is what a connector does at a stage.
type reply struct {
	after   time.Duration
	code    int  // 0: connection lost
	full    bool // 452 4.3.1
	refused bool
	silent  bool // never
	neutral bool // the message is at fault
}

func ok(after time.Duration) reply { return reply{after: after, code: 250} }

type event struct {
	at  time.Time
	seq int
	do  func()
}

type eventQueue []event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(a, b int) bool {
	return q[a].at.Before(q[b].at) || q[a].at.Equal(q[b].at) && q[a].seq < q[b].seq
}
func (q eventQueue) Swap(a, b int) { q[a], q[b] = q[b], q[a] }
func (q *eventQueue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *eventQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

// courtConfig is what a config file without a word about health says.
func courtConfig() Config {
	c := *machineConfig()
	c.Probe, c.SlowStart = DepthEnvelope, 30*time.Second
	return c
}

func newWorld(seed uint64, connectors int, rate float64) *world {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w := &world{
		cfg: courtConfig(), now: start, start: start, rng: rand.New(rand.NewPCG(seed, 1)),
		rate: func(time.Duration) float64 { return rate }, senderWait: 10 * time.Minute, sitting: sitting,
	}
	w.jury.cfg = &w.cfg
	for i := range connectors {
		c := &conn{}
		c.name = fmt.Sprint("c", i)
		c.member = &member{machine: newMachine(&w.cfg), eligible: func() bool { return !c.admin }}
		c.reply = func(stage backend.Stage, _ bool) reply { return ok(w.usual(stage)) }
		w.conns = append(w.conns, c)
		w.jury.members = append(w.jury.members, c.member)
		w.probeIn(c, time.Duration(w.rng.Int64N(int64(time.Second))))
	}
	w.in(w.sitting, w.sit)
	w.in(2*time.Second, w.arrive)
	return w
}

// probes sets how deep probes go.
func (w *world) probes(depth Depth) {
	w.cfg.Probe = depth
	for _, c := range w.conns {
		c.depth = depth.stage()
	}
}

// usual is how long a healthy connector takes.
func (w *world) usual(stage backend.Stage) time.Duration {
	base := 4 * time.Millisecond
	if stage == backend.StageFinalDot {
		base = 40 * time.Millisecond
	}
	return time.Duration(float64(base) * (0.5 + w.rng.ExpFloat64()))
}

func (w *world) in(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.queue, event{w.now.Add(d), w.seq, do})
}

// run lets time pass.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.queue) > 0 && !w.queue[0].at.After(end) {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.do()
	}
	w.now = end
}

func (w *world) sit() {
	w.jury.sit(w.now)
	w.publishAll()
	w.in(w.sitting, w.sit)
}

func (w *world) publishAll() {
	for _, c := range w.conns {
		w.publish(c)
	}
}

// publish takes over what a machine says, and notes the changes.
func (w *world) publish(c *conn) {
	before := c.fact
	c.member.fact(&c.fact, w.now)
	if c.fact.Breaker != before.Breaker && c.fact.Breaker == backend.BreakerOpen {
		w.ejections++
	}
	if c.fact.Breaker != before.Breaker || c.fact.Health != before.Health {
		w.log = append(w.log, fmt.Sprintf("%8s %s %s %s: %s", w.now.Sub(w.start).Truncate(time.Millisecond),
			c.name, c.fact.Health, c.fact.Breaker, c.fact.Reason))
	}
	if c.kept != "" {
		w.kept++
	}
}

// isFull reports whether the connector takes mail like any other.
func (c *conn) isFull() bool {
	return c.fact.Health == backend.HealthUp && c.fact.Breaker == backend.BreakerClosed && c.fact.Share == 0 && c.fact.Limit == 0
}

func (w *world) arrive() {
	if rate := w.rate(w.now.Sub(w.start)); rate > 0 {
		w.in(time.Duration(w.rng.ExpFloat64()/rate*float64(time.Second)), w.arrive)
		w.send()
		return
	}
	w.in(time.Second, w.arrive)
}

// mail is one message on its way.
type mail struct {
	w     *world
	at    *conn
	tried []*conn
	moved time.Duration
	stuck backend.Stage // where it moved on from
}

func (w *world) send() {
	w.sent++
	m := &mail{w: w}
	m.next()
}

// next brings the message to another connector.
func (m *mail) next() {
	if m.at = m.w.pick(m.tried); m.at == nil {
		m.w.nobody++
		return
	}
	m.tried = append(m.tried, m.at)
	m.at.inFlight++
	m.at.received++
	m.step(backend.StageConnect)
}

// pick is a smooth weighted round-robin among those that take mail.
func (w *world) pick(tried []*conn) *conn {
	var best *conn
	var total float64
	for _, c := range w.conns {
		if !w.takes(c) || contains(tried, c) || len(tried) == 3 {
			continue
		}
		share := c.fact.Share
		if share == 0 {
			share = 1
		}
		c.credit += share
		total += share
		if best == nil || c.credit > best.credit {
			best = c
		}
	}
	if best != nil {
		best.credit -= total
	}
	return best
}

// takes is what the registry and the places of a backend decide.
func (w *world) takes(c *conn) bool {
	f := &c.fact
	in := f.Breaker == backend.BreakerClosed || f.Breaker == backend.BreakerHalfOpen && f.Recovering
	return !c.admin && f.Health == backend.HealthUp && in && (f.Limit == 0 || c.inFlight < f.Limit)
}

func contains(all []*conn, c *conn) bool {
	for _, x := range all {
		if x == c {
			return true
		}
	}
	return false
}

var played = [...]backend.Stage{
	backend.StageConnect, backend.StageBanner, backend.StageEHLO, backend.StageMail,
	backend.StageRcpt, backend.StageData, backend.StageBody, backend.StageFinalDot,
}

func timeoutOf(stage backend.Stage) time.Duration {
	return [backend.Stages]time.Duration{
		backend.StageConnect: 5 * time.Second, backend.StageTLS: 30 * time.Second, backend.StageBanner: 30 * time.Second,
		backend.StageEHLO: 30 * time.Second, backend.StageMail: time.Minute, backend.StageRcpt: time.Minute,
		backend.StageData: time.Minute, backend.StageBody: time.Minute, backend.StageFinalDot: 570 * time.Second,
	}[stage]
}

// step plays one stage.
func (m *mail) step(stage backend.Stage) {
	w, c := m.w, m.at
	t := backend.Ticket{Stage: stage, Began: w.now, Slot: c.begin(stage, w.now)}
	if stage < backend.StageFinalDot && len(m.tried) == 1 && !w.jury.moves.futile(w.now) {
		t.Patience = c.patience[stage]
	}
	if m.moved > 0 && stage == m.stuck {
		t.Moved = m.moved
	}
	r := c.reply(stage, false)
	wait, o := r.after, outcomeOf(&r)
	if deadline := timeoutOf(stage); r.silent || wait > deadline {
		wait, o = deadline, backend.Outcome{Verdict: backend.Failure, Silent: true, Why: "no answer in " + deadline.String()}
	}
	if stage == backend.StageFinalDot && wait > w.senderWait {
		wait, o = w.senderWait, backend.Outcome{Verdict: backend.Waited}
	}
	if t.Patience > 0 && wait > t.Patience {
		wait, o = t.Patience, backend.Outcome{Verdict: backend.Waited}
	}
	w.in(wait, func() { m.stepped(t, o) })
}

func outcomeOf(r *reply) backend.Outcome {
	o := backend.Outcome{Code: r.code, Full: r.full, Refused: r.refused, Why: fmt.Sprint(r.code, " some words")}
	switch {
	case r.neutral:
		o.Verdict = backend.Neutral
	case r.code == 0:
		o.Verdict, o.Why = backend.Failure, "connection lost"
	case r.code == 421:
		o.Verdict = backend.Failure
	case r.code/100 == 4:
		o.Verdict = backend.Deferral
	default:
		o.Verdict = backend.Success
	}
	return o
}

// stepped is what the relay does after a stage.
func (m *mail) stepped(t backend.Ticket, o backend.Outcome) {
	w, c := m.w, m.at
	w.tell(c, t, o)
	policy := o.Verdict == backend.Success && o.Code/100 == 5
	relayed := o.Verdict == backend.Deferral && t.Stage == backend.StageRcpt
	switch {
	case o.Verdict == backend.Success && t.Stage < backend.StageFinalDot && !policy:
		next := t.Stage + 1
		if next == backend.StageTLS {
			next++
		}
		m.step(next)
		return
	case o.Verdict == backend.Success:
		w.delivered++
	case o.Verdict == backend.Neutral, t.Stage == backend.StageFinalDot && o.Verdict != backend.Deferral:
		w.failed++
	case relayed, t.Stage == backend.StageFinalDot:
		w.deferred++
	default:
		c.inFlight--
		if o.Verdict == backend.Waited {
			m.moved, m.stuck = w.now.Sub(t.Began), t.Stage
		}
		m.next()
		return
	}
	c.inFlight--
}

// tell does what the monitor does with an outcome.
func (w *world) tell(c *conn, t backend.Ticket, o backend.Outcome) {
	before := c.changes
	c.end(&t, &o, w.now, c.inFlight)
	if t.Moved > 0 && o.Verdict != backend.Neutral {
		answered := o.Verdict == backend.Success || o.Verdict == backend.Deferral
		w.jury.moves.add(w.now, answered && w.now.Sub(t.Began) < t.Moved)
	}
	w.jury.hear(c.member, w.now)
	if c.changes != before || o.Verdict != backend.Success {
		w.publish(c)
	}
	if o.Verdict == backend.Failure {
		w.probeIn(c, max(c.lastEnd.Add(w.cfg.FastInterval).Sub(w.now), 0))
	}
}

// probeIn plans the next probe of a connector, instead of any other. While one is
// under way the next is planned at its end.
func (w *world) probeIn(c *conn, d time.Duration) {
	if c.probing {
		return
	}
	c.probeAt++
	version := c.probeAt
	w.in(d, func() {
		if c.probeAt != version {
			return
		}
		c.probing = true
		took, err := w.probe(c)
		w.in(took, func() {
			c.probing, c.lastEnd = false, w.now
			c.probed(w.now, err)
			w.publish(c)
			w.probeIn(c, c.pause(w.now))
		})
	})
}

// probe plays the stages of a probe.
func (w *world) probe(c *conn) (took time.Duration, err error) {
	for _, stage := range played {
		if stage > w.cfg.Probe.stage() {
			break
		}
		r := c.reply(stage, true)
		if r.silent || took+r.after > w.cfg.Timeout {
			return w.cfg.Timeout, &connector.Error{Stage: stage, Err: os.ErrDeadlineExceeded}
		}
		took += r.after
		switch {
		case r.code == 0:
			return took, &connector.Error{Stage: stage, Err: errors.New("connection closed")}
		case r.code/100 == 4, r.code/100 == 5 && stage < backend.StageRcpt:
			return took, &connector.Error{Stage: stage, Reply: smtp.Reply{Code: r.code}}
		}
	}
	return took, nil
}

// history is everything that happened, for a test that failed.
func (w *world) history() string {
	if n := len(w.log); n > 40 {
		w.log = append(w.log[:40:40], fmt.Sprintf("… %d more", n-40))
	}
	return strings.Join(w.log, "\n")
}
