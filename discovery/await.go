package discovery

import (
	"context"
	"fmt"
	"slices"
)

// waiter waits for the sources of some pools.
type waiter struct {
	pools []string
	done  chan struct{}
}

// Await returns when every source of these pools has told its first set, which the
// registry has then, or has ended without one. It needs [Manager.Run] to be under
// way, and returns when that ends; else when ctx is done, with its error.
func (m *Manager) Await(ctx context.Context, pools []string) error {
	w := &waiter{pools, make(chan struct{})}
	m.mu.Lock()
	m.waiters = append(m.waiters, w)
	m.mu.Unlock()
	m.nudge()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		m.mu.Lock()
		defer m.mu.Unlock()
		m.waiters = slices.DeleteFunc(m.waiters, func(o *waiter) bool { return o == w })
		return fmt.Errorf("awaiting the first sets: %w", ctx.Err())
	}
}

// serveWaiters lets those go on whose pools have been told of. The lock is held.
func (m *Manager) serveWaiters() {
	m.waiters = slices.DeleteFunc(m.waiters, func(w *waiter) bool {
		for _, r := range m.runs {
			for _, t := range r.tracks {
				if slices.Contains(w.pools, t.pool) && !t.arrived && !r.ended {
					return false
				}
			}
		}
		close(w.done)
		return true
	})
}

// dismiss lets all go on that wait: nobody will tell anything any more.
func (m *Manager) dismiss() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.waiters {
		close(w.done)
	}
	m.waiters = nil
}
