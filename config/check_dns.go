package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"weir/dns/serve"
	"weir/internal/backend"
)

// checkDNS finds zones that could not be kept: what names contradict each other,
// and what no server would take.
func (d *decoder) checkDNS(w *draft) {
	if len(w.zones) > 0 {
		d.checkOwner(w)
	}
	names := map[string]string{}
	for i := range w.zones {
		z, path := &w.zones[i], zonePath(i)
		if d.faulty(path) {
			continue
		}
		if !d.has(path + ".zone") {
			d.report(d.where(path), path, &fault{"the entry names no zone", "for example zone: example.com"})
			continue
		}
		d.once(value{path: path, at: d.where(path + ".zone")}, "zone", z.name, names)
		d.checkRecords(w, z, path)
		d.checkBelow(w, i)
		d.checkTargets(w, z, path)
		d.checkWay(z, path)
		if z.update != nil {
			d.checkUpdate(z.update, path+".update")
		}
		if z.serve != nil {
			d.checkServe(w, i)
		}
	}
}

func zonePath(i int) string { return "dns[" + strconv.Itoa(i) + "]" }

func recordPath(zone string, i int) string { return zone + ".records[" + strconv.Itoa(i) + "]" }

// checkOwner finds a cluster whose name cannot be part of a name in DNS, where
// weir notes which records are its own.
func (d *decoder) checkOwner(w *draft) {
	for label := range strings.SplitSeq(owner(w.Balancer.Cluster), ".") {
		if label == "" || len(label) > maxLabel {
			d.report(d.where("cluster", "dns"), "cluster", faultf("choose a shorter one, without dots",
				"%q cannot be part of a name in DNS, which `dns` needs", w.Balancer.Cluster))
			return
		}
	}
}

// checkWay wants one way to publish a zone: two could tell different truths.
func (d *decoder) checkWay(z *zone, path string) {
	switch {
	case z.update != nil && z.serve != nil:
		d.report(d.where(path+".serve"), path+".serve", faultf("keep one: update writes it on another server, serve answers for it here; secondaries are given by notify",
			"the zone is published by update already"))
	case z.update == nil && z.serve == nil && !d.has(path+".update") && !d.has(path+".serve"):
		d.report(d.where(path), path, faultf(`for example update: {servers: ["10.0.0.53:53"], key_file: weir.key}, or serve: {ns: [ns1.example.com]}`,
			"the file does not say how the zone is published"))
	}
}

func (d *decoder) checkRecords(w *draft, z *zone, path string) {
	if len(z.records) == 0 && !d.faulty(path+".records") {
		d.report(d.where(path+".records", path), path, faultf("for example records: [{name: mx-pool, type: A, pool: internet}]",
			"the zone has no records to keep"))
	}
	taken := map[string]string{}
	for i := range z.records {
		r, at := &z.records[i], recordPath(path, i)
		if d.faulty(at) {
			continue
		}
		if d.checkRecordName(z, r, at) {
			d.checkTwice(qualify(r.name, z.name), r.kind, at, taken)
		}
		d.checkMembers(w, r, at)
	}
}

// checkMembers finds records that would have nothing in them.
func (d *decoder) checkMembers(w *draft, r *record, path string) {
	switch {
	case d.faulty(path+".pool") || d.faulty(path+".replicas") || d.faulty(path+".type"):
	case r.pool != "" && r.replicas:
		d.report(d.where(path+".replicas"), path+".replicas", faultf("keep one of them", "pool is given too: a record shows connectors or replicas of weir"))
	case r.pool == "" && !r.replicas:
		d.report(d.where(path), path, faultf("write pool: NAME for its connectors, or replicas: true for weir's own", "the record does not say what it shows"))
	case r.replicas:
		d.checkReplicas(w, r, path+".replicas")
	default:
		d.checkPoolOfRecord(w, r, path)
	}
}

func (d *decoder) checkReplicas(w *draft, r *record, path string) {
	switch {
	case d.faulty("advertise"):
	case r.kind == "SRV":
		d.report(d.where(path), path, faultf("use type A or MX", "an SRV record tells ports, and a replica may listen on several"))
	case len(w.Advertise) == 0:
		d.report(d.where(path), path, faultf("for example advertise: [192.0.2.10] at the top level",
			"the file does not say by which addresses this replica is reached"))
	case r.kind == "AAAA" && !slices.ContainsFunc(w.Advertise, netip.Addr.Is6):
		d.report(d.where(path), path, faultf("add one, or use type A", "there is no IPv6 address in advertise"))
	}
}

func (d *decoder) checkPoolOfRecord(w *draft, r *record, path string) {
	known := make([]string, len(w.pools))
	for i, p := range w.pools {
		known[i] = p.facts.Name
	}
	i := slices.Index(known, r.pool)
	if i < 0 {
		if len(known) > 0 {
			d.report(d.where(path+".pool"), path+".pool", noSuchPool(r.pool, known))
		}
		return
	}
	if p := w.pools[i]; r.kind == "AAAA" && onlyStatic(p) && !slices.ContainsFunc(p.backends, func(s backend.Spec) bool { return published(s).Is6() }) && !d.doubtful(p, "backends") {
		d.report(d.where(path+".type"), path+".type", faultf("use type A, or give its backends publish: with an IPv6 address",
			"pool %s has no connector with an IPv6 address", r.pool))
	}
}

// onlyStatic reports whether all connectors of a pool are in the file.
func onlyStatic(p *pool) bool {
	return len(p.backends) > 0 && p.consul == nil && p.dns == nil && p.file == ""
}

// published is the address that DNS shows of a connector.
func published(s backend.Spec) netip.Addr {
	if s.Publish.IsValid() {
		return s.Publish
	}
	ip, _ := addressKey(s.Address)
	return ip
}

// warnDNS finds what is allowed in a zone, and yet hardly meant.
func (d *decoder) warnDNS(w *draft) {
	for i := range w.zones {
		z, path := &w.zones[i], zonePath(i)
		addresses := slices.ContainsFunc(z.records, func(r record) bool { return r.kind == "A" || r.kind == "AAAA" })
		if seconds := z.ttl.Seconds(); addresses && (seconds < 30 || seconds > 300) {
			d.caution(d.where(path+".ttl"), path+".ttl", faultf("30s to 300s suit addresses",
				"%s: shorter burdens the name servers, longer sends mail to connectors that have left", short(z.ttl)))
		}
		for j := range z.records {
			d.warnRecord(w, z, j, path)
		}
		if z.serve == nil {
			continue
		}
		warnings, _ := serve.Check(z.build(&w.Balancer)) // whose errors are known by now
		for _, text := range warnings {
			d.caution(d.where(path+".serve"), path+".serve", faultf("", "%s", text))
		}
	}
}

func (d *decoder) warnRecord(w *draft, z *zone, i int, zonePath string) {
	r, path := &z.records[i], recordPath(zonePath, i)
	for _, ip := range w.Advertise {
		if r.replicas && ip.IsLoopback() {
			d.cautionLoopback(path, ip, "advertise")
			return
		}
	}
	at := slices.IndexFunc(w.pools, func(p *pool) bool { return p.facts.Name == r.pool })
	if at < 0 {
		return
	}
	p := w.pools[at]
	if n := len(p.backends); onlyStatic(p) && z.minRecords > n {
		d.caution(d.where(zonePath+".min_records"), zonePath+".min_records", faultf("make it "+strconv.Itoa(n)+" or less",
			"%d is more than the connectors of pool %s, %d: none of them is ever withdrawn", z.minRecords, r.pool, n))
	}
	for _, s := range p.backends {
		if ip := published(s); ip.IsLoopback() {
			d.cautionLoopback(path, ip, fmt.Sprintf("connector %s, unless it is given publish:", s.Name))
			return
		}
	}
}

func (d *decoder) cautionLoopback(path string, ip netip.Addr, of string) {
	d.caution(d.where(path), path, faultf("publish addresses that senders can reach",
		"it would show %s, which is every sender's own machine (%s)", ip, of))
}
