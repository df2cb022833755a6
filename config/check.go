package config

import (
	"slices"

	"weir/internal/backend"
)

// check finds what no single value shows. What follows from a mistake that was
// reported already is not reported again.
func (d *decoder) check(w *draft) {
	if !d.has("listeners") {
		d.report(position{line: 1, column: 1}, "", noListeners())
	}
	if !d.has("pools") {
		d.report(position{line: 1, column: 1}, "", noPools())
	}
	for _, p := range w.pools {
		d.checkSources(w, p)
		d.checkHealth(p)
	}
	d.checkConsul(w.Consul)
	d.checkAdmin(w)
	d.checkWebhook(&w.Webhook)
	d.checkDNS(w)
	names := map[string]string{}
	for i := range w.Balancer.Listeners {
		d.checkListener(w, i, names)
	}
}

func (d *decoder) checkListener(w *draft, i int, names map[string]string) {
	l, path := &w.Balancer.Listeners[i], w.paths[i]
	if !d.has(path+".address") && !d.faulty(path) {
		d.report(d.where(path), path, &fault{"the listener has no address", `for example address: ":25"`})
	}
	if l.Name == "" {
		l.Name = backend.NameOf(l.Address)
	}
	d.once(value{path: path, at: d.where(path+".name", path)}, "name", l.Name, names)
	d.checkOverlap(w, i)
	d.checkPool(w, i)
}

// checkOverlap reports a listener on an address that an earlier one, or the
// admin server, has taken: it could not be opened.
func (d *decoder) checkOverlap(w *draft, i int) {
	l, path := w.Balancer.Listeners[i], w.paths[i]+".address"
	const remedy = "give each its own address or port"
	for j, other := range w.Balancer.Listeners[:i] {
		if overlap(l.Address, other.Address) {
			d.report(d.where(path), path, faultf(remedy, "%q overlaps with %q of %s", l.Address, other.Address, w.paths[j]))
			return
		}
	}
	if overlap(l.Address, w.Admin.Address) {
		d.report(d.where(path), path, faultf(remedy, "%q overlaps with %q of admin.address", l.Address, w.Admin.Address))
	}
}

// checkPool finds the pool of a listener: the one it names, or the only one.
func (d *decoder) checkPool(w *draft, i int) {
	l, path := &w.Balancer.Listeners[i], w.paths[i]
	known := make([]string, len(w.pools))
	for j, p := range w.pools {
		known[j] = p.facts.Name
	}
	switch {
	case len(known) == 0 || d.faulty(path+".pool"):
	case l.Pool == "" && len(known) == 1:
		l.Pool = known[0]
	case l.Pool == "":
		d.report(d.where(path), path, faultf("routes are not supported yet: write pool: with "+quoted(known...),
			"the listener names no pool, and there are %d", len(known)))
	case !slices.Contains(known, l.Pool):
		d.report(d.where(path+".pool"), path+".pool", noSuchPool(l.Pool, known))
	}
}

// noSuchPool is the fault of naming a pool that is not there.
func noSuchPool(name string, known []string) *fault {
	remedy := "use " + quoted(known...)
	if best := nearest(name, known); best != "" {
		remedy = "did you mean " + quoted(best) + "?"
	}
	return faultf(remedy, "there is no pool %q", name)
}

// once reports a word that another item of the list has as well, and whether
// none has it.
func (d *decoder) once(v value, what, word string, taken map[string]string) bool {
	if word == "" {
		return true
	}
	if first, twice := taken[word]; twice {
		d.reject(v, "", "its %s %q is that of %s too", what, word, first)
		return false
	}
	taken[word] = v.path
	return true
}

// has reports whether the file gives a value for the key at path, or for one
// that probably was meant to be it.
func (d *decoder) has(path string) bool {
	_, ok := d.seen[path]
	return ok
}

// where is the place of the first of these paths that the file has.
func (d *decoder) where(paths ...string) position {
	for _, path := range paths {
		if at, ok := d.seen[path]; ok {
			return at
		}
	}
	return position{line: 1, column: 1}
}

// faulty reports whether something is wrong at the path itself.
func (d *decoder) faulty(path string) bool {
	return slices.ContainsFunc(d.problems, func(p Problem) bool { return p.Path == path })
}

func noListeners() *fault {
	return &fault{"there are no listeners", `for example listeners: [{address: ":25"}]`}
}

func noPools() *fault {
	return &fault{"there are no pools", `for example pools: {internet: {backends: ["10.0.0.11:25"]}}`}
}

func noBackends() *fault {
	return &fault{"the pool has no backends", `for example backends: ["10.0.0.11:25", "10.0.0.12:25"]; or name a consul service, a dns name or a file`}
}
