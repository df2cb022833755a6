package config

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	mdns "github.com/miekg/dns"

	"weir/balancer"
	"weir/dns"
)

// zone is one entry of `dns`, as the file says it.
type zone struct {
	name        string // lower case, without a dot at its end
	ttl         time.Duration
	records     []record
	update      *zoneUpdate
	serve       *zoneServe
	holdDown    dns.HoldDown
	minInterval time.Duration
	minRecords  int
	dryRun      bool
}

// record is one RRset. Its name is lower case: "@", one below the zone, or a
// full one, which ends in a dot or in the zone's own name.
type record struct {
	name       string
	kind       string // A, AAAA, MX or SRV
	pool       string
	replicas   bool
	preference int
}

type zoneUpdate struct {
	servers []string
	keyFile string
	tsig    *tsigKey
	key     dns.Key // of either, once that is checked
}

// tsigKey is a key in parts. Name and algorithm are as the file has them.
type tsigKey struct{ name, algorithm, secretFile string }

type zoneServe struct {
	address       string
	ns            []string // lower case, without a dot at their end
	contact       string
	zoneFile      string
	allowTransfer []netip.Prefix
	keyFile       string
	key           *dns.Key // of keyFile, once that is checked
	notify        []string
}

func newZone() zone {
	return zone{
		ttl:         time.Minute,
		holdDown:    dns.HoldDown{Out: 15 * time.Second, In: time.Minute},
		minInterval: 10 * time.Second,
		minRecords:  1,
	}
}

func newRecord() record { return record{preference: 10} }

func newServe() zoneServe { return zoneServe{address: ":53", contact: "hostmaster"} }

// build takes a checked zone apart for the room that keeps it.
func (z *zone) build(b *balancer.Config) dns.Config {
	cfg := dns.Config{
		Zone: z.name + ".", Owner: owner(b.Cluster), TTL: z.ttl, HoldDown: z.holdDown,
		MinInterval: z.minInterval, MinRecords: z.minRecords, DryRun: z.dryRun,
	}
	for _, r := range z.records {
		cfg.Records = append(cfg.Records, dns.Record{
			Name: qualify(r.name, z.name), Type: mdns.StringToType[r.kind], Pool: r.pool, Preference: r.preferenceOfMX(),
		})
	}
	if u := z.update; u != nil {
		cfg.Update = &dns.Update{Servers: slices.Clone(u.servers), Key: u.key}
	}
	if s := z.serve; s != nil {
		cfg.Serve = &dns.Serve{
			Address: s.address, Contact: contactName(s.contact, z.name), ZoneFile: s.zoneFile,
			AllowTransfer: slices.Clone(s.allowTransfer), Key: s.key, Notify: slices.Clone(s.notify),
		}
		if s.zoneFile != "" && s.contact == newServe().contact {
			cfg.Serve.Contact = "" // the file may know better
		}
		for _, name := range s.ns {
			cfg.Serve.NS = append(cfg.Serve.NS, name+".")
		}
	}
	return cfg
}

func (r *record) preferenceOfMX() uint16 {
	if r.kind != "MX" {
		return 0
	}
	return uint16(r.preference)
}

// owner is what the ownership records of a cluster say.
func owner(cluster string) string { return "weir-" + cluster }

// qualify makes a record's name a full one.
func qualify(name, zone string) string {
	switch {
	case name == "@":
		return zone + "."
	case strings.HasSuffix(name, "."):
		return name
	case name == zone || strings.HasSuffix(name, "."+zone):
		return name + "."
	default:
		return name + "." + zone + "."
	}
}

// contactName is a mailbox as a domain name (RFC 1035 section 8): dots of its
// local part are escaped. One without a domain is in the zone.
func contactName(mailbox, zone string) string {
	local, domain, ok := strings.Cut(mailbox, "@")
	if !ok {
		domain = zone
	}
	return strings.ReplaceAll(local, ".", `\.`) + "." + strings.ToLower(domain) + "."
}
