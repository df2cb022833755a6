package health

import "time"

// hold keeps a connector out for a while after traffic took it down. Probes may
// not see what traffic saw, so without it a connector that fails deeper than
// probes look would come back at once, hurt a few more messages, and go on so.
//
// It is all there is of a breaker for now, and the breaker will take its place.
type hold struct {
	until time.Time
	last  time.Duration
}

const (
	holdFirst = 5 * time.Second
	holdMost  = 5 * time.Minute
	// A connector that was up for less than this, or less than twice its last
	// hold, has not recovered: it has relapsed.
	relapse = 30 * time.Second
)

// begin starts a hold; up is how long the connector was up before.
func (h *hold) begin(now time.Time, up time.Duration) {
	if h.last > 0 && up < max(relapse, 2*h.last) {
		h.last = min(2*h.last, holdMost)
	} else {
		h.last = holdFirst
	}
	h.until = now.Add(h.last)
}

// left is how long the hold still lasts; 0 when it is over.
func (h *hold) left(now time.Time) time.Duration { return max(h.until.Sub(now), 0) }
