package demo

import "sync"

// ledger knows of every message whether its sender was told that it is
// accepted, and how often a connector has stored it. It costs an octet a message.
type ledger struct {
	mu       sync.Mutex
	entries  []uint8
	accepted int
	retried  int // messages whose first try was not accepted
}

// The bits of an entry: a flag, and above it a count that stops at its maximum.
const (
	entryAccepted = 1
	entryStored   = 2
	entryFull     = 0xfe
)

// open returns the number of a new message.
func (l *ledger) open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, 0)
	return len(l.entries) - 1
}

// accept notes that the sender was told that weir has taken the message.
func (l *ledger) accept(id int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[id] |= entryAccepted
	l.accepted++
}

// retry notes that a message's first try was not accepted.
func (l *ledger) retry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retried++
}

// store notes that a connector has stored the message. Numbers that were never
// given are not ours.
func (l *ledger) store(id int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id >= 0 && id < len(l.entries) && l.entries[id] < entryFull {
		l.entries[id] += entryStored
	}
}

// tally is the ledger summed up.
type tally struct {
	Accepted   int // the sender was told so
	Once       int // of those, found in exactly one place
	Lost       int // of those, found nowhere
	Duplicated int // found more than once, accepted or not
	Open       int // not accepted: their senders still have them
	Retried    int // their first try was not accepted
}

func (l *ledger) sum() tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := tally{Accepted: l.accepted, Retried: l.retried}
	for _, e := range l.entries {
		accepted, stored := e&entryAccepted != 0, e/entryStored
		switch {
		case accepted && stored == 0:
			t.Lost++
		case accepted && stored == 1:
			t.Once++
		case !accepted:
			t.Open++
		}
		if stored > 1 {
			t.Duplicated++
		}
	}
	return t
}

// counts returns what the line of each second shows.
func (l *ledger) counts() (accepted, retried int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accepted, l.retried
}
