package health

import (
	"errors"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/events"
	"weir/internal/smtp"
)

// Judge is how a [Monitor] judges one pool, without its goroutines, its prober and
// its clock: whoever drives it says what happens and when. It is for simulations,
// and for one goroutine.
type Judge struct {
	pool  *pool
	cases []Case
}

// fewEvents is what a judge remembers of its events: nobody reads them.
const fewEvents = 1

// NewJudge returns the judge of the pool of that name, as the registry knows it
// now. Verdicts go to the registry. Random returns 0 … 1, for the jitter of probes.
func NewJudge(registry *backend.Registry, cfg Config, random func() float64) *Judge {
	m := &Monitor{registry: registry, events: events.NewLog(fewEvents), rand: random}
	m.watches.Store(&map[*backend.Backend]*watch{})
	j := &Judge{pool: newPool(Pool{Config: cfg})}
	var c changes
	if now := registry.Snapshot().Pool(cfg.Pool); now != nil {
		c.compare(m, j.pool, now)
	}
	for _, w := range c.fresh {
		j.cases = append(j.cases, Case{w})
	}
	return j
}

// Cases returns a case for each connector, in the order of the pool.
func (j *Judge) Cases() []Case { return j.cases }

// Sit lets the judge compare the connectors with each other. It is called every
// [Sitting]; in a large pool not every call does something.
func (j *Judge) Sit(now time.Time) { j.pool.sitIfDue(now) }

// Sitting is how often connectors are compared with each other.
const Sitting = sitting

// Case is one connector before its [Judge].
type Case struct{ watch *watch }

// Begin is [Monitor.Begin].
func (c Case) Begin(stage backend.Stage, now time.Time) backend.Ticket {
	slot, patience := c.watch.begin(stage, now)
	return backend.Ticket{Backend: c.watch.backend, Stage: stage, Began: now, Slot: slot, Patience: patience}
}

// End is [Monitor.End].
func (c Case) End(t backend.Ticket, o backend.Outcome, now time.Time) { c.watch.end(&t, &o, now) }

// Probe is how a probe ended.
type Probe struct {
	Took   time.Duration
	Failed bool
	Stage  backend.Stage // where it failed
	Code   int           // of the reply that it failed by; 0: there was none
	Why    string        // it failed, where there was no reply
}

// Probed takes in a probe that has ended now, and returns when the next is due.
func (c Case) Probed(p Probe, now time.Time) time.Time {
	w := c.watch
	report := Report{Depth: w.pool.set.Load().Probe, Began: now.Add(-p.Took), Took: p.Took}
	report.Stage = report.Depth.stage()
	var err error
	if p.Failed {
		report.Stage = p.Stage
		e := &connector.Error{Stage: p.Stage, Reply: smtp.Reply{Code: p.Code}}
		if p.Code == 0 {
			e.Err = errors.New(p.Why)
		}
		err = e
	}
	w.ended = now
	w.probed(report, err)
	w.due = now.Add(time.Duration(w.jittered(w.machine.pause(now))))
	return w.due
}

// Hurried reports whether traffic has asked for a probe sooner than planned, since
// it was last called, and when it is due now.
func (c Case) Hurried() (due time.Time, ok bool) {
	select {
	case <-c.watch.wake:
		c.watch.bringForward()
		return c.watch.due, true
	default:
		return time.Time{}, false
	}
}
