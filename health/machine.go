package health

import (
	"errors"
	"fmt"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
)

// machine judges one connector: it joins what probes find, what live traffic
// meets, and the circuit that the latter may open. It is pure: what happens and
// when is told to it. What needs the other connectors of the pool is the jury's.
type machine struct {
	cfg *Config

	// What probes say.
	verdict   backend.Health
	since     time.Time     // of the verdict
	reason    string        // of the verdict, in words for people
	depth     backend.Stage // how far probes are believed
	note      string        // why a failed probe counts as passed; mostly empty
	good, bad int           // probes in a row, good at most as many as are needed
	returned  time.Time     // when it last came back up
	flaps     uint          // times in a row that it went down soon after that

	// What traffic says.
	circuit   *circuit
	cause     string // why the circuit is not closed
	stuck     bool   // and that it was because of silence (P16)
	turned    time.Time
	ledger    ledger
	failures  counts
	doubted   time.Time // of the first of the failures
	ratios    [backend.Stages]ratio
	capacity  capacity
	accused   *accusation // waits for the jury
	deferrals int         // deferrals in a row, whatever the stage
	fresh     bool        // half-open: the transaction on trial has not counted yet

	// What the jury says.
	patience [backend.Stages]time.Duration
	usual    [backend.Stages]time.Duration // the others' high quantile
	slow     [backend.Stages]float64       // how many times slower than the others; 0: not
	latency  float64                       // share of the weight that its latency leaves it; 0: all
	kept     string                        // why it is kept in although it should go
	keptAt   time.Time                     // when that was last said

	ramp time.Time // slow start since; zero: none

	// changes counts what others should know of at once.
	changes int
}

func newMachine(cfg *Config) *machine {
	return &machine{cfg: cfg, depth: cfg.Probe.stage(), circuit: newCircuit(cfg)}
}

// reconfigure puts other settings into force. What was found out stays; only what
// is counted within a window begins anew.
func (m *machine) reconfigure(cfg *Config) {
	m.cfg = cfg
	m.circuit.reconfigure(cfg)
	m.ratios = [backend.Stages]ratio{}
	m.good = min(m.good, m.needed())
	if cfg.SlowStart == 0 {
		m.ramp = time.Time{}
	}
}

// probed takes in the result of a probe, nil for one that passed.
func (m *machine) probed(now time.Time, err error) {
	switch {
	case err == nil:
		m.probePassed(now)
	case m.busy(now, err):
		// It has no room for a probe because it is at work (P18).
	default:
		m.probeFailed(now, err)
	}
}

func (m *machine) probePassed(now time.Time) {
	m.bad = 0
	m.good = min(m.good+1, m.needed())
	switch {
	case m.verdict == backend.HealthUnknown:
		m.turn(now, backend.HealthUp, "the first probe passed")
	case m.verdict == backend.HealthDown && m.good >= m.needed():
		m.turn(now, backend.HealthUp, inARow(m.good, "probe")+" passed")
		m.returned = now
		m.startSlowly(now)
	}
	if m.circuit.ripe(now) {
		m.circuit.trial()
		m.turned, m.fresh = now, false
		m.ledger.forget(now)
		m.deferrals = 0
		m.changes++
	}
	if m.circuit.state() == backend.BreakerHalfOpen && m.probesSuffice() {
		m.passedTrial(now)
	}
}

// probesSuffice reports whether probes go as deep as the failure. Where they do
// not, live transactions are the trial, one at a time.
func (m *machine) probesSuffice() bool { return m.depth >= m.circuit.stage }

func (m *machine) passedTrial(now time.Time) {
	if m.circuit.passedTrial(now) {
		m.changes++
		m.turned = now
		m.startSlowly(now)
		m.failures, m.ratios, m.cause = counts{}, [backend.Stages]ratio{}, ""
		m.reason = fmt.Sprintf("cured: passed %s again", m.circuit.stage)
	}
}

// mostFlaps bounds how often the number of needed probes is doubled.
const (
	mostFlaps = 3
	flapTime  = 5 * time.Minute
)

// needed is how many good probes in a row bring a connector up. One that comes
// and goes needs more each time.
func (m *machine) needed() int {
	if m.verdict == backend.HealthDown {
		return m.cfg.Rise << m.flaps
	}
	return m.cfg.Rise
}

func (m *machine) probeFailed(now time.Time, err error) {
	m.good = 0
	m.bad++
	why := fmt.Sprintf("%s failed; last: %v", inARow(m.bad, "probe"), err)
	if m.circuit.state() == backend.BreakerHalfOpen {
		m.open(now, m.circuit.stage, "trial failed: "+why)
	}
	switch {
	case m.verdict == backend.HealthUnknown:
		// Never seen healthy, and not healthy now: it gets no mail to try with.
		m.turn(now, backend.HealthDown, fmt.Sprintf("the first probe failed: %v", err))
	case m.verdict == backend.HealthDown:
		m.reason = why
	case m.bad >= m.cfg.Fall:
		if m.flaps = min(m.flaps+1, mostFlaps); m.returned.IsZero() || now.Sub(m.returned) > flapTime {
			m.flaps = 0
		}
		m.turn(now, backend.HealthDown, why)
	}
}

// busy reports whether a probe that failed met a connector without room for it:
// one that says 421 while it greets others, or no word while it ends transactions.
func (m *machine) busy(now time.Time, err error) bool {
	var e *connector.Error
	if !errors.As(err, &e) || m.circuit.state() != backend.BreakerClosed {
		return false
	}
	if e.Reply.Code == 421 {
		return m.passes(e.Stage, now)
	}
	return e.Stage <= backend.StageBanner && connector.IsTimeout(e.Err) && m.passes(backend.StageFinalDot, now)
}

// turn changes the verdict of the probes.
func (m *machine) turn(now time.Time, verdict backend.Health, reason string) {
	m.verdict, m.since, m.reason, m.turned = verdict, now, reason, now
	m.failures, m.kept = counts{}, ""
	m.changes++
}

// open opens the circuit.
func (m *machine) open(now time.Time, stage backend.Stage, why string) {
	m.circuit.trip(now, stage)
	m.cause = fmt.Sprintf("%s; out for %s or longer", why, short(m.circuit.openFor))
	m.turned, m.kept, m.ramp, m.accused = now, "", time.Time{}, nil
	m.good, m.failures, m.ratios, m.capacity = 0, counts{}, [backend.Stages]ratio{}, capacity{}
	m.changes++
}

// keptFor is how long nothing new must be said against a connector that was
// kept until the reason is dropped.
const keptFor = 10 * time.Second

// tick lets time pass.
func (m *machine) tick(now time.Time) {
	m.capacity.tick(now)
	if !m.ramp.IsZero() && now.Sub(m.ramp) >= m.cfg.SlowStart {
		m.ramp = time.Time{}
	}
	if m.kept != "" && now.Sub(m.keptAt) >= keptFor && m.failures.total() < m.cfg.Breaker.ConsecutiveFailures {
		m.kept = ""
	}
}

// startSlowly begins slow start, where there is one.
func (m *machine) startSlowly(now time.Time) {
	if m.cfg.SlowStart > 0 {
		m.ramp = now
	}
}

// firstShare is where slow start begins.
const firstShare = 0.1

// share is what the connector gets of its weight; 0 stands for all.
func (m *machine) share(now time.Time) float64 {
	share := 1.0
	if m.latency > 0 {
		share = m.latency
	}
	if !m.ramp.IsZero() {
		// In tenths, as each step makes a new snapshot of the pool.
		tenths := int64(10 * now.Sub(m.ramp) / m.cfg.SlowStart)
		share *= max(firstShare, float64(tenths)/10)
	}
	if share >= 1 {
		return 0
	}
	return share
}

// fact fills in what is known now.
func (m *machine) fact(f *backend.HealthFact, now time.Time) {
	f.Health, f.Since = m.verdict, m.since
	f.Breaker, f.Stage = m.circuit.state(), m.circuit.stage
	f.Stuck = m.stuck && f.Breaker != backend.BreakerClosed
	f.Recovering = f.Breaker == backend.BreakerHalfOpen && !m.probesSuffice() ||
		f.Breaker == backend.BreakerClosed && !m.ramp.IsZero()
	f.Limit, f.Share, f.FullAt = m.capacity.limit, m.share(now), time.Time{}
	if m.capacity.limit > 0 {
		f.FullAt = m.capacity.cut
	}
	switch f.Breaker {
	case backend.BreakerClosed:
		f.Stage = 0
	case backend.BreakerHalfOpen:
		// One at a time; what still waits there from before is no trial, and may
		// wait for as long as its deadline.
		f.Limit = 1 + m.ledger.before(m.turned)
	}
	f.Reason = m.words(f.Breaker)
}

// pause is how long to wait from now, the end of a probe, until the next.
func (m *machine) pause(now time.Time) time.Duration {
	fast := min(m.cfg.FastInterval, m.cfg.Interval)
	switch m.circuit.state() {
	case backend.BreakerOpen:
		return min(max(m.circuit.openUntil.Sub(now), fast), m.cfg.Interval)
	case backend.BreakerHalfOpen:
		if m.probesSuffice() {
			return fast
		}
	}
	if m.doubt() {
		return fast
	}
	return m.cfg.Interval
}

// doubt reports whether the evidence is on its way from one verdict to another.
func (m *machine) doubt() bool {
	switch m.verdict {
	case backend.HealthUp:
		return m.good < m.cfg.Rise
	case backend.HealthDown:
		return m.good > 0
	default:
		return true
	}
}
