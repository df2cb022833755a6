package health

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/backend"
	"weir/internal/events"
)

// Who is named in an event as the cause of a change.
const (
	byProbe   = "probe"
	byTraffic = "traffic"
)

// watch is the monitor's eye on one connector.
type watch struct {
	monitor *Monitor
	pool    *pool
	backend *backend.Backend
	stop    context.CancelFunc
	wake    chan struct{} // capacity 1: traffic asks for a probe soon

	// suspect mirrors the stages of the machine's failures, so that a success
	// need not take the lock to find that there is nothing to contradict.
	suspect atomic.Uint32

	mu      sync.Mutex
	machine machine
	fact    backend.HealthFact // as last published

	// The schedule belongs to the goroutine of run.
	ended time.Time // of the last probe
	due   time.Time // of the next one
}

func newWatch(m *Monitor, pool *pool, b *backend.Backend) *watch {
	return &watch{
		monitor: m,
		pool:    pool,
		backend: b,
		wake:    make(chan struct{}, 1),
		machine: newMachine(&pool.Config),
	}
}

// run probes the connector, one probe after the other, until ctx is done.
func (w *watch) run(ctx context.Context, running *sync.WaitGroup) {
	defer running.Done()
	// The first probe comes at once but for a jitter, so that not all connectors
	// are greeted in the same millisecond.
	timer := time.NewTimer(w.plan(w.share() * float64(w.pool.FastInterval)))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
			timer.Reset(w.sooner())
		case <-timer.C:
			w.probe(ctx)
			timer.Reset(w.plan(w.jittered(w.pause())))
		}
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
	soon := w.ended.Add(time.Duration(w.jittered(w.pool.FastInterval)))
	if soon.Before(w.due) {
		w.due = soon
	}
	return max(time.Until(w.due), 0)
}

// jittered spreads a pause evenly around its length.
func (w *watch) jittered(d time.Duration) float64 {
	return float64(d) * (1 - w.pool.Jitter/2 + w.share())
}

// share is a random part of the jitter: 0 … [Config.Jitter].
func (w *watch) share() float64 { return w.pool.Jitter * w.monitor.rand() }

func (w *watch) pause() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.machine.pause(time.Now())
}

// probe makes one probe and publishes what it found, unless ctx ended it: then
// it says nothing of the connector.
func (w *watch) probe(ctx context.Context) {
	spec, ok := w.spec()
	if !ok {
		return // gone; follow is about to end this watch
	}
	report, err := w.pool.Prober.Probe(ctx, spec)
	w.ended = time.Now()
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.machine.probed(w.ended, err)
	w.fact.Probe = factOf(report, err, w.ended)
	if err == nil && report.Capabilities.Known {
		w.fact.Capabilities = report.Capabilities // kept while it is down (P30)
	}
	w.publish(byProbe)
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

func (w *watch) passed(stage backend.Stage) {
	if stageSet(w.suspect.Load())&contradicts(stage) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.machine.passed(stage)
	w.suspect.Store(uint32(w.machine.failures.stages()))
}

func (w *watch) failed(t backend.Ticket, o backend.Outcome) {
	why := o.Why
	if why == "" {
		why = fmt.Sprintf("unexpected answer %d", o.Code)
	}
	// One failure at a time in a pool, or two connectors could both see the other
	// as the one that is left.
	w.pool.failing.Lock()
	defer w.pool.failing.Unlock()
	last := w.last()
	w.mu.Lock()
	defer w.mu.Unlock()
	// The balancer may hold a failure back for a while, until it knows whether
	// the message was to blame: the verdict dates from now, not from o.At.
	if w.machine.failed(time.Now(), t.Began, t.Stage, why, last) {
		w.publish(byTraffic)
	}
	w.suspect.Store(uint32(w.machine.failures.stages()))
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// publish tells the registry what is known now, and the event log when that has
// changed the connector's state. The caller holds the lock, so the registry gets
// verdicts in the order in which they were made.
func (w *watch) publish(by string) {
	w.fact.Health = w.machine.verdict
	w.fact.Since = w.machine.since
	w.fact.Reason = w.machine.words()
	w.suspect.Store(uint32(w.machine.failures.stages()))
	edge, ok := w.monitor.registry.SetHealth(w.backend, w.fact)
	if ok && edge.Changed() {
		w.monitor.events.Append(events.OfBackend(
			w.backend.ID(), edge.From.String(), edge.To.String(), w.fact.Reason, by))
	}
}

// last reports whether no other connector of the pool takes mail.
func (w *watch) last() bool {
	pool := w.monitor.registry.Snapshot().Pool(w.backend.ID().Pool)
	for i := range pool.Members {
		if m := &pool.Members[i]; m.Eligible && m.Backend != w.backend {
			return false
		}
	}
	return true
}

func factOf(r Report, err error, at time.Time) backend.ProbeFact {
	fact := backend.ProbeFact{At: at, Depth: r.Depth.String(), OK: err == nil, Stage: r.Stage, Took: r.Took}
	if err != nil {
		fact.Error = err.Error()
	}
	return fact
}
