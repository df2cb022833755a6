package policies

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
)

// NewRoutes makes the table of routes that config has checked. Hostname is
// weir's own name: recipients without a domain are looked up by it. The routes
// must not be changed afterwards.
func NewRoutes(all []Route, hostname string) *Routes {
	b := builder{ways: map[string]*Way{}, rankings: map[string]*ranking{}}
	r := &Routes{spaces: map[string]space{}, hostname: foldDomain(nil, hostname), routes: make([]rule, len(all))}
	exact, below := map[string][]int{}, map[string][]int{}
	var any []int
	for i := range all {
		r.routes[i] = rule{route: &all[i], way: b.way(all[i].To)}
		r.bySender = r.bySender || len(all[i].From) > 0
		for _, pattern := range all[i].Match {
			if suffix, ok := strings.CutPrefix(pattern, "*."); ok {
				below[suffix] = append(below[suffix], i)
			} else if pattern == "*" {
				any = append(any, i)
			} else {
				exact[pattern] = append(exact[pattern], i)
			}
		}
	}
	b.routes = r.routes
	for domain, list := range exact {
		r.spaces[domain] = space{exact: b.ranking(list)}
	}
	for domain, list := range below {
		known := r.spaces[domain]
		known.below = b.ranking(list)
		r.spaces[domain] = known
	}
	r.any = b.ranking(any)
	return r
}

// builder makes each way and each ranking once: a route of 100 000 domains
// costs one ranking, not as many.
type builder struct {
	routes   []rule
	ways     map[string]*Way
	rankings map[string]*ranking
}

// way returns the one of these targets.
func (b *builder) way(to []Target) *Way {
	targets := slices.Clone(to)
	slices.SortStableFunc(targets, func(a, b Target) int { return cmp.Compare(a.Cost, b.Cost) })
	var key strings.Builder
	for _, t := range targets {
		key.WriteString(strconv.Itoa(t.Cost) + " " + t.Pool + "\n")
	}
	known := b.ways[key.String()]
	if known == nil {
		known = &Way{Targets: targets}
		b.ways[key.String()] = known
	}
	return known
}

// ranking returns the one of these routes, or nil for none.
func (b *builder) ranking(list []int) *ranking {
	if len(list) == 0 {
		return nil
	}
	var key []byte
	for _, i := range list {
		key = binary.AppendUvarint(key, uint64(i))
	}
	known := b.rankings[string(key)]
	if known == nil {
		known = b.rank(list)
		b.rankings[string(key)] = known
	}
	return known
}

func (b *builder) rank(list []int) *ranking {
	k := &ranking{}
	for _, i := range list {
		one := &b.routes[i]
		if len(one.route.From) == 0 {
			k.anyone = append(k.anyone, one)
			continue
		}
		if k.senders == nil {
			k.senders = map[string]senders{}
		}
		for _, from := range one.route.From {
			suffix, isSuffix := strings.CutPrefix(from, "*.")
			known := k.senders[suffix]
			if isSuffix {
				known.below = append(known.below, one)
			} else {
				known.exact = append(known.exact, one)
			}
			k.senders[suffix] = known
		}
	}
	k.anyone.sort()
	for _, one := range k.senders {
		one.exact.sort()
		one.below.sort()
	}
	return k
}

// sort puts the routes with a condition first, then those for the smaller
// messages; else it keeps the order of the config.
func (all rules) sort() {
	slices.SortStableFunc(all, func(a, b *rule) int {
		switch {
		case a.open() != b.open() && a.open():
			return 1
		case a.open() != b.open():
			return -1
		}
		return cmp.Compare(uint64(a.route.MaxSize-1), uint64(b.route.MaxSize-1)) // 0 comes last
	})
}

// open reports that a route has no condition beside its pattern.
func (r *rule) open() bool {
	return r.route.MaxSize == 0 && len(r.route.Listeners) == 0 && len(r.route.From) == 0
}
