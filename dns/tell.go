package dns

import (
	"strings"

	"weir/internal/events"
)

// area is what may be in trouble, each for reasons of its own.
type area string

const (
	inKeeping area = "noting down"
	inReading area = "reading"
	inWriting area = "writing"
)

// trouble is what is wrong in an area: a kind of error, and its words, which may be
// others with every attempt.
type trouble struct{ kind, words string }

// told is what was told already: events are edges.
type told struct {
	holds     map[holdKey]bool
	troubles  map[area]trouble
	rehearsed string
}

type holdKey struct {
	set    Name
	record string
	reason reason
}

// failed notes what is wrong in an area.
func (p *Publisher) failed(a area, err error) { p.trouble(a, string(resultOf(err)), err.Error()) }

// trouble notes what is wrong in an area, and tells of it when it is of another kind
// than before.
func (p *Publisher) trouble(a area, kind, words string) {
	was := p.told.troubles[a]
	p.told.troubles[a] = trouble{kind, words}
	p.showTroubles()
	if was.kind != kind {
		p.tell("error", words, byWeir)
	}
}

// settle notes that nothing is wrong in an area any more.
func (p *Publisher) settle(a area) {
	if _, bad := p.told.troubles[a]; !bad {
		return
	}
	p.forget(a)
	p.tell("well", string(a)+" works again", byWeir)
}

// forget drops what was wrong in an area, without a word: it does not matter any
// more.
func (p *Publisher) forget(a area) {
	delete(p.told.troubles, a)
	p.showTroubles()
}

func (p *Publisher) showTroubles() {
	var all []string
	for _, a := range []area{inKeeping, inReading, inWriting} {
		if t, bad := p.told.troubles[a]; bad {
			all = append(all, t.words)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status.Error = strings.Join(all, "; ")
}

// tellHolds tells of what is held back anew, but for hold-downs: these are soon
// over, and then there is a write to tell of.
func (p *Publisher) tellHolds(out *plan) {
	now := map[holdKey]bool{}
	for _, dec := range out.decisions {
		for _, h := range dec.holds {
			key := holdKey{dec.layout.Name, h.Record, h.reason}
			if h.reason == holdDamping || h.reason == holdForeign && p.freeze.Released {
				continue // what was given away is somebody else's: that is known
			}
			now[key] = true
			if !p.told.holds[key] {
				p.tell("held", strings.TrimSpace(dec.layout.String()+" "+h.Record)+": "+h.Why, byWeir)
			}
		}
	}
	p.told.holds = now
}

// byWeir is who did what no operator asked for.
const byWeir = "weir"

// tell appends an event. Its words begin with the zone.
func (p *Publisher) tell(to, why, by string) {
	if p.deps.Events != nil {
		p.deps.Events.Append(events.Event{Kind: "dns", To: to, Why: p.cfg.Zone + " " + why, By: by})
	}
}
