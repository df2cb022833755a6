package health

import "time"

// moves remembers whether moving on from a silent connector was of any use.
type moves struct {
	ring [20]move
	next int
	some bool // there was one ever: mostly there was not, and each attempt asks
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
	v.next, v.some = (v.next+1)%len(v.ring), true
}

// futile reports whether over half of the last moves were no faster: then what
// is slow stands behind all of them, and moving only adds load (P16).
func (v *moves) futile(now time.Time) bool {
	if !v.some {
		return false
	}
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
