package config

import (
	"slices"

	"weir/internal/meant"
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
		d.checkPeer(p)
	}
	d.checkConsul(w.Consul)
	d.checkAdmin(w)
	d.checkWebhook(&w.Webhook)
	d.checkDNS(w)
	d.checkRoutes(w)
	d.checkListeners(w)
}

// noSuchPool is the fault of naming a pool that is not there.
func noSuchPool(name string, known []string) *fault {
	remedy := "use " + quoted(known...)
	if best := meant.Word(name, known); best != "" {
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
