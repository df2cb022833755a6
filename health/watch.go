package health

import (
	"cmp"
	"context"
	"sync"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/events"
)

// Who is named in an event as the cause of a change.
const (
	byProbe   = "probe"
	byTraffic = "traffic"
	byPeers   = "comparison"
)

// watch is the monitor's eye on one connector.
type watch struct {
	monitor *Monitor
	pool    *pool
	backend *backend.Backend
	stop    context.CancelFunc
	wake    chan struct{} // capacity 1: traffic asks for a probe soon
	renewed chan float64  // capacity 1: settings are others; the next probe comes within that

	// Guarded by the pool's lock.
	machine   *machine
	member    *member
	ladder    ladder
	relay     string // what the connector said when it took a recipient of nobody's; empty: it did not
	fact      backend.HealthFact
	published backend.HealthFact

	// The schedule belongs to the goroutine of run.
	ended time.Time // of the last probe
	due   time.Time // of the next one
}

func newWatch(m *Monitor, pool *pool, b *backend.Backend) *watch {
	w := &watch{
		monitor: m,
		pool:    pool,
		backend: b,
		wake:    make(chan struct{}, 1),
		renewed: make(chan float64, 1),
		machine: newMachine(&pool.set.Load().Config),
	}
	w.member = w.judged()
	return w
}

// run probes the connector, one probe after the other, until ctx is done. It is
// told how many others begin at the same time.
func (w *watch) run(ctx context.Context, running *sync.WaitGroup, beside int) {
	defer running.Done()
	timer := time.NewTimer(w.plan(w.opening(beside)))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
			timer.Reset(w.sooner())
		case pause := <-w.renewed:
			if soon := time.Now().Add(time.Duration(pause)); soon.Before(w.due) {
				w.due = soon
			}
			timer.Reset(max(time.Until(w.due), 0))
		case <-timer.C:
			w.probe(ctx)
			timer.Reset(w.plan(w.jittered(w.pause())))
		}
	}
}

// beginAtMost is how many first probes begin in a second: thousands at once would
// be slow because of each other.
const beginAtMost = 1000

// opening is the pause before a first probe. It comes at once but for a jitter,
// so that not all connectors are greeted in the same millisecond; where there are
// many, they are spread over as long as they need.
func (w *watch) opening(many int) float64 {
	set := w.pool.set.Load()
	spread := set.Jitter * float64(set.FastInterval)
	return w.monitor.rand() * max(spread, float64(many)*float64(time.Second)/beginAtMost)
}

// renew has the next probe come soon, in a pool of that many, because settings
// have changed.
func (w *watch) renew(many int) {
	select {
	case w.renewed <- w.opening(many):
	default: // it is to come soon anyway
	}
}

// plan sets when the next probe is due.
func (w *watch) plan(pause float64) time.Duration {
	w.due = time.Now().Add(time.Duration(pause))
	return time.Duration(pause)
}

// sooner brings the next probe forward, but leaves the connector the fast
// interval since the last one.
func (w *watch) sooner() time.Duration {
	w.bringForward()
	return max(time.Until(w.due), 0)
}

func (w *watch) bringForward() {
	soon := w.ended.Add(time.Duration(w.jittered(w.pool.set.Load().FastInterval)))
	if soon.Before(w.due) {
		w.due = soon
	}
}

// jittered spreads a pause evenly around its length.
func (w *watch) jittered(d time.Duration) float64 {
	return float64(d) * (1 - w.pool.set.Load().Jitter/2 + w.share())
}

// share is a random part of the jitter: 0 … [Config.Jitter].
func (w *watch) share() float64 { return w.pool.set.Load().Jitter * w.monitor.rand() }

func (w *watch) pause() time.Duration {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	return w.machine.pause(time.Now())
}

// probe makes one probe and publishes what it found, unless ctx ended it, or weir
// had nothing left to make it with: then it says nothing of the connector.
func (w *watch) probe(ctx context.Context) {
	spec, ok := w.spec()
	if !ok {
		return // gone; follow is about to end this watch
	}
	report, err := w.pool.set.Load().Prober.Probe(ctx, spec)
	w.ended = time.Now()
	if ctx.Err() != nil {
		return
	}
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	if connector.SaysNothing(err) {
		w.backend.SetProbe(factOf(report, err, w.ended)) // to be seen, and no verdict
		return
	}
	w.probed(report, err)
}

// probed takes in the probe that has just ended. The caller holds the pool's lock.
func (w *watch) probed(report Report, err error) {
	found := w.pool.review.judge(w.ended, w.backend.ID(), len(w.pool.watches), &report, err)
	w.machine.depth, w.machine.note = found.reached, found.note
	w.machine.probed(w.ended, found.err)
	changed := append(found.events, w.relayed(&report)...)
	fact := factOf(report, cmp.Or(err, found.err), w.ended)
	fact.Relay = w.relay
	w.backend.SetProbe(fact)
	if found.err == nil && report.Capabilities.Known {
		w.fact.Capabilities = report.Capabilities // kept while it is down (P30)
	}
	w.publish(byProbe, w.ended)
	for _, e := range append(changed, w.ladder.climb(w.backend.ID(), &report)...) {
		w.monitor.events.Append(e)
	}
}

// spec returns what discovery says of the connector now.
func (w *watch) spec() (backend.Spec, bool) {
	id := w.backend.ID()
	pool := w.monitor.registry.Snapshot().Pool(id.Pool)
	if pool == nil {
		return backend.Spec{}, false
	}
	member := pool.Member(id.Name)
	if member == nil || member.Backend != w.backend {
		return backend.Spec{}, false
	}
	return member.Spec, true
}

// leave has the pool forget what probes said of a connector that is gone, unless
// another one has taken its name.
func (w *watch) leave() {
	id := w.backend.ID()
	if pool := w.monitor.registry.Snapshot().Pool(id.Pool); pool != nil && pool.Member(id.Name) != nil {
		return
	}
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	w.pool.review.forget(id.Name)
}

// judged is the connector before the pool's jury.
func (w *watch) judged() *member {
	return &member{machine: w.machine, eligible: w.wanted}
}

// wanted reports whether operators and the connector's source let it take mail.
func (w *watch) wanted() bool {
	pool := w.monitor.registry.Snapshot().Pool(w.backend.ID().Pool)
	if pool == nil {
		return false
	}
	m := pool.Member(w.backend.ID().Name)
	return m != nil && m.Backend == w.backend && m.Admin.Admin == backend.AdminEnabled &&
		m.Spec.Maintenance == "" && m.Spec.Critical == ""
}

// noted is begin for who does not hold the pool's lock.
func (w *watch) noted(stage backend.Stage, now time.Time) (slot int32, patience time.Duration) {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	return w.begin(stage, now)
}

// told is end, at the time that is in the outcome, for who does not hold the pool's lock.
func (w *watch) told(t *backend.Ticket, o *backend.Outcome) {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	w.end(t, o, w.pool.heardAt(o.At))
}

// begin notes an attempt that begins, and returns what its ticket wants: its slot, and
// how long to be patient with it. The caller holds the pool's lock.
func (w *watch) begin(stage backend.Stage, now time.Time) (slot int32, patience time.Duration) {
	if stage < backend.StageFinalDot && !w.pool.jury.moves.futile(now) {
		patience = w.machine.patience[stage]
	}
	return w.machine.begin(stage, now), patience
}

// end takes in how an attempt ended. The caller holds the pool's lock.
func (w *watch) end(t *backend.Ticket, o *backend.Outcome, now time.Time) {
	before := w.machine.changes
	w.machine.end(t, o, now, int(w.backend.InFlight()))
	jury := &w.pool.jury
	if t.Moved > 0 && o.Verdict != backend.Neutral {
		answered := o.Verdict == backend.Success || o.Verdict == backend.Deferral
		jury.moves.add(now, answered && now.Sub(t.Began) < t.Moved)
	}
	jury.hear(w.member, now)
	if w.machine.changes != before {
		w.publish(byTraffic, now)
	}
	if o.Verdict == backend.Failure {
		w.hurry()
	}
}

// hurry asks for a probe soon.
func (w *watch) hurry() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// publish tells the registry what is known now, if that has changed, and the
// event log when it has changed the connector's state. The caller holds the
// pool's lock, so the registry gets verdicts in the order in which they were made.
func (w *watch) publish(by string, now time.Time) {
	fact := w.fact
	w.machine.fact(&fact, now)
	if fact == w.published {
		return
	}
	w.fact, w.published = fact, fact
	edge, ok := w.monitor.registry.SetHealth(w.backend, fact)
	if ok && edge.Changed() {
		w.monitor.events.Append(events.OfBackend(
			w.backend.ID(), edge.From.String(), edge.To.String(), fact.Reason, by))
	}
}

func factOf(r Report, err error, at time.Time) backend.ProbeFact {
	fact := backend.ProbeFact{At: at, Depth: r.Depth.String(), OK: err == nil, Stage: r.Stage, Took: r.Took}
	if err != nil {
		fact.Error = err.Error()
	}
	return fact
}
