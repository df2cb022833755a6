package events

import (
	"sync"
	"time"

	"weir/internal/backend"
)

// Event is one transition.
type Event struct {
	ID      uint64    `json:"id"`
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"` // backend | pool | discovery | …
	Pool    string    `json:"pool,omitempty"`
	Backend string    `json:"backend,omitempty"`
	From    string    `json:"from,omitempty"`
	To      string    `json:"to,omitempty"`
	Why     string    `json:"why,omitempty"`
	By      string    `json:"by,omitempty"`
}

// OfBackend returns the event of a connector's transition; Log stamps it.
func OfBackend(id backend.ID, from, to, why, by string) Event {
	return Event{Kind: "backend", Pool: id.Pool, Backend: id.Name, From: from, To: to, Why: why, By: by}
}

// Log is the ring. Make it with [NewLog]; it is safe for use by many goroutines.
type Log struct {
	now func() time.Time

	mu      sync.Mutex
	ring    []Event
	next    uint64 // id of the next event; ids start at 1
	changed chan struct{}
}

// NewLog returns a log that keeps the last size events, at least one.
func NewLog(size int) *Log {
	return &Log{now: time.Now, ring: make([]Event, max(size, 1)), next: 1, changed: make(chan struct{})}
}

// Append stamps an event with the next id and, unless it has one, the time.
func (l *Log) Append(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.ID = l.next
	if e.Time.IsZero() {
		e.Time = l.now()
	}
	l.ring[l.next%uint64(len(l.ring))] = e
	l.next++
	close(l.changed)
	l.changed = make(chan struct{})
}

// Since returns the kept events after the one with that id, oldest first, and
// a channel that is closed when there are more. Since(0) returns all that are
// kept; so does an id that was never given out, because whoever holds one read
// it from another life of the process, where counting began anew too.
func (l *Log) Since(id uint64) ([]Event, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id >= l.next {
		id = 0
	}
	first := id + 1
	if kept := uint64(len(l.ring)); l.next > kept {
		first = max(first, l.next-kept)
	}
	var out []Event
	for i := first; i < l.next; i++ {
		out = append(out, l.ring[i%uint64(len(l.ring))])
	}
	return out, l.changed
}
