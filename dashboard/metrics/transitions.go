package metrics

import (
	"sync"

	"weir/internal/backend"
	"weir/internal/events"
)

// transitions counts the changes of connectors' states that the event log tells.
type transitions struct {
	mu     sync.Mutex
	last   uint64 // id of the last event that is counted
	counts map[transition]int64
}

type transition struct{ pool, backend, to string }

// follow counts what has happened since the last call, and returns a channel that
// is closed when there is more.
func (t *transitions) follow(log *events.Log) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, more := log.Since(t.last)
	for i := range found {
		e := &found[i]
		t.last = e.ID
		if e.Kind == "backend" && isState(e.To) && e.From != e.To {
			t.counts[transition{e.Pool, e.Backend, e.To}]++
		}
	}
	return more
}

func isState(word string) bool {
	for state := backend.StateStarting; state <= backend.StateDisabled; state++ {
		if state.String() == word {
			return true
		}
	}
	return false
}

// forget drops the counts of connectors that are not known any more.
func (t *transitions) forget(s *backend.Snapshot) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key := range t.counts {
		if !known(s, key.pool, key.backend) {
			delete(t.counts, key)
		}
	}
}

// each calls yield for each count.
func (t *transitions) each(yield func(transition, int64)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, n := range t.counts {
		yield(key, n)
	}
}
