package sim

import (
	"cmp"
	"slices"

	"weir/internal/backend"
)

// step is an action on one connector.
type step struct {
	at   int64
	do   action
	ends bool // what has begun by the happening ends, and nothing else
	conn int
	of   *happening
}

// effect is what is the matter with a connector.
type effect struct {
	do action
	of *happening
}

// makeScript lays out what happens, connector by connector.
func (w *world) makeScript() {
	for i := range w.sc.incidents {
		h := &w.sc.incidents[i]
		at := int64(h.at)
		for _, conn := range w.named(h.on) {
			w.connectors[conn].touched = true
			w.stage(h, conn, at)
			at += int64(h.stagger)
		}
	}
	slices.SortStableFunc(w.script, func(a, b step) int { return cmp.Compare(a.at, b.at) })
}

// stage lays out one happening at one connector.
func (w *world) stage(h *happening, conn int, at int64) {
	add := func(at int64, do action, ends bool) { w.script = append(w.script, step{at, do, ends, conn, h}) }
	if h.do == restart && h.lead > 0 {
		add(at, drain, false)
		at += int64(h.lead)
	}
	add(at, h.do, false)
	if h.lasts > 0 {
		add(at+int64(h.lasts), h.do, true)
	}
}

// named returns the connectors of these names, and of these groups, in order.
func (w *world) named(names []string) []int {
	var all []int
	for i := range w.connectors {
		c := &w.connectors[i]
		if slices.Contains(names, c.spec.Name) || slices.Contains(names, w.sc.groups[c.group].name) {
			all = append(all, i)
		}
	}
	return all
}

// play has a step happen.
func (w *world) play(s *step) {
	c := &w.connectors[s.conn]
	without := func(gone func(e effect) bool) { c.effects = slices.DeleteFunc(c.effects, gone) }
	switch {
	case s.ends:
		without(func(e effect) bool { return e.of == s.of })
	case s.do == back:
		without(func(e effect) bool { return e.do != drain && e.do != reweigh })
	case s.do == undrain:
		without(func(e effect) bool { return e.do == drain })
	default:
		if s.of.lasts == 0 { // whatever there was of this kind is never seen again
			without(func(e effect) bool { return e.do == s.do })
		}
		c.effects = append(c.effects, effect{s.do, s.of})
	}
	w.affect(s.conn)
	w.note(s.conn)
	if s.do == restart && !s.ends {
		w.lose(s.conn)
	}
}

// affect works out how a connector is from all that is the matter with it. Of two
// effects of one kind the later one counts, and when that ends the other again.
func (w *world) affect(conn int) {
	c := &w.connectors[conn]
	c.factor, c.mute, c.refusing, c.share, c.restarting = 1, backend.Stages, false, 0, false
	drained, weight := false, w.sc.groups[c.group].weight
	for _, e := range c.effects {
		switch e.do {
		case slow:
			c.factor = e.of.factor
		case stuck:
			c.mute = e.of.stage
		case refuse:
			c.refusing = true
		case deferring:
			c.deferring, c.share = e.of.stage, e.of.share
		case restart:
			c.restarting = true
		case drain:
			drained = true
		case reweigh:
			weight = e.of.weight
		}
	}
	if drained != c.drained {
		w.flag(conn, drained)
	}
	if weight != c.spec.Weight {
		w.reweigh(conn, weight)
	}
}

// flag sets or lifts the drain flag, which all replicas share.
func (w *world) flag(conn int, on bool) {
	w.connectors[conn].drained = on
	fact := backend.AdminFact{Reason: "scenario", By: "scenario", Since: w.time()}
	if on {
		fact.Admin = backend.AdminDrain
	}
	for _, r := range w.replicas {
		r.registry.SetAdmin(w.connectors[conn].spec.ID(), fact)
		r.look()
	}
}

// reweigh gives a connector another weight.
func (w *world) reweigh(conn, weight int) {
	c := &w.connectors[conn]
	if c.first {
		w.weight += weight - c.spec.Weight
		if c.bad {
			w.hurt += weight - c.spec.Weight
		}
	}
	c.spec.Weight = weight
	for _, r := range w.replicas {
		r.registry.SetMembers(poolName, w.specs())
		r.look()
	}
}

// note works out whether a connector is bad now, and should be ejected.
func (w *world) note(conn int) {
	c := &w.connectors[conn]
	sick := !c.drained && (c.mute < backend.Stages || c.refusing || c.restarting || c.share > 0)
	bad := sick || c.factor > 1 || c.restarting
	if bad != c.bad {
		c.bad = bad
		weight := 0
		if c.first {
			weight = c.spec.Weight
		}
		if bad {
			w.ailing, w.hurt = w.ailing+1, w.hurt+weight
		} else {
			w.ailing, w.hurt = w.ailing-1, w.hurt-weight
		}
	}
	switch {
	case sick && !c.sick:
		c.sick, c.since = true, w.now
		c.episode++
	case !sick && c.sick:
		w.endEpisode(conn)
	}
}

// endEpisode counts the replicas that have not ejected a connector while it was sick.
func (w *world) endEpisode(conn int) {
	c := &w.connectors[conn]
	c.sick = false
	for _, r := range w.replicas {
		w.tally.episodes++
		if r.pairs[conn].seen == c.episode {
			w.tally.found++
		}
	}
}

func (w *world) endEpisodes() {
	for i := range w.connectors {
		if w.connectors[i].sick {
			w.endEpisode(i)
		}
	}
}

// lose cuts off what runs at a connector that restarts.
func (w *world) lose(conn int) {
	for _, r := range w.replicas {
		r.pairs[conn].idle = r.pairs[conn].idle[:0]
	}
	var lost []waiter
	for i := range w.txns {
		if t := &w.txns[i]; t.replica != nil && t.conn == int32(conn) {
			lost = append(lost, waiter{int32(i), t.gen})
		}
	}
	for _, l := range lost {
		if t := &w.txns[l.txn]; t.gen == l.gen {
			t.count(w.now, true)
			w.fail(l.txn, backend.Outcome{Verdict: backend.Failure, Why: "connection lost"})
		}
	}
}
