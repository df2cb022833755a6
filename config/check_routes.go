package config

import (
	"slices"
	"strconv"
	"strings"

	"weir/internal/meant"
)

// checkRoutes reads the files of patterns and finds routes that could not be
// followed: without a pattern or a pool, and two for the same mail.
func (d *decoder) checkRoutes(w *draft) {
	known := w.poolNames()
	for i := range w.routes {
		r, path := &w.routes[i], routePath(i)
		w.origins = append(w.origins, d.originsOf(r, path))
		if d.faulty(path) {
			continue
		}
		if len(r.match) == 0 && r.matchFile == "" && !d.faulty(path+".match") && !d.faulty(path+".match_file") {
			d.report(d.where(path+".match", path), path, &fault{
				"the route matches nothing", `add match: with domains, such as [fax.example.com, "*.fax.example.com"], or ["*"] for the rest`,
			})
		}
		d.checkTo(r, path, known)
	}
	d.checkPatterns(w)
}

// originsOf returns the place of each pattern of a route. Those of its file are
// read here: only now it is known where the key stands.
func (d *decoder) originsOf(r *route, path string) []place {
	var all []place
	for i := range r.match {
		key := path + ".match[" + strconv.Itoa(i) + "]"
		all = append(all, place{path: key, position: d.where(key)})
	}
	if key := path + ".match_file"; r.matchFile != "" {
		found, places := d.readPatterns(r.matchFile, key, d.where(key), pattern)
		r.fromFile = found
		all = append(all, places...)
	}
	return all
}

func (d *decoder) checkTo(r *route, path string, known []string) {
	to := path + ".to"
	if len(r.to) == 0 && !d.faulty(to) {
		d.report(d.where(to, path), path, faultf("add to: with the name of a pool", "the route leads to no pool"))
	}
	if len(known) == 0 {
		return
	}
	for i, target := range r.to {
		key := to
		if one := to + "[" + strconv.Itoa(i) + "]"; d.has(one) {
			key = one + ".pool"
		}
		if d.has(key) && !d.faulty(key) && !slices.Contains(known, target.Pool) {
			d.report(d.where(key), key, noSuchPool(target.Pool, known))
		}
	}
}

// checkPatterns finds patterns that two routes, or one, have under the same
// conditions: which of them were meant?
func (d *decoder) checkPatterns(w *draft) {
	type entry struct{ pattern, conditions string }
	first := map[entry]place{}
	told := 0
	for i := range w.routes {
		r := &w.routes[i]
		conditions := strings.Join(r.conditions(), " ")
		for j, p := range r.patterns() {
			at := w.origins[i][j]
			if p == "" {
				continue // it is wrong, and that was reported
			}
			before, twice := first[entry{p, conditions}]
			if !twice {
				first[entry{p, conditions}] = at
				continue
			}
			if told++; told > mostLines {
				return
			}
			under := ""
			if conditions != "" {
				under = " with the same conditions"
			}
			d.reportAt(at, faultf("keep one of them", "%q has a route%s already, in %s", p, under, before))
		}
	}
}

// checkRouteListeners finds routes for listeners that are not there.
func (d *decoder) checkRouteListeners(w *draft) {
	known := make([]string, len(w.listeners))
	for i := range w.listeners {
		known[i] = w.listeners[i].Name
	}
	for i := range w.routes {
		for j, l := range w.routes[i].listeners {
			path := routePath(i) + ".listeners[" + strconv.Itoa(j) + "]"
			if l == "" || len(known) == 0 || slices.Contains(known, l) {
				continue
			}
			remedy := "use " + quoted(known...)
			if best := meant.Word(l, known); best != "" {
				remedy = "did you mean " + quoted(best) + "?"
			}
			d.report(d.where(path), path, faultf(remedy, "there is no listener %q", l))
		}
	}
}
