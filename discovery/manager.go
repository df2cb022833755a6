package discovery

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"weir/internal/backend"
)

// Feed is a source in the manager's list.
type Feed struct {
	Name   string   // for people
	Pools  []string // those that the source tells of
	Source Source
}

// Manager runs the sources and writes what they tell into the registry.
type Manager struct {
	registry *backend.Registry
	feeds    []Feed
	failed   func(feed string, err error)
	first    chan struct{}

	mu      sync.Mutex
	sets    []map[string]Set // by feed, then by pool
	waiting map[wait]bool
	merged  map[string][]backend.Spec
}

// wait is a first set that has not come yet.
type wait struct {
	feed int
	pool string
}

// NewManager returns a manager of these feeds, in order of precedence. failed is
// told of a source that has ended with an error, from a goroutine of its own;
// nil: nobody is.
func NewManager(registry *backend.Registry, feeds []Feed, failed func(feed string, err error)) *Manager {
	m := &Manager{
		registry: registry, feeds: feeds, failed: failed, first: make(chan struct{}),
		sets: make([]map[string]Set, len(feeds)), waiting: map[wait]bool{}, merged: map[string][]backend.Spec{},
	}
	for i, f := range feeds {
		m.sets[i] = map[string]Set{}
		for _, pool := range f.Pools {
			m.waiting[wait{i, pool}] = true
		}
	}
	if len(m.waiting) == 0 {
		close(m.first)
	}
	return m
}

// First is closed when every source has told its first set of each pool, or has
// ended without one.
func (m *Manager) First() <-chan struct{} { return m.first }

// Members returns the connectors of a pool as last merged, with the sources
// that know each of them.
func (m *Manager) Members(pool string) []backend.Spec {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.merged[pool]
}

// Run runs all sources until ctx is done. Sources that failed took nothing with
// them; their errors are returned at the end.
func (m *Manager) Run(ctx context.Context) error {
	errs := make([]error, len(m.feeds))
	var wg sync.WaitGroup
	for i := range m.feeds {
		wg.Go(func() { errs[i] = m.follow(ctx, i) })
	}
	wg.Wait()
	<-ctx.Done() // even when every source has said its last word
	return errors.Join(errs...)
}

// follow runs one source and applies its sets until it ends.
func (m *Manager) follow(ctx context.Context, feed int) error {
	sets := make(chan Set)
	ended := make(chan error, 1)
	go m.runSource(ctx, feed, sets, ended)
	for {
		select {
		case set := <-sets:
			m.apply(feed, set)
		case err := <-ended:
			if err == nil || ctx.Err() != nil {
				m.giveUp(feed)
				return nil
			}
			err = fmt.Errorf("running source %q: %w", m.feeds[feed].Name, err)
			if m.failed != nil { // before First can be closed by it: who waits there has been told why
				m.failed(m.feeds[feed].Name, err)
			}
			m.giveUp(feed)
			return err
		}
	}
}

func (m *Manager) runSource(ctx context.Context, feed int, sets chan<- Set, ended chan<- error) {
	ended <- m.feeds[feed].Source.Run(ctx, sets)
}

// apply puts a set in the place of the feed's last one for that pool.
func (m *Manager) apply(feed int, set Set) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sets[feed][set.Pool] = set
	var sets []Set
	for i := range m.sets {
		if s, ok := m.sets[i][set.Pool]; ok {
			sets = append(sets, s)
		}
	}
	merged := Merge(set.Pool, sets)
	if old, ok := m.merged[set.Pool]; !ok || !reflect.DeepEqual(old, merged) {
		m.merged[set.Pool] = merged
		m.registry.SetMembers(set.Pool, merged)
	}
	m.arrived(wait{feed, set.Pool})
}

// giveUp no longer waits for the first sets of a source that has ended.
func (m *Manager) giveUp(feed int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, pool := range m.feeds[feed].Pools {
		m.arrived(wait{feed, pool})
	}
}

func (m *Manager) arrived(w wait) {
	if !m.waiting[w] {
		return
	}
	delete(m.waiting, w)
	if len(m.waiting) == 0 {
		close(m.first)
	}
}
