package config

import "weir/dns"

// zoneList is the rule for the list of zones that weir keeps.
func (w *draft) zoneList() rule {
	read := func(d *decoder, v value) {
		items, ok := d.list(v)
		if !ok {
			return
		}
		for _, item := range items {
			z := newZone()
			d.section(item, zoneFields(&z))
			w.zones = append(w.zones, z)
		}
	}
	show := func(whole bool) *node {
		return showList(w.zones, whole, zoneFields, newZone(), func(z *zone) string { return z.name })
	}
	return rule{keys: zoneFields(new(zone)), each: "[]", read: read, show: show}
}

func zoneFields(z *zone) []field {
	return []field{
		{"zone", scalar(&z.name, zoneName)},
		{"ttl", scalar(&z.ttl, timeToLive)},
		{"records", recordList(&z.records)},
		{"update", optional(&z.update, zoneUpdate{}, updateFields)},
		{"serve", optional(&z.serve, newServe(), serveFields)},
		{"hold_down", section(holdDownFields(&z.holdDown)...)},
		{"min_interval", scalar(&z.minInterval, duration)},
		{"min_records", scalar(&z.minRecords, atLeast(1))},
		{"dry_run", scalar(&z.dryRun, flag)},
	}
}

func holdDownFields(h *dns.HoldDown) []field {
	return []field{
		{"out", scalar(&h.Out, duration)},
		{"in", scalar(&h.In, duration)},
	}
}

// recordList is the rule for a zone's records.
func recordList(dst *[]record) rule {
	read := func(d *decoder, v value) {
		items, ok := d.list(v)
		if !ok {
			return
		}
		*dst = nil
		for _, item := range items {
			r := newRecord()
			d.section(item, recordFields(&r))
			*dst = append(*dst, r)
		}
	}
	show := func(whole bool) *node {
		return showList(*dst, whole, recordFields, newRecord(), func(r *record) string { return r.name + " " + r.kind })
	}
	return rule{keys: recordFields(new(record)), each: "[]", read: read, show: show}
}

func recordFields(r *record) []field {
	preference := scalar(&r.preference, count(0, 65535))
	always := preference.show
	preference.show = func(whole bool) *node {
		if r.kind != "MX" {
			return nil
		}
		return always(whole)
	}
	return []field{
		{"name", scalar(&r.name, recordName)},
		{"type", scalar(&r.kind, recordType)},
		{"pool", ifSet(&r.pool, scalar(&r.pool, text))},
		{"replicas", ifSet(&r.replicas, scalar(&r.replicas, flag))},
		{"preference", preference},
	}
}

func updateFields(u *zoneUpdate) []field {
	return []field{
		{"servers", scalars(&u.servers, dnsServer)},
		{"key_file", ifSet(&u.keyFile, file(&u.keyFile, given, private(groupMayRead)))},
		{"tsig", optional(&u.tsig, tsigKey{algorithm: "hmac-sha256"}, tsigFields)},
	}
}

func tsigFields(k *tsigKey) []field {
	return []field{
		{"name", scalar(&k.name, keyName)},
		{"algorithm", word(&k.algorithm, algorithms())},
		{"secret_file", file(&k.secretFile, given, private(groupMayRead))},
	}
}

// algorithms are those that a server of today takes (RFC 8945 section 6); MD5 is
// not among them.
func algorithms() []string {
	return []string{"hmac-sha256", "hmac-sha512", "hmac-sha384", "hmac-sha224", "hmac-sha1"}
}

func serveFields(s *zoneServe) []field {
	return []field{
		{"address", scalar(&s.address, listenAddress)},
		{"ns", scalars(&s.ns, serverName)},
		{"contact", scalar(&s.contact, contact)},
		{"zone_file", file(&s.zoneFile, readable)},
		{"allow_transfer", scalars(&s.allowTransfer, network)},
		{"key_file", file(&s.keyFile, private(groupMayRead))},
		{"notify", scalars(&s.notify, dnsServer)},
	}
}
