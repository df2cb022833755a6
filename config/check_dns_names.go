package config

import (
	"slices"
	"strings"
)

// maxLabel and maxDomain bound names in DNS, in octets (RFC 1035 section 2.3.4).
const (
	maxLabel  = 63
	maxDomain = 253
)

// checkRecordName reports whether a record has a name and a type that go together.
func (d *decoder) checkRecordName(z *zone, r *record, path string) bool {
	for _, key := range []string{"name", "type"} {
		if !d.has(path + "." + key) {
			d.report(d.where(path), path, faultf("for example {name: mx-pool, type: A, pool: internet}", "the record has no %s", key))
			return false
		}
	}
	at := path + ".name"
	if d.faulty(at) || d.faulty(path+".type") || d.doubtfulZone(path) {
		return false
	}
	if bad := nameFault(r, z.name); bad != nil {
		d.report(d.where(at), at, bad)
		return false
	}
	if r.kind != "MX" && d.has(path+".preference") {
		d.report(d.where(path+".preference"), path+".preference", faultf("leave it out", "only an MX record has a preference"))
	}
	return true
}

// doubtfulZone reports whether the zone of a record has a name that was refused.
func (d *decoder) doubtfulZone(record string) bool {
	zone, _, _ := strings.Cut(record, ".records")
	return d.faulty(zone + ".zone")
}

// nameFault is what is wrong with a record's name, given its zone and type.
func nameFault(r *record, zone string) *fault {
	full := qualify(r.name, zone)
	below := "a name below " + zone + `, or "@" for the zone itself`
	switch labels := strings.Split(full, "."); {
	case !strings.HasSuffix("."+full, "."+zone+"."):
		return faultf("write "+below, "%q is outside the zone %s", r.name, zone)
	case elsewhere(r.name, full):
		return faultf("write "+below+"; if "+full+" is meant, write that, with the dot", "%q is outside the zone %s", r.name, zone)
	case len(full) > maxDomain-maxLabel:
		return faultf("", "%q is too long: weir needs names of its own beside it", r.name)
	case r.kind == "SRV" && (len(labels) < 3 || len(labels[0]) < 2 || len(labels[1]) < 2 || labels[0][0] != '_' || labels[1][0] != '_'):
		return faultf("for example _smtp._tcp", "%q is no name for an SRV record, which begins with a service and a protocol (RFC 2782)", r.name)
	case r.kind != "SRV" && strings.Contains(full, "_"):
		return faultf("for example mx-pool", "%q has an underscore: it is no name of a host or a mail domain, and type %s is for these", r.name, r.kind)
	}
	return nil
}

// elsewhere reports whether a name that was taken for one below the zone looks
// like a full one of another zone.
func elsewhere(name, full string) bool {
	last := strings.LastIndexByte(name, '.')
	if last < 0 || name == strings.TrimSuffix(full, ".") || strings.HasSuffix(name, ".") {
		return false
	}
	tops := []string{"com", "net", "org", "edu", "gov", "mil", "int", "arpa", "info", "biz", "eu", "example", "test", "invalid", "local", "localhost"}
	return slices.Contains(tops, name[last+1:])
}

// checkTwice reports a second record of one name and type.
func (d *decoder) checkTwice(name, kind, path string, taken map[string]string) {
	other := map[string]string{"A": "AAAA", "AAAA": "A"}[kind]
	for _, key := range []string{name + " " + kind, name + " " + other} {
		first, twice := taken[key]
		switch {
		case twice && strings.HasSuffix(key, " "+kind):
			d.report(d.where(path), path, faultf("keep one of them", "%s has that name and type too", first))
			return
		case twice && other != "":
			d.report(d.where(path), path, faultf("keep type A", "type A keeps the name's AAAA records too: %s has that name", first))
			return
		}
	}
	taken[name+" "+kind] = path
}

// checkBelow reports records that belong to another of the zones, one below: nobody
// would ask this one for them.
func (d *decoder) checkBelow(w *draft, i int) {
	z := &w.zones[i]
	for j := range w.zones {
		below := w.zones[j].name
		if !strings.HasSuffix(below, "."+z.name) {
			continue
		}
		for k := range z.records {
			full, path := qualify(z.records[k].name, z.name), recordPath(zonePath(i), k)+".name"
			if !d.faulty(path) && strings.HasSuffix("."+full, "."+below+".") {
				d.report(d.where(path), path, faultf("move it there", "%q is in the zone %s, which is %s", z.records[k].name, below, zonePath(j)))
			}
		}
	}
}

// checkTargets reports records of addresses at a name that MX or SRV records give a
// connector: the two would be in each other's way.
func (d *decoder) checkTargets(w *draft, z *zone, path string) {
	naming := func(r record) bool { return r.kind == "MX" || r.kind == "SRV" }
	targets := map[string]string{}
	for _, r := range z.records {
		i := slices.IndexFunc(w.pools, func(p *pool) bool { return p.facts.Name == r.pool })
		if i < 0 || !naming(r) {
			continue
		}
		below := "." + z.name + "."
		if slices.ContainsFunc(z.records, func(other record) bool { return naming(other) && other.pool != r.pool }) {
			below = "." + strings.ToLower(r.pool) + below // of several pools, names alone would not tell
		}
		for _, s := range w.pools[i].backends {
			targets[strings.ToLower(s.Name)+below] = s.Name + " of pool " + r.pool
		}
	}
	for i, r := range z.records {
		at := recordPath(path, i) + ".name"
		if connector := targets[qualify(r.name, z.name)]; connector != "" && (r.kind == "A" || r.kind == "AAAA") && !d.faulty(at) {
			d.report(d.where(at), at, faultf("choose another", "the name is that of connector %s, whose address the MX or SRV records need there", connector))
		}
	}
}
