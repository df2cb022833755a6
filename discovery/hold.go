package discovery

import (
	"fmt"
	"maps"
	"time"

	"weir/internal/backend"
)

// holdback judges the answers of one source for one pool, and keeps what a
// suspicious one would take away. It is pure: it is told the time.
//
// An answer is suspicious when it lacks more than half of the connectors that
// good answers named within the last hold. A registry that lost its state, or
// whose rights were taken away, answers that way, and so does one that forgets
// its entries one after the other; hence the window. A connector that probes
// called down when it left does not count: there, two agree.
//
// Once one is held, nobody is missed until all are back, time is over or probes
// agree: a registry that lost its state gets it back entry by entry, and half of
// it is not yet the truth.
type holdback struct {
	known bool           // good is one, even if it is empty
	good  []backend.Spec // the last good answer
	// left has the connectors that went with good answers, by address, and when.
	left map[string]time.Time

	holding bool
	held    []backend.Spec // the suspicious answer
	sure    bool           // the source stands by it: only then time ends the hold
	until   time.Time
	lost    int // the connectors that made it suspicious …
	of      int // … and out of how many
}

// hear takes an answer in. Hold 0 believes everything. Down tells what probes
// say of the connector at an address.
func (h *holdback) hear(specs []backend.Spec, sure bool, hold time.Duration, now time.Time, down func(string) bool) {
	if hold <= 0 {
		h.restore(specs)
		return
	}
	missing := h.missing(specs)
	suspicious := h.suspicious(specs, missing, hold, now)
	if !suspicious && (!h.holding || len(missing) == 0) {
		h.accept(specs, missing, now, down)
		return
	}
	if !h.holding || sure && !h.sure {
		h.until = now.Add(hold)
	}
	h.holding, h.held, h.sure = true, specs, sure
	h.look(now, down)
}

// unsure says that the source cannot be asked any more: what it said last can
// no longer come true by standing long enough.
func (h *holdback) unsure() { h.sure = false }

// look ends the hold when time or the probes say so.
func (h *holdback) look(now time.Time, down func(string) bool) {
	if !h.holding {
		return
	}
	agreed := true
	for _, spec := range h.missing(h.held) {
		agreed = agreed && down(spec.Address)
	}
	if agreed || h.sure && !now.Before(h.until) {
		h.restore(h.held)
	}
}

// restore makes a set the last good one with which everything begins.
func (h *holdback) restore(specs []backend.Spec) { *h = holdback{known: true, good: specs} }

func (h *holdback) accept(specs, missing []backend.Spec, now time.Time, down func(string) bool) {
	for _, spec := range specs {
		delete(h.left, spec.Address)
	}
	for _, spec := range missing {
		if down(spec.Address) {
			continue
		}
		if h.left == nil {
			h.left = map[string]time.Time{}
		}
		h.left[spec.Address] = now
	}
	*h = holdback{known: true, good: specs, left: h.left}
}

// suspicious reports whether too many are gone, and counts them.
func (h *holdback) suspicious(specs, missing []backend.Spec, hold time.Duration, now time.Time) bool {
	maps.DeleteFunc(h.left, func(_ string, at time.Time) bool { return now.Sub(at) >= hold })
	h.lost, h.of = len(missing), len(h.good)+len(h.left)
	if len(h.left) > 0 {
		named := addresses(specs)
		for address := range h.left {
			if !named[address] {
				h.lost++
			}
		}
	}
	return 2*h.lost > h.of && len(missing) > 0
}

// missing returns the good connectors that an answer does not name.
func (h *holdback) missing(specs []backend.Spec) []backend.Spec {
	if same(h.good, specs) {
		return nil
	}
	named := addresses(specs)
	var missing []backend.Spec
	for i := range h.good {
		if !named[h.good[i].Address] {
			missing = append(missing, h.good[i])
		}
	}
	return missing
}

func addresses(specs []backend.Spec) map[string]bool {
	named := make(map[string]bool, len(specs))
	for i := range specs {
		named[specs[i].Address] = true
	}
	return named
}

// want returns what should be applied: the last good answer; while another one
// is held, with what that adds. What stays comes first, so that a newcomer of the
// same name cannot take it from a connector at work.
func (h *holdback) want() []backend.Spec {
	if !h.holding {
		return h.good
	}
	answer := make(map[string]backend.Spec, len(h.held))
	for _, spec := range h.held {
		answer[spec.Address] = spec
	}
	all := make([]backend.Spec, 0, len(h.good)+len(h.held))
	for _, spec := range h.good {
		if newer, ok := answer[spec.Address]; ok {
			spec = newer
			delete(answer, spec.Address)
		}
		all = append(all, spec)
	}
	for _, spec := range h.held { // in its order
		if _, ok := answer[spec.Address]; ok {
			all = append(all, spec)
			delete(answer, spec.Address)
		}
	}
	return all
}

// words says what is held, for people.
func (h *holdback) words() string {
	kept := len(h.missing(h.held))
	what := fmt.Sprintf("answered without %d of %d connectors: keeping %d", h.lost, h.of, kept)
	if len(h.held) == 0 {
		what = fmt.Sprintf("answered empty: keeping %d connector%s", kept, plural(kept))
	}
	if !h.sure {
		return what + " until it is sure of that, or probes agree"
	}
	return what + " until " + h.until.UTC().Format("15:04:05 UTC") + " unless probes agree"
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}
