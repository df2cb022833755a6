package dns

import (
	"math"
	"time"
)

const (
	// A connector that comes and goes is damped as routes are (RFC 2439): each time
	// it goes costs a penalty, which halves with time.
	flapPenalty  = 1000.0
	flapHalf     = 5 * time.Minute
	flapHeld     = 3000.0 // from here on it stays out …
	flapReleased = 1000.0 // … until here
	flapMost     = 8000.0 // never held longer than a quarter of an hour after it went last
)

// track is what is remembered of a member.
type track struct {
	health  verdict
	since   time.Time // of health
	sure    verdict   // the last one that was not unsure
	ordered time.Time // since when an operator has it out; zero: none has

	penalty float64 // at the time
	at      time.Time
	held    bool // it has come and gone too often
	seen    time.Time
}

// see takes the member's verdict of now.
func (t *track) see(m *member, now time.Time) {
	t.seen = now
	if t.since.IsZero() || t.health != m.health {
		t.health, t.since = m.health, now
	}
	switch {
	case !m.ordered:
		t.ordered = time.Time{}
	case t.ordered.IsZero():
		t.ordered = now
	}
	if m.health == out && t.sure == in && !m.ordered {
		t.penalty, t.at = min(t.decayed(now)+flapPenalty, flapMost), now
	}
	if m.health != unsure {
		t.sure = m.health
	}
	t.held = t.decayed(now) >= flapHeld || t.held && t.decayed(now) > flapReleased
}

// decayed is what is left of the penalty.
func (t *track) decayed(now time.Time) float64 {
	if t.penalty == 0 {
		return 0
	}
	return t.penalty * math.Exp2(-now.Sub(t.at).Seconds()/flapHalf.Seconds())
}

// released is when a held one may come back.
func (t *track) released() time.Time {
	halves := math.Log2(t.penalty / flapReleased)
	return t.at.Add(time.Duration(halves*float64(flapHalf)).Truncate(time.Second) + time.Second)
}

// leaves is when DNS drops a member that is out.
func (t *track) leaves(hold time.Duration) time.Time {
	if !t.ordered.IsZero() {
		return t.ordered
	}
	return t.since.Add(hold)
}

// returns is when DNS shows a member that is in.
func (t *track) returns(hold time.Duration) time.Time {
	at := t.since.Add(hold)
	if t.held && at.Before(t.released()) {
		at = t.released()
	}
	return at
}

// forgotten reports whether nothing of one that has left is worth remembering.
func (t *track) forgotten(now time.Time) bool {
	return !t.seen.Equal(now) && t.decayed(now) < flapPenalty/10
}
