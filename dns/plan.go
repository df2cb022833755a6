package dns

import (
	"maps"
	"slices"
	"strings"
	"time"

	mdns "github.com/miekg/dns"

	"weir/internal/backend"
)

// removalGap is the least time between two members that leave DNS without an
// operator's word: a fault of ours should be seen before it has emptied anything.
const removalGap = 30 * time.Second

// planner makes plans. It is pure but for its memory: it is told the time.
type planner struct {
	cfg *Config
	mem memory
	// After a claim that was refused, names are claimed one by one, and those that
	// were refused alone are left alone for a while.
	careful bool
	barred  map[string]time.Time // until when
}

func newPlanner(cfg *Config) *planner {
	return &planner{cfg: cfg, mem: newMemory(), barred: map[string]time.Time{}}
}

// bar takes in that these names could not be claimed.
func (p *planner) bar(claims []string, until time.Time) {
	p.careful = true
	if len(claims) == 1 {
		p.barred[claims[0]] = until
	}
}

// plan is what should stand in the zone, and what may be written of that now.
type plan struct {
	decisions []*decision
	change    Change   // without the epoch; nothing in Put: there is nothing to write now
	words     []string // what the change does
	damped    bool     // somebody leaves by it whom no operator sent away
	pending   bool     // something differs from what is desired
	next      time.Time
}

// look takes in how things are now. It has to be called whenever they may have
// changed, whether this replica writes or not: hold-downs count from here.
func (p *planner) look(snapshot *backend.Snapshot, cluster Cluster, now time.Time) scene {
	s := sceneOf(p.cfg, snapshot, cluster)
	p.mem.see(s.all(), now)
	return s
}

// asked are the sets to read: at each name all that weir could write, because
// somebody else's record of any type makes the name somebody else's.
func asked(names []Name) []Name {
	var all []Name
	for _, n := range names {
		for _, kind := range []uint16{mdns.TypeA, mdns.TypeAAAA, mdns.TypeMX, mdns.TypeSRV} {
			if ask := (Name{Name: n.Name, Type: kind}); !slices.Contains(all, ask) {
				all = append(all, ask)
			}
		}
	}
	return all
}

// names are the sets that a plan is about.
func (p *planner) names(s scene) []Name {
	sets := layouts(p.cfg, s)
	var names []Name
	for _, l := range append(sets, targets(p.cfg, s, sets)...) {
		names = append(names, l.Name)
	}
	return names
}

// plan compares what should be with what is published.
func (p *planner) plan(s scene, state State, now time.Time) plan {
	d := decider{hold: p.cfg.HoldDown, mem: &p.mem, now: now, met: map[stranger]bool{}}
	sets := layouts(p.cfg, s)
	var decisions []*decision
	for _, l := range sets {
		decisions = append(decisions, d.decide(l, state.set(l.Name)))
	}
	named := mentioned(decisions)
	for _, l := range targets(p.cfg, s, sets) {
		if named[l.Name.Name] {
			decisions = append(decisions, d.decide(l, state.set(l.Name)))
		}
	}
	p.mem.dismiss(d.met)
	// An MX whose target has no address is refused by some: addresses come first.
	slices.SortStableFunc(decisions, func(a, b *decision) int { return order(a.layout.Type) - order(b.layout.Type) })
	out := plan{decisions: decisions}
	out.change.Owner = p.cfg.Owner
	p.respect(&out, state, now)
	p.pace(&out, now)
	p.assemble(&out, state, now)
	return out
}

// mentioned are the targets of MX and SRV records that are published, or should be.
func mentioned(decisions []*decision) map[string]bool {
	named := map[string]bool{}
	for _, dec := range decisions {
		if dec.layout.Type != mdns.TypeMX && dec.layout.Type != mdns.TypeSRV {
			continue
		}
		for _, record := range slices.Concat(dec.present.Records, dec.desired) {
			named[keyOf(dec.layout.Type, record)] = true
		}
	}
	return named
}

// set returns a published set, with its records as weir spells them and in order.
func (s State) set(name Name) Set {
	for _, set := range s.Sets {
		if set.Name == name {
			records := make([]string, len(set.Records))
			for i, record := range set.Records {
				records[i] = plain(name.Type, record)
			}
			slices.Sort(records)
			set.Records = records
			return set
		}
	}
	return Set{Name: name}
}

// respect leaves sets alone whose name is not ours, and claims those that are
// nobody's.
func (p *planner) respect(out *plan, state State, now time.Time) {
	for _, dec := range out.decisions {
		name := dec.layout.Name.Name
		if len(dec.desired) == 0 {
			continue // nobody has an address of that family
		}
		switch holder := state.holder(name); {
		case holder == p.cfg.Owner:
		case holder != "":
			dec.stand(holdForeign, "the TXT record "+OwnerName(name)+" says that it belongs to "+holder+": it is not touched")
		case now.Before(p.barred[name]):
			dec.stand(holdForeign, "could not be claimed: something that is not weir's stands at that name. To hand it over, add the TXT record "+OwnerName(name)+` "owner=`+p.cfg.Owner+`"`)
			out.at(p.barred[name], now)
		case state.used(name):
			dec.stand(holdForeign, "has records that are not weir's: it is not touched. To hand it over, add the TXT record "+OwnerName(name)+` "owner=`+p.cfg.Owner+`"`)
		}
	}
}

// holder returns whose a name is; empty: nobody's.
func (s State) holder(name string) string {
	return strings.TrimPrefix(s.Owners[name], "owner=")
}

// used reports whether there are records of a name.
func (s State) used(name string) bool {
	return slices.ContainsFunc(s.Sets, func(set Set) bool { return set.Name.Name == name && len(set.Records) > 0 })
}

// pace chooses who leaves now: everybody whom an operator sends away, and one of
// the others if the last one left long enough ago. The others stay for this time.
func (p *planner) pace(out *plan, now time.Time) {
	free := p.mem.removed.Add(removalGap)
	var first *removal
	for _, dec := range out.decisions {
		for i := range dec.removals {
			r := &dec.removals[i]
			if !r.ordered && (first == nil || r.since.Before(first.since) || r.since.Equal(first.since) && r.unit < first.unit) {
				first = r
			}
		}
	}
	for _, dec := range out.decisions {
		dec.removals = slices.DeleteFunc(dec.removals, func(r removal) bool {
			if r.ordered || r.unit == first.unit && !now.Before(free) {
				out.damped = out.damped || !r.ordered
				return false
			}
			at := free
			if !now.Before(free) {
				at = now.Add(removalGap)
			}
			dec.say(holdDamping, r.key, r.why+"; not more than one leaves in "+removalGap.String(), at)
			return true
		})
	}
}

// assemble puts the change together, if there is one and it may be written now.
func (p *planner) assemble(out *plan, state State, now time.Time) {
	claims := map[string]bool{}
	for _, dec := range out.decisions {
		set, words := p.put(dec)
		out.pending = out.pending || dec.differs(p.ttl())
		claim := state.holder(set.Name.Name) == ""
		if len(set.Records) > 0 && !(claim && p.careful && len(claims) > 0 && !claims[set.Name.Name]) {
			out.change.Put = append(out.change.Put, set)
			out.words = append(out.words, words)
			if claim {
				claims[set.Name.Name] = true
			}
		}
		for _, at := range dec.due {
			out.at(at, now)
		}
	}
	out.change.Claim = slices.Sorted(maps.Keys(claims))
	if free := p.mem.wrote.Add(p.cfg.MinInterval); len(out.change.Put) > 0 && now.Before(free) {
		out.change.Put, out.change.Claim, out.words, out.damped = nil, nil, nil, false
		out.at(free, now)
	}
}

func order(kind uint16) int {
	if kind == mdns.TypeA || kind == mdns.TypeAAAA {
		return 0
	}
	return 1
}

// put returns the set to write, without records when it stands there already.
func (p *planner) put(dec *decision) (Set, string) {
	leaves := map[string]bool{}
	for _, r := range dec.removals {
		leaves[r.key] = true
	}
	records := dec.records(func(key string) bool { return !leaves[key] })
	if dec.foreign() || len(records) == 0 || dec.present.TTL == p.ttl() && slices.Equal(records, dec.present.Records) {
		return Set{}, ""
	}
	return Set{Name: dec.layout.Name, TTL: p.ttl(), Records: records}, dec.words(records, p.ttl())
}

func (p *planner) ttl() uint32 { return uint32(p.cfg.TTL / time.Second) }

func (dec *decision) foreign() bool {
	return len(dec.holds) == 1 && dec.holds[0].reason == holdForeign
}

// differs reports whether the set is not what it should be.
func (dec *decision) differs(ttl uint32) bool {
	switch {
	case dec.foreign(), len(dec.desired) == 0:
		return false
	case dec.present.TTL != ttl:
		return true
	}
	return !slices.Equal(dec.desired, dec.present.Records)
}

// at notes a moment from which the plan may be another one.
func (out *plan) at(t, now time.Time) {
	if t.After(now) && (out.next.IsZero() || t.Before(out.next)) {
		out.next = t
	}
}

// words says what writing these records does to the set.
func (dec *decision) words(records []string, ttl uint32) string {
	var parts []string
	for _, record := range records {
		if !slices.Contains(dec.present.Records, record) {
			parts = append(parts, "+"+record)
		}
	}
	why := map[string]string{}
	for _, r := range dec.removals {
		why[r.key] = " (" + r.why + ")"
	}
	for _, record := range dec.present.Records {
		if !slices.Contains(records, record) {
			parts = append(parts, "-"+record+why[keyOf(dec.layout.Type, record)])
		}
	}
	if dec.present.TTL != ttl && len(dec.present.Records) > 0 {
		parts = append(parts, "ttl "+(time.Duration(ttl)*time.Second).String())
	}
	return dec.layout.String() + ": " + strings.Join(parts, ", ")
}
