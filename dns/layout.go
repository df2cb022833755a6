package dns

import (
	"net/netip"
	"slices"
	"strings"

	mdns "github.com/miekg/dns"

	"weir/internal/backend"
)

// entry is one record that a set may hold, and who stands behind it: several
// connectors may share an address.
type entry struct {
	key     string
	rdata   string
	members []*member
}

// layout is a set with all that may stand in it now.
type layout struct {
	Name
	entries []*entry // in the order of their keys
	floor   int      // records below which nothing is taken away
	doubt   string   // why nothing may be taken away now; empty: it may
	address bool     // the addresses of one target: no choice, they follow its connector
}

func (l *layout) entry(key string) *entry {
	for _, e := range l.entries {
		if e.key == key {
			return e
		}
	}
	return nil
}

func (l *layout) add(key, rdata string, m *member) {
	if e := l.entry(key); e != nil {
		e.members = append(e.members, m)
		return
	}
	l.entries = append(l.entries, &entry{key: key, rdata: rdata, members: []*member{m}})
}

// scene is who there is at one moment, by pool; "" are the replicas.
type scene map[string][]*member

// sceneOf looks at all whom the records name.
func sceneOf(cfg *Config, snapshot *backend.Snapshot, cluster Cluster) scene {
	s := scene{}
	for _, r := range cfg.Records {
		if _, done := s[r.Pool]; done {
			continue
		}
		if r.Pool == "" {
			s[""] = replicas(cluster.Replicas())
		} else if p := snapshot.Pool(r.Pool); p != nil {
			s[r.Pool] = connectors(p, cluster.Votes)
		}
	}
	return s
}

func (s scene) all() []*member {
	var all []*member
	for _, members := range s {
		all = append(all, members...)
	}
	return all
}

// layouts returns the sets of the config, in its order, each name and type once:
// what several records say of one set is joined.
func layouts(cfg *Config, s scene) []*layout {
	var list []*layout
	for _, r := range cfg.Records {
		for _, kind := range kinds(r.Type) {
			name := Name{Name: r.Name, Type: kind}
			i := slices.IndexFunc(list, func(l *layout) bool { return l.Name == name })
			if i < 0 {
				i = len(list)
				list = append(list, &layout{Name: name, floor: max(cfg.MinRecords, 1)})
			}
			list[i].fill(cfg, r, s[r.Pool])
		}
	}
	for _, l := range list {
		slices.SortFunc(l.entries, func(a, b *entry) int { return strings.Compare(a.key, b.key) })
	}
	return list
}

// kinds are the types that a record of the config stands for.
func kinds(kind uint16) []uint16 {
	if kind == mdns.TypeA {
		return []uint16{mdns.TypeA, mdns.TypeAAAA}
	}
	return []uint16{kind}
}

// fill adds the members that one record of the config names, and raises the floor
// to half of a pool. Half of the replicas would be no floor worth having: one that
// is gone is not a member any more.
func (l *layout) fill(cfg *Config, r Record, members []*member) {
	for _, m := range members {
		switch l.Type {
		case mdns.TypeA, mdns.TypeAAAA:
			l.addAddresses(m)
		default:
			if len(m.addresses) > 0 { // a target without an address is of no use
				target := targetOf(cfg, m)
				l.add(target, rdata(l.Type, r.Preference, m, target), m)
			}
		}
	}
	switch {
	case len(members) == 0 && r.Pool == "":
		l.doubt = "the replicas are not known now"
	case len(members) == 0:
		l.doubt = "pool " + r.Pool + " has no connector"
	case r.Pool != "":
		l.floor = max(l.floor, (len(l.entries)+1)/2)
	}
}

func (l *layout) addAddresses(m *member) {
	for _, address := range m.addresses {
		if address = address.Unmap(); family(l.Type, address) {
			l.add(address.String(), address.String(), m)
		}
	}
}

// targetOf is the name that MX and SRV records give a connector. When they are of
// several pools, the pool is part of it: names are only unique in a pool.
func targetOf(cfg *Config, m *member) string {
	name := label(m.name)
	for _, r := range cfg.Records {
		if r.Pool != m.pool && (r.Type == mdns.TypeMX || r.Type == mdns.TypeSRV) {
			name += "." + label(m.pool)
			break
		}
	}
	if cfg.Zone == "." {
		return name + "."
	}
	return name + "." + cfg.Zone
}

// targets returns the address sets of the targets that MX and SRV records may
// name, but for those that the config has records for.
func targets(cfg *Config, s scene, sets []*layout) []*layout {
	var list []*layout
	at := map[Name]*layout{}
	for _, r := range cfg.Records {
		if r.Type != mdns.TypeMX && r.Type != mdns.TypeSRV {
			continue
		}
		for _, m := range s[r.Pool] {
			for _, address := range m.addresses {
				name := Name{Name: targetOf(cfg, m), Type: addressType(address)}
				if slices.ContainsFunc(sets, func(l *layout) bool { return l.Name == name }) {
					continue
				}
				if at[name] == nil {
					at[name] = &layout{Name: name, floor: 1, address: true}
					list = append(list, at[name])
				}
				at[name].addAddresses(m)
			}
		}
	}
	for _, l := range list {
		slices.SortFunc(l.entries, func(a, b *entry) int { return strings.Compare(a.key, b.key) })
	}
	return list
}

func addressType(address netip.Addr) uint16 {
	if address.Unmap().Is4() {
		return mdns.TypeA
	}
	return mdns.TypeAAAA
}
