package config

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"weir/policies"
)

// warnRoutes finds routes that do less than they seem to, and mail that has none.
func (d *decoder) warnRoutes(w *draft) {
	routed := w.routed()
	d.warnPools(w, len(routed) > 0)
	if len(w.routes) == 0 {
		return
	}
	if len(routed) == 0 {
		d.caution(d.where("routes"), "routes", faultf("leave pool: out of a listener, or the routes",
			"no listener goes by the routes: each has a pool of its own"))
		return
	}
	for i := range w.routes {
		d.warnRoute(w, i, routed)
	}
	d.warnHidden(w, routed)
	d.warnRest(w, routed)
}

// routed are the names of the listeners that go by routes.
func (w *draft) routed() []string {
	var names []string
	for i := range w.listeners {
		if w.listeners[i].routes {
			names = append(names, w.listeners[i].Name)
		}
	}
	return names
}

// warnPools finds pools that get no mail, and whose records nobody is shown either.
func (d *decoder) warnPools(w *draft, byRoutes bool) {
	for _, p := range w.pools {
		if w.usesPool(p.facts.Name, byRoutes) {
			continue
		}
		d.caution(d.where(p.path), p.path, faultf("name it in a listener or a route, or leave it out",
			"no listener and no route leads mail to this pool"))
	}
}

func (w *draft) usesPool(name string, byRoutes bool) bool {
	inListener := func(l listener) bool { return l.Pool == name }
	inRoute := func(r route) bool {
		return slices.ContainsFunc(r.to, func(t policies.Target) bool { return t.Pool == name })
	}
	inZone := func(z zone) bool {
		return slices.ContainsFunc(z.records, func(r record) bool { return r.pool == name })
	}
	return slices.ContainsFunc(w.listeners, inListener) || byRoutes && slices.ContainsFunc(w.routes, inRoute) || slices.ContainsFunc(w.zones, inZone)
}

func (d *decoder) warnRoute(w *draft, i int, routed []string) {
	r, path := &w.routes[i], routePath(i)
	foreign := func(l string) bool { return !slices.Contains(routed, l) }
	if len(r.listeners) > 0 && !slices.ContainsFunc(r.listeners, func(l string) bool { return !foreign(l) }) {
		d.caution(d.where(path+".listeners"), path, faultf("leave pool: out of one of them, or take the route out",
			"the route is never used: each of its listeners has a pool of its own"))
		return
	}
	for j, l := range r.listeners {
		if key := path + ".listeners[" + strconv.Itoa(j) + "]"; foreign(l) {
			d.caution(d.where(key), key, faultf("leave pool: out of that listener, or take it out here",
				"the listener %q has a pool of its own: none of its mail comes by this route", l))
		}
	}
	to := r.build(i).To
	for j, t := range to {
		same := func(other policies.Target) bool { return other.Pool == t.Pool }
		if first := slices.IndexFunc(to, same); first < j {
			d.caution(d.where(path+".to"), path+".to", faultf("keep one of them",
				"the pool %q is listed twice: with cost %d it is never asked, since it was with %d", t.Pool, t.Cost, to[first].Cost))
		}
	}
}

// warnRest finds listeners some of whose mail no route takes.
func (d *decoder) warnRest(w *draft, routed []string) {
	const remedy = `if that is not meant, add {match: ["*"], to: POOL}`
	for _, l := range routed {
		switch upTo := w.restOf(l); {
		case upTo == 0:
			d.caution(d.where("routes"), "routes", faultf(remedy,
				`no route takes the rest ("*") of listener %q: its mail for other domains is refused with 550 5.7.1`, l))
		case upTo < noLimit:
			d.caution(d.where("routes"), "routes", faultf(remedy,
				`no route takes the rest ("*") of listener %q above %s: larger mail for other domains is refused with 550 5.7.1`, l, sizeText(upTo)))
		}
	}
}

// noLimit is a size that no message has.
const noLimit = math.MaxInt64

// restOf is how large mail of a listener may be that a route takes whatever its
// domain; 0: there is none.
func (w *draft) restOf(listener string) int64 {
	upTo := int64(0)
	for i := range w.routes {
		r := &w.routes[i]
		if len(r.from) == 0 && (len(r.listeners) == 0 || slices.Contains(r.listeners, listener)) && slices.Contains(r.patterns(), "*") {
			upTo = max(upTo, r.limit(w.largest(listener)))
		}
	}
	return upTo
}

// limit is the size up to which the route takes mail of a listener that refuses what
// is larger than largest before it asks for a route.
func (r *route) limit(largest int64) int64 {
	if r.maxSize == 0 || largest > 0 && r.maxSize >= largest {
		return noLimit
	}
	return r.maxSize
}

// largest is limits.message_size of a listener; 0: it has no limit.
func (w *draft) largest(name string) int64 {
	i := slices.IndexFunc(w.listeners, func(l listener) bool { return l.Name == name })
	return w.listeners[i].Limits.MessageSize
}

// warnHidden finds patterns that are never found by their route, because others
// that are asked before it take all of their mail.
func (d *decoder) warnHidden(w *draft, routed []string) {
	sharing := map[string][]int{} // the routes of each pattern
	for i := range w.routes {
		for _, p := range w.routes[i].patterns() {
			sharing[p] = append(sharing[p], i)
		}
	}
	h := hiding{routes: w.routes, routed: routed, largest: map[string]int64{}, known: map[string]map[int]int{}}
	for _, l := range routed {
		h.largest[l] = w.largest(l)
	}
	for i := range w.routes {
		patterns := w.routes[i].patterns()
		hidden, first, by := 0, 0, 0
		for j, p := range patterns {
			other, ok := h.among(sharing[p])[i]
			if !ok {
				continue
			}
			if hidden == 0 {
				first, by = j, other
			}
			hidden++
		}
		if hidden == 0 {
			continue
		}
		what := "the route is never used"
		if hidden < len(patterns) {
			what = quoted(patterns[first]) + " is never found by this route"
		}
		at := d.where(routePath(by))
		if h.routes[by].maxSize != h.routes[i].maxSize {
			d.caution(d.where(routePath(i)), routePath(i), faultf("take it out, or give it other conditions",
				"%s: others, such as %s in line %d, are asked before it and take all that its listeners take (limits.message_size)", what, routePath(by), at.line))
			continue
		}
		d.caution(d.where(routePath(i)), routePath(i), faultf("take it out, or give it other conditions",
			"%s: routes before it, such as %s in line %d, take all of its mail", what, routePath(by), at.line))
	}
}

// hiding finds out which of the routes of one pattern hide which. Most patterns
// are shared by the same routes, or by none.
type hiding struct {
	routes  []route
	routed  []string
	largest map[string]int64       // of each of them; 0: no limit
	known   map[string]map[int]int // by list of routes: the hidden ones, and one that hides each
}

func (h *hiding) among(list []int) map[int]int {
	if len(list) < 2 {
		return nil
	}
	var key []byte
	for _, i := range list {
		key = binary.AppendUvarint(key, uint64(i))
	}
	found, ok := h.known[string(key)]
	if !ok {
		found = h.find(list)
		h.known[string(key)] = found
	}
	return found
}

// claim is mail that routes of one pattern stand side by side for: from a sender
// ("" is anyone), to a listener, up to a size.
type claim struct {
	from, listener string
	size           int64
}

// find goes through the list in the order in which the routes are asked, and
// notes who is the first to take each share.
func (h *hiding) find(list []int) map[int]int {
	taken, hidden := map[claim]int{}, map[int]int{}
	for _, i := range h.ranked(list) {
		r := &h.routes[i]
		listeners, from := r.listens(h.routed), r.from
		if len(from) == 0 {
			from = []string{""}
		}
		free, by := len(listeners) == 0, i
		for _, sender := range from {
			for _, l := range listeners {
				s := claim{sender, l, r.limit(h.largest[l])}
				first, ok := taken[s]
				if !ok {
					taken[s] = i
				}
				if free = free || !ok || first == i; !free {
					by = first
				}
			}
		}
		if !free {
			hidden[i] = by
		}
	}
	return hidden
}

// ranked puts the routes with a condition first, then those for the smaller messages,
// as [policies.Routes] does.
func (h *hiding) ranked(list []int) []int {
	open := func(i int) int {
		if len(h.routes[i].conditions()) == 0 {
			return 1
		}
		return 0
	}
	return slices.SortedStableFunc(slices.Values(list), func(a, b int) int {
		return cmp.Or(cmp.Compare(open(a), open(b)), cmp.Compare(h.routes[a].limit(0), h.routes[b].limit(0)))
	})
}

// listens are the listeners whose mail may come by the route.
func (r *route) listens(routed []string) []string {
	if len(r.listeners) == 0 {
		return routed
	}
	return slices.DeleteFunc(slices.Clone(r.listeners), func(l string) bool { return !slices.Contains(routed, l) })
}
