package dns

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// reason is a kind of hold; a new one is an event.
type reason string

const (
	holdDamping  reason = "" // soon over by itself: no event
	holdFlapping reason = "flapping"
	holdUnsure   reason = "unsure"
	holdFloor    reason = "floor"
	holdDoubt    reason = "doubt"
	holdForeign  reason = "foreign"
)

// Hold is why a record is not shown, or still is.
type Hold struct {
	Record string    `json:"record,omitempty"` // the address or target; empty: the whole set
	Why    string    `json:"why"`
	Until  time.Time `json:"until,omitzero"` // zero: not by time

	reason reason
}

// removal is a record that may go now.
type removal struct {
	key     string
	unit    string // who goes: one unit at a time
	ordered bool
	since   time.Time
	why     string
}

// arrival is a record that has to wait before it is shown.
type arrival struct {
	key  string
	at   time.Time
	held bool // it has come and gone too often
}

// decision is what the rules want of one set: hold-down, votes and floor. When it
// is written is not its matter.
type decision struct {
	layout    *layout
	published map[string]string // by key
	present   Set               // as it is published; no records: it is not
	desired   []string
	adds      []string // keys
	removals  []removal
	holds     []Hold
	due       []time.Time // when the decision may become another one
}

// decider decides about one set after the other.
type decider struct {
	hold HoldDown
	mem  *memory
	now  time.Time
	met  map[stranger]bool
}

// decide applies the rules to one set.
func (d *decider) decide(l *layout, present Set) *decision {
	dec := &decision{layout: l, present: present, published: map[string]string{}}
	for _, record := range present.Records {
		dec.published[keyOf(l.Type, record)] = record
	}
	var going []removal
	var coming []arrival
	for _, e := range l.entries {
		if _, shown := dec.published[e.key]; shown {
			going = append(going, d.leaving(dec, e)...)
		} else {
			coming = append(coming, d.arriving(dec, e)...)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(dec.published)) {
		if l.entry(key) == nil {
			going = append(going, d.stranger(dec, key)...)
		}
	}
	d.hurry(dec, coming)
	d.remove(dec, going)
	dec.finish()
	return dec
}

// best is who decides about an entry: whoever does most for it.
func (e *entry) best() *member {
	rank := func(m *member) int {
		switch {
		case m.verdict() == in:
			return 0
		case m.verdict() == unsure:
			return 1
		case !m.ordered:
			return 2
		}
		return 3
	}
	return slices.MinFunc(e.members, func(a, b *member) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.track.since.Compare(b.track.since), cmp.Compare(a.id, b.id))
	})
}

// leaving looks at a record that is shown.
func (d *decider) leaving(dec *decision, e *entry) []removal {
	m := e.best()
	if dec.layout.address || m.verdict() == in {
		return nil
	}
	if m.verdict() == unsure {
		dec.say(holdUnsure, e.key, m.why+": it stays as it is", time.Time{})
		return nil
	}
	at := m.track.leaves(d.hold.Out)
	r := removal{key: e.key, unit: m.id, ordered: m.ordered, since: at, why: m.why}
	if d.now.Before(at) {
		dec.say(holdDamping, e.key, "is out, and leaves when that lasts: "+m.why, at)
		return nil
	}
	return []removal{r}
}

// arriving looks at a member's record that is not shown, and returns it when it
// has to wait.
func (d *decider) arriving(dec *decision, e *entry) []arrival {
	if dec.layout.address {
		dec.adds = append(dec.adds, e.key)
		return nil
	}
	m := e.best()
	if m.verdict() != in {
		return nil
	}
	at := m.track.returns(d.hold.In)
	if d.now.Before(at) {
		return []arrival{{key: e.key, at: at, held: m.track.held}}
	}
	dec.adds = append(dec.adds, e.key)
	return nil
}

// stranger looks at a published record that is no member's.
func (d *decider) stranger(dec *decision, key string) []removal {
	who := stranger{dec.layout.Name, key}
	d.met[who] = true
	at := d.mem.meet(who, d.now).Add(d.hold.Out)
	if dec.layout.address {
		at = d.now // it has moved: its old address is of no use to anybody
	}
	if d.now.Before(at) {
		dec.say(holdDamping, key, "belongs to nobody whom weir knows, and leaves when that lasts", at)
		return nil
	}
	return []removal{{key: key, unit: "stranger " + key, since: at, ordered: dec.layout.address, why: "belongs to nobody whom weir knows"}}
}

// hurry lets in at once who would have to wait, when there are too few: a set that
// is short is worse than one that changes often.
func (d *decider) hurry(dec *decision, coming []arrival) {
	short := len(dec.published)+len(dec.adds) < dec.layout.floor
	for _, c := range coming {
		switch {
		case short:
			dec.adds = append(dec.adds, c.key)
		case c.held:
			dec.say(holdFlapping, c.key, "is well, but has come and gone too often", c.at)
		default:
			dec.say(holdDamping, c.key, "is well, and comes back when that lasts", c.at)
		}
	}
	slices.Sort(dec.adds)
}

// remove lets go as many as the floor allows: operators' first, then those that
// have been out for longest.
func (d *decider) remove(dec *decision, going []removal) {
	slices.SortFunc(going, func(a, b removal) int {
		switch {
		case a.ordered != b.ordered && a.ordered:
			return -1
		case a.ordered != b.ordered:
			return 1
		}
		return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.key, b.key))
	})
	left := len(dec.published) + len(dec.adds)
	for _, r := range going {
		switch {
		case dec.layout.doubt != "":
			dec.say(holdDoubt, r.key, r.why+", but "+dec.layout.doubt+": it stays as it is", time.Time{})
		case left <= dec.layout.floor:
			dec.say(holdFloor, r.key, fmt.Sprintf("%s, but %s: the floor is %d", r.why, stay(left), dec.layout.floor), time.Time{})
		default:
			left--
			dec.removals = append(dec.removals, r)
		}
	}
}

func stay(n int) string {
	if n == 1 {
		return "it is the last one"
	}
	return fmt.Sprintf("only %d are left", n)
}

// finish works out the desired records.
func (dec *decision) finish() {
	gone := map[string]bool{}
	for _, r := range dec.removals {
		gone[r.key] = true
	}
	dec.desired = dec.records(func(key string) bool { return !gone[key] })
}

// records returns the set with its additions, and of what is published only what
// stays.
func (dec *decision) records(stays func(key string) bool) []string {
	var records []string
	for key, record := range dec.published {
		if !stays(key) {
			continue
		}
		if e := dec.layout.entry(key); e != nil {
			record = e.rdata
		}
		records = append(records, record)
	}
	for _, key := range dec.adds {
		records = append(records, dec.layout.entry(key).rdata)
	}
	slices.Sort(records)
	return records
}

// stand makes the decision to leave the set alone.
func (dec *decision) stand(why reason, words string) {
	dec.desired, dec.adds, dec.removals = slices.Clone(dec.present.Records), nil, nil
	dec.holds, dec.due = nil, nil
	dec.say(why, "", words, time.Time{})
}

func (dec *decision) say(why reason, record, words string, until time.Time) {
	dec.holds = append(dec.holds, Hold{Record: record, Why: words, Until: until, reason: why})
	if !until.IsZero() {
		dec.due = append(dec.due, until)
	}
}
