package balancer

import "sync"

// tally counts what runs. Unlike a sync.WaitGroup it may rise from zero while
// somebody waits for zero: a connection that is said goodbye to late is no error.
type tally struct {
	mu      sync.Mutex
	n       int
	waiters []chan struct{}
}

func (t *tally) add() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
}

func (t *tally) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n--; t.n > 0 {
		return
	}
	for _, w := range t.waiters {
		close(w)
	}
	t.waiters = nil
}

// zero returns a channel that is closed when nothing runs.
func (t *tally) zero() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := make(chan struct{})
	if t.n == 0 {
		close(w)
	} else {
		t.waiters = append(t.waiters, w)
	}
	return w
}
