package balancer

import (
	"slices"
	"time"

	"weir/internal/backend"
)

// patience is a transaction's one move away from a connector that is silent for
// longer than its peers ever are (P16).
type patience struct {
	ended bool          // it has moved: the next connector is awaited to its deadline
	stage backend.Stage // where
	after time.Duration // how long it had waited; 0 once the observer knows
}

// beginStage tells the observer of an attempt. The ticket's patience is 0 where
// there is nowhere to move to.
func (t *transaction) beginStage(b *backend.Backend, stage backend.Stage, now time.Time) backend.Ticket {
	t.rec.Stage, t.rec.Reached = stage, true
	ticket := t.s.srv.deps.Observer.Begin(b, stage, now)
	if t.patience.after > 0 && t.patience.stage == stage {
		ticket.Moved, t.patience.after = t.patience.after, 0
	}
	if stage == backend.StageFinalDot || ticket.Patience > 0 && !t.mayMove() {
		ticket.Patience = 0
	}
	return ticket
}

// mayMove reports whether there is another connector to move to.
func (t *transaction) mayMove() bool {
	if t.patience.ended || t.s.pinned.Load() != nil || len(t.asked) >= maxCandidates || t.content != nil && !t.content.movable() {
		return false
	}
	for i := range t.places {
		for _, tier := range t.places[i].pool.candidates(false).Tiers {
			for k := range tier.Members {
				c := &tier.Members[k]
				if !slices.Contains(t.asked, c.Backend) && c.Serves(t.req.Needs) {
					return true
				}
			}
		}
	}
	return false
}

// movable reports whether content can still go to another connector.
func (c *content) movable() bool { return c.copy.complete() && c.moves == 0 }

// noteMove remembers that patience has ended.
func (t *transaction) noteMove(ticket *backend.Ticket, f *fault) {
	if f.kind == faultSilent {
		t.patience = patience{ended: true, stage: ticket.Stage, after: ticket.Patience}
	}
}

// lostOrSilent is the fault of a connection that failed, or whose silence has
// outlasted the patience with it.
func lostOrSilent(ticket *backend.Ticket, stage backend.Stage, err error) fault {
	f := lostBy(faultLost, stage, err)
	if f.silent && ticket.Ended(time.Now()) {
		f.kind = faultSilent
	}
	return f
}
