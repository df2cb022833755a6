package health

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/internal/backend"
	"weir/internal/events"
)

// The words for what has changed, as an event's "to".
const (
	changeLost   = "lost"     // a warning: an extension, or room for large messages
	changeGained = "changed"  // nothing that was there is missing
	changeEnding = "expiring" // a warning: the certificate
)

// ladder remembers what one connector offered in its last probe, to tell what
// has changed: one that suddenly lost extensions is sick, or was set up anew
// (P30). It is pure, and its zero value is ready for use.
type ladder struct {
	known       bool
	offers      []string
	size        int64
	certificate time.Time
	remark      string
}

// climb takes in a probe and returns the events that it makes.
func (l *ladder) climb(id backend.ID, r *Report) []events.Event {
	var all []events.Event
	say := func(kind, to, why string) {
		all = append(all, events.Event{Kind: kind, Pool: id.Pool, Backend: id.Name, To: to, Why: why, By: byProbe})
	}
	if r.Capabilities.Known {
		if to, why := l.compare(r); l.known && why != "" {
			say("capabilities", to, why)
		}
		l.known, l.offers, l.size = true, r.Offers, r.Capabilities.Size
	}
	if r.Certificate.IsZero() {
		return all
	}
	if last := l.certificate; !last.IsZero() && !last.Equal(r.Certificate) {
		say("certificate", changeGained, fmt.Sprintf("a new certificate, until %s; the last one was until %s", day(r.Certificate), day(last)))
	}
	if r.Remark != "" && r.Remark != l.remark { // it counts days, so it is said once a day
		say("certificate", changeEnding, r.Remark)
	}
	l.certificate, l.remark = r.Certificate, r.Remark
	return all
}

// compare says what the connector offers otherwise than before.
func (l *ladder) compare(r *Report) (to, why string) {
	to = changeGained
	var words []string
	if lost := without(l.offers, r.Offers); lost != nil {
		words, to = append(words, "lost "+strings.Join(lost, ", ")), changeLost
	}
	if gained := without(r.Offers, l.offers); gained != nil {
		words = append(words, "gained "+strings.Join(gained, ", "))
	}
	const size = "SIZE"
	if l.size != r.Capabilities.Size && slices.Contains(l.offers, size) && slices.Contains(r.Offers, size) {
		words = append(words, "SIZE "+sizeOf(l.size)+" → "+sizeOf(r.Capabilities.Size))
		if l.size == 0 || r.Capabilities.Size > 0 && r.Capabilities.Size < l.size {
			to = changeLost
		}
	}
	return to, strings.Join(words, "; ")
}

// without returns what is in all and not in others.
func without(all, others []string) []string {
	var rest []string
	for _, word := range all {
		if !slices.Contains(others, word) {
			rest = append(rest, word)
		}
	}
	return rest
}

// sizeOf shows a SIZE; 0 is no limit (RFC 1870 section 3).
func sizeOf(n int64) string {
	if n == 0 {
		return "unlimited"
	}
	return fmt.Sprint(n)
}
