package health

import "time"

// moves remembers whether moving on from a silent connector was of any use.
type moves struct {
	ring [20]move
	next int
}

type move struct {
	at     time.Time
	faster bool
}

const (
	moveMemory = 10 * time.Minute
	movesKnown = 5 // fewer say nothing
)

func (v *moves) add(now time.Time, faster bool) {
	v.ring[v.next] = move{now, faster}
	v.next = (v.next + 1) % len(v.ring)
}

// futile reports whether over half of the last moves were no faster: then what
// is slow stands behind all of them, and moving only adds load (P16).
func (v *moves) futile(now time.Time) bool {
	n, useless := 0, 0
	for _, m := range v.ring {
		if m.at.IsZero() || now.Sub(m.at) > moveMemory {
			continue
		}
		n++
		if !m.faster {
			useless++
		}
	}
	return n >= movesKnown && 2*useless > n
}
