package config

import (
	"encoding/binary"
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
		takesAll := func(r route) bool {
			return len(r.from) == 0 && r.maxSize == 0 && (len(r.listeners) == 0 || slices.Contains(r.listeners, l)) && slices.Contains(r.patterns(), "*")
		}
		if !slices.ContainsFunc(w.routes, takesAll) {
			d.caution(d.where("routes"), "routes", faultf(remedy,
				`no route takes the rest ("*") of listener %q: its mail for other domains is refused with 550 5.7.1`, l))
		}
	}
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
	h := hiding{routes: w.routes, routed: routed, known: map[string]map[int]int{}}
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
		d.caution(d.where(routePath(i)), routePath(i), faultf("take it out, or give it other conditions",
			"%s: routes before it, such as %s in line %d, take all of its mail", what, routePath(by), at.line))
	}
}

// hiding finds out which of the routes of one pattern hide which. Most patterns
// are shared by the same routes, or by none.
type hiding struct {
	routes []route
	routed []string
	known  map[string]map[int]int // by list of routes: the hidden ones, and one that hides each
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

// rank is where routes of one pattern stand side by side, asked for the same
// mail: from "" is anyone.
type rank struct {
	from string
	size int64
}

func (r *route) ranks() []rank {
	if len(r.from) == 0 {
		return []rank{{size: r.maxSize}}
	}
	all := make([]rank, len(r.from))
	for i, from := range r.from {
		all[i] = rank{from, r.maxSize}
	}
	return all
}

// find goes through the list in the order in which the routes are asked, and
// notes who is the first to take the mail of a listener in each rank.
func (h *hiding) find(list []int) map[int]int {
	open := func(i int) bool { return len(h.routes[i].conditions()) == 0 }
	list = slices.Concat(slices.DeleteFunc(slices.Clone(list), open), slices.DeleteFunc(slices.Clone(list), func(i int) bool { return !open(i) }))
	type share struct {
		rank
		listener string
	}
	taken, hidden := map[share]int{}, map[int]int{}
	for _, i := range list {
		free, by := len(h.routes[i].listens(h.routed)) == 0, i
		for _, r := range h.routes[i].ranks() {
			for _, l := range h.routes[i].listens(h.routed) {
				first, ok := taken[share{r, l}]
				if !ok {
					taken[share{r, l}] = i
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

// listens are the listeners whose mail may come by the route.
func (r *route) listens(routed []string) []string {
	if len(r.listeners) == 0 {
		return routed
	}
	return slices.DeleteFunc(slices.Clone(r.listeners), func(l string) bool { return !slices.Contains(routed, l) })
}
