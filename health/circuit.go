package health

import (
	"errors"
	"time"

	"github.com/sony/gobreaker/v2"

	"weir/internal/backend"
)

// circuit is the breaker of one connector. gobreaker keeps the states and is
// the only one to change them; time, and the reasons to trip, are ours: it is
// told a failure only when the verdict is "trip", and asked for a trial only
// when the time for one has come. It is pure in that it takes now.
type circuit struct {
	cfg  *BreakerConfig
	gate *gobreaker.TwoStepCircuitBreaker[struct{}]

	closed    bool          // what the gate says since it was last told something
	stage     backend.Stage // the deepest stage that it was opened at
	openUntil time.Time
	openFor   time.Duration
	closedAt  time.Time
}

var errTripped = errors.New("tripped")

func newCircuit(cfg *Config) *circuit {
	c := &circuit{}
	c.reconfigure(cfg)
	return c
}

// reconfigure puts other settings into force. The state stays; a trial begins anew.
func (c *circuit) reconfigure(cfg *Config) {
	shut := c.gate == nil || c.closed
	c.cfg = &cfg.Breaker
	c.gate = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests: uint32(max(cfg.Rise, 1)),
		// Its own clock never decides: an open gate turns half-open when it is
		// asked, and it is asked only after openUntil.
		Interval:    0,
		Timeout:     time.Nanosecond,
		ReadyToTrip: func(gobreaker.Counts) bool { return true },
	})
	c.closed = true
	if !shut {
		c.report(errTripped)
	}
}

// state returns the breaker's state as the registry shows it. Open turns into
// half-open only by [circuit.trial].
func (c *circuit) state() backend.Breaker {
	switch {
	case c.closed:
		return backend.BreakerClosed
	case c.openUntil.IsZero():
		return backend.BreakerHalfOpen
	default:
		return backend.BreakerOpen
	}
}

// trip opens the breaker, for twice as long as the last time if it had hardly
// recovered from that.
func (c *circuit) trip(now time.Time, stage backend.Stage) {
	wasHalf := c.state() == backend.BreakerHalfOpen
	relapsed := wasHalf || c.openFor > 0 && now.Sub(c.closedAt) < max(relapse, 2*c.openFor)
	if relapsed {
		c.openFor = min(2*c.openFor, c.cfg.OpenMax)
		c.stage = max(c.stage, stage)
	} else {
		c.openFor, c.stage = c.cfg.OpenFor, stage
	}
	c.openUntil = now.Add(c.openFor)
	c.report(errTripped)
}

// ripe reports whether an open breaker may be tried.
func (c *circuit) ripe(now time.Time) bool {
	return c.state() == backend.BreakerOpen && !now.Before(c.openUntil)
}

// trial turns an open breaker half-open.
func (c *circuit) trial() { c.openUntil = time.Time{} }

// passedTrial counts a success of a half-open breaker at the failed stage, and
// reports whether it closed.
func (c *circuit) passedTrial(now time.Time) bool {
	c.report(nil)
	if c.state() != backend.BreakerClosed {
		return false
	}
	c.closedAt = now
	return true
}

// report calls gobreaker's Allow and done back to back: a done that got lost
// would leave a half-open gate shut for ever.
func (c *circuit) report(err error) {
	if done, refused := c.gate.Allow(); refused == nil {
		done(err)
	}
	c.closed = c.gate.State() == gobreaker.StateClosed
}

// relapse is how long a connector must have been well for a new failure to be
// no relapse; or twice as long as it was out, if that is longer.
const relapse = 2 * time.Minute
