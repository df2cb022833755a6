package config

import (
	"slices"

	"weir/balancer"
	"weir/internal/backend"
)

func (d *decoder) checkListeners(w *draft) {
	names := map[string]string{}
	for i := range w.listeners {
		l := &w.listeners[i]
		if !d.has(l.path+".address") && !d.faulty(l.path) {
			d.report(d.where(l.path), l.path, &fault{"the listener has no address", `for example address: ":25"`})
		}
		if l.Name == "" {
			l.Name = backend.NameOf(l.Address)
		}
		d.once(value{path: l.path, at: d.where(l.path+".name", l.path)}, "name", l.Name, names)
		d.checkOverlap(w, i)
		d.checkPool(w, l)
		d.checkTCP(w, l)
		d.checkAccepted(l)
		d.checkEdge(l)
		d.checkAuth(w, l)
	}
	d.checkRouteListeners(w)
}

// checkOverlap reports a listener on an address that an earlier one, or the
// admin server, has taken: it could not be opened.
func (d *decoder) checkOverlap(w *draft, i int) {
	l := &w.listeners[i]
	path := l.path + ".address"
	const remedy = "give each its own address or port"
	for j := range w.listeners[:i] {
		if other := &w.listeners[j]; overlap(l.Address, other.Address) {
			d.report(d.where(path), path, faultf(remedy, "%q overlaps with %q of %s", l.Address, other.Address, other.path))
			return
		}
	}
	if overlap(l.Address, w.Admin.Address) {
		d.report(d.where(path), path, faultf(remedy, "%q overlaps with %q of admin.address", l.Address, w.Admin.Address))
	}
}

// checkPool finds where the mail of a listener goes: to the pool that it names,
// by the routes if there are any, or to the only pool.
func (d *decoder) checkPool(w *draft, l *listener) {
	known := w.poolNames()
	where := d.where(l.path+".routes", l.path)
	tcp := l.Mode == balancer.ModeTCP
	switch routes := (len(w.routes) > 0 || d.faulty("routes")) && !tcp; {
	case len(known) == 0 || d.faulty(l.path+".pool") || d.faulty(l.path+".routes"):
	case l.routes && tcp:
		d.report(where, l.path+".routes", faultf("write pool: "+known[0]+" instead",
			"connections that are passed through (mode: tcp) go to one pool: their recipients are not known"))
	case l.routes && l.Pool != "":
		d.report(where, l.path+".routes", faultf("keep one of them", "the listener has a pool too, %q", l.Pool))
	case l.routes && !routes:
		d.report(where, l.path+".routes", faultf(`add routes: [{match: ["*"], to: `+known[0]+"}] at the top level, or write pool: "+known[0], "there are no routes"))
	case l.Pool == "" && routes && (l.routes || !d.has(l.path+".routes")):
		l.routes = true
	case l.Pool == "" && len(known) == 1:
		l.Pool = known[0]
	case l.Pool == "":
		other := ", or add routes"
		if routes {
			other = ", or routes: true"
		} else if tcp {
			other = ""
		}
		d.report(d.where(l.path), l.path, faultf("write pool: with "+quoted(known...)+other,
			"the listener names no pool, and there are %d", len(known)))
	case !slices.Contains(known, l.Pool):
		d.report(d.where(l.path+".pool"), l.path+".pool", noSuchPool(l.Pool, known))
	}
}

func (w *draft) poolNames() []string {
	known := make([]string, len(w.pools))
	for i, p := range w.pools {
		known[i] = p.facts.Name
	}
	return known
}
