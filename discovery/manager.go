package discovery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"weir/internal/backend"
)

// Options are what a manager needs beside its feeds. The functions are called one
// after the other from the goroutine of [Manager.Run], in the order of what they
// tell of; nil: nobody is told.
type Options struct {
	Dir     string // where the last good sets are kept; empty: nowhere
	Changed func(Status)
	// Members is told who joined and who left a pool, after the registry knows. One
	// that has moved to another address did both.
	Members func(pool string, joined, left []backend.Spec)
	// Failed is told of a source that has ended with an error, and of trouble with
	// what is kept on disk.
	Failed func(feed string, err error)
}

// Manager runs the sources and writes what they tell into the registry.
type Manager struct {
	registry *backend.Registry
	opts     Options
	first    chan struct{}
	wake     chan struct{} // capacity 1: there is something to do for Run
	keeper   *keeper
	follows  sync.WaitGroup

	mu       sync.Mutex
	runs     []*run // in order of precedence
	outgoing map[string]*outgoing
	merged   map[string][]backend.Spec
	forget   time.Time // when to ask the registry to forget; zero: there is no need
	news     []func()  // calls of the options' functions that are still owed
	errs     []error
	waiters  []*waiter
}

// NewManager returns a manager without feeds; [Manager.Reload] gives it some.
func NewManager(registry *backend.Registry, opts Options) *Manager {
	m := &Manager{
		registry: registry, opts: opts, first: make(chan struct{}), wake: make(chan struct{}, 1),
		outgoing: map[string]*outgoing{}, merged: map[string][]backend.Spec{},
	}
	m.keeper = newKeeper(opts.Dir, m.fail)
	return m
}

// First is closed by Run when every source has told its first set of each pool,
// or has ended without one, or a set that the disk kept stands in for it. A source
// that says that it cannot be asked has told nothing yet.
func (m *Manager) First() <-chan struct{} { return m.first }

// Status returns what is known of each source and each of its pools, in the
// order of the feeds.
func (m *Manager) Status() []Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Status
	for _, r := range m.runs {
		for _, t := range r.tracks {
			all = append(all, t.status())
		}
	}
	return all
}

// Run runs all sources until ctx is done. Sources that failed took nothing with
// them; their errors are returned at the end.
func (m *Manager) Run(ctx context.Context) error {
	var keeping sync.WaitGroup
	done := make(chan struct{})
	keeping.Go(func() { m.keeper.run(done) })
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		m.launch(ctx)
		due, arrived := m.turn(time.Now())
		m.tell()
		if arrived {
			m.arrive()
		}
		wait := time.Duration(1<<63 - 1)
		if !due.IsZero() {
			wait = time.Until(due)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-m.wake:
		case <-timer.C:
		}
	}
	m.follows.Wait()
	m.dismiss()
	close(done)
	keeping.Wait()
	m.tell()
	m.mu.Lock()
	defer m.mu.Unlock()
	return errors.Join(m.errs...)
}

// launch starts the sources that a reload brought.
func (m *Manager) launch(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.runs {
		if r.begun {
			continue
		}
		r.begun = true
		var own context.Context
		own, r.stop = context.WithCancel(ctx)
		m.follows.Go(func() { m.follow(own, r) })
	}
}

// follow runs one source and takes in what it says until it ends.
func (m *Manager) follow(ctx context.Context, r *run) {
	m.begin(r)
	sets := make(chan Set)
	ended := make(chan error, 1)
	go runSource(ctx, r.feed.Source, sets, ended)
	for {
		select {
		case set := <-sets:
			m.hear(r, set, time.Now())
		case err := <-ended:
			if ctx.Err() != nil {
				err = nil
			}
			m.end(r, err)
			return
		}
	}
}

func runSource(ctx context.Context, source Source, sets chan<- Set, ended chan<- error) {
	ended <- source.Run(ctx, sets)
}

// begin looks up what the disk kept of a feed.
func (m *Manager) begin(r *run) {
	m.mu.Lock()
	keep := r.feed.Keep // a reload may change it
	m.mu.Unlock()
	kept := map[string]*keptSet{}
	if keep {
		for _, pool := range r.feed.Pools {
			kept[pool] = m.keeper.load(r.feed.Name, r.feed.Key, pool)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range r.tracks {
		t.begin(kept[t.pool], time.Now())
	}
	m.nudge()
}

// hear takes in one set.
func (m *Manager) hear(r *run, set Set, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := r.track(set.Pool)
	if t == nil || r.gone {
		return
	}
	down := m.downs(t.pool)
	t.hear(set, now, down)
	m.settle(t, now, down)
	m.nudge()
}

// end notes that a source has nothing more to say.
func (m *Manager) end(r *run, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.ended = true
	r.stop()
	if r.gone {
		return
	}
	if err != nil {
		err = fmt.Errorf("running source %q: %w", r.feed.Name, err)
		m.errs = append(m.errs, err)
		m.owe(func() { m.failed(r.feed.Name, err) })
	}
	for _, t := range r.tracks {
		if err != nil {
			t.hear(Set{Unheard: true, Doubt: err.Error()}, time.Now(), nil)
		}
		m.settle(t, time.Now(), m.downs(t.pool))
	}
	m.nudge()
}

// turn does what the time allows, and returns when there will be more to do
// (zero: when somebody speaks) and whether everyone has arrived.
func (m *Manager) turn(now time.Time) (due time.Time, arrived bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	arrived = true
	sooner := func(at time.Time) {
		if !at.IsZero() && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	for _, r := range m.runs {
		for _, t := range r.tracks {
			m.settle(t, now, m.downs(t.pool))
			sooner(t.due(now))
			arrived = arrived && (t.arrived || r.ended)
		}
	}
	for pool := range m.outgoing {
		sooner(m.release(pool, now))
	}
	sooner(m.forgetGone(now))
	m.serveWaiters()
	return due, arrived
}
