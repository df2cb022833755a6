package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"weir/policies"
)

// route is one entry of `routes`, as the file says it.
type route struct {
	match     []string // in the form that routes are compared in
	matchFile string   // path; empty: none
	fromFile  []string // the patterns in it
	from      []string
	listeners []string
	maxSize   int64
	to        []policies.Target
}

// patterns are those of the file itself, then those of the match_file.
func (r *route) patterns() []string { return slices.Concat(r.match, r.fromFile) }

// build makes a checked entry what the data path is told.
func (r *route) build(i int) policies.Route {
	to := slices.Clone(r.to)
	slices.SortStableFunc(to, func(a, b policies.Target) int { return cmp.Compare(a.Cost, b.Cost) })
	return policies.Route{
		Name: routePath(i), Match: r.patterns(), From: slices.Clone(r.from), Listeners: slices.Clone(r.listeners),
		MaxSize: r.maxSize, To: to,
	}
}

func routePath(i int) string { return "routes[" + strconv.Itoa(i) + "]" }

// label is what people know the route by, for [Diff]: no two routes have both
// their first pattern and their conditions in common.
func (r *route) label() string {
	words := []string{r.matchFile}
	if len(r.match) > 0 {
		words[0] = r.match[0]
	}
	return strings.Join(append(words, r.conditions()...), " ")
}

// conditions are those of the route in words, the same for the same ones.
func (r *route) conditions() []string {
	var words []string
	for _, list := range []struct {
		key   string
		words []string
	}{{"from", r.from}, {"listeners", r.listeners}} {
		if len(list.words) > 0 {
			words = append(words, list.key+" "+strings.Join(slices.Compact(slices.Sorted(slices.Values(list.words))), ","))
		}
	}
	if r.maxSize > 0 {
		words = append(words, "max_size "+sizeText(r.maxSize))
	}
	return words
}

// routeList is the rule for the list of routes.
func (w *draft) routeList() rule {
	read := func(d *decoder, v value) {
		items, ok := d.list(v)
		if !ok {
			return
		}
		for _, item := range items {
			var r route
			d.section(item, routeFields(&r))
			w.routes = append(w.routes, r)
		}
	}
	show := func(whole bool) *node {
		return showList(w.routes, whole, routeFields, route{}, (*route).label)
	}
	return rule{keys: routeFields(new(route)), each: "[]", read: read, show: show}
}

func routeFields(r *route) []field {
	return []field{
		{"match", scalars(&r.match, pattern)},
		{"match_file", file(&r.matchFile)},
		{"from", scalars(&r.from, senderPattern)},
		{"listeners", scalars(&r.listeners, name)},
		{"max_size", scalar(&r.maxSize, sizeOrZero)},
		{"to", targets(&r.to)},
	}
}

// targets is the rule for where a route leads: the name of a pool, or a list of
// pools with their costs.
func targets(dst *[]policies.Target) rule {
	read := func(d *decoder, v value) {
		switch v.node.(type) {
		case *ast.MappingNode, *ast.MappingValueNode:
			d.reject(v, "for example to: internet, or to: [{pool: internet, cost: 0}, {pool: spare, cost: 10}]",
				"must be the name of a pool or a list, not a mapping of keys")
		case *ast.SequenceNode:
			*dst = d.targetList(v)
		default:
			one := []policies.Target{{}}
			scalar(&one[0].Pool, text).read(d, v)
			*dst = one
		}
	}
	show := func(bool) *node {
		if len(*dst) == 1 && (*dst)[0].Cost == 0 {
			return &node{text: written((*dst)[0].Pool)}
		}
		texts := make([]string, len(*dst))
		for i, t := range *dst {
			texts[i] = "{pool: " + written(t.Pool) + ", cost: " + strconv.Itoa(t.Cost) + "}"
		}
		return &node{text: "[" + strings.Join(texts, ", ") + "]"}
	}
	return rule{keys: targetFields(new(policies.Target)), each: "[]", read: read, show: show}
}

func (d *decoder) targetList(v value) []policies.Target {
	items, _ := d.list(v)
	all := make([]policies.Target, len(items))
	for i, item := range items {
		if d.section(item, targetFields(&all[i])) && !d.has(item.path+".pool") {
			d.reject(item, "for example {pool: internet, cost: 10}", "the entry names no pool")
		}
	}
	return all
}

func targetFields(t *policies.Target) []field {
	return []field{
		{"pool", scalar(&t.Pool, text)},
		{"cost", scalar(&t.Cost, atLeast(0))},
	}
}
