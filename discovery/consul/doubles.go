package consul

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"weir/internal/backend"
)

// maxName is the length of a connector's longest name.
const maxName = 64

// cleanName makes a connector's name of what may be none; it may be empty.
func cleanName(s string) string {
	s = backend.NameOf(s)
	return s[:min(len(s), maxName)]
}

// unify leaves one of the registrations that have the same address, in the place
// of the first: it is one connector, whose name must not hang on who else registers it, because an
// operator's flag goes by name.
func unify(specs []backend.Spec, owners []*entry) (one []backend.Spec, its []*entry, complaints []string) {
	kept := make(map[string]int, len(specs)) // by address, the place in one
	doubles := map[int][]*entry{}
	one, its = specs[:0], owners[:0]
	for i := range specs {
		j, ok := kept[specs[i].Address]
		if !ok {
			j = len(one)
			kept[specs[i].Address] = j
			if one, its = one[:j+1], its[:j+1]; j < i {
				one[j], its[j] = specs[i], owners[i]
			}
			continue
		}
		if doubles[j] == nil {
			doubles[j] = []*entry{its[j]}
		}
		doubles[j] = append(doubles[j], owners[i])
		other := specs[i]
		if before(owners[i], its[j]) {
			one[j], other, its[j] = other, one[j], owners[i]
		}
		maintain(&one[j], &other)
	}
	for _, j := range slices.Sorted(maps.Keys(doubles)) {
		same := doubles[j]
		complaints = append(complaints, fmt.Sprintf("%s registrations have the address %s (service %q on node %q, service %q on node %q): deregister all but one; %q is used",
			countOf(len(same)), one[j].Address, same[0].Service.ID, same[0].Node.Node, same[1].Service.ID, same[1].Node.Node, its[j].Service.ID))
	}
	return one, its, complaints
}

func countOf(n int) string {
	if n == 2 {
		return "two"
	}
	return fmt.Sprint(n)
}

// before reports whether a is kept rather than b: the one that was given a name,
// then the one that was there first, so that a newcomer takes nothing away.
func before(a, b *entry) bool {
	named := func(e *entry) int {
		if e.Service.Meta[metaName] != "" {
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(named(a), named(b)), cmp.Compare(a.Service.CreateIndex, b.Service.CreateIndex),
		cmp.Compare(a.Service.ID, b.Service.ID), cmp.Compare(a.Node.Node, b.Node.Node),
	) < 0
}

// maintain passes a maintenance on to the registration that is kept: it is one
// machine that is maintained. A critical check is passed over: it may be that
// of a registration which nobody has looked after for long.
func maintain(kept, other *backend.Spec) {
	switch {
	case other.Maintenance == "" || other.Maintenance == kept.Maintenance:
		return
	case kept.Maintenance == "":
		kept.Maintenance = other.Maintenance
	default:
		kept.Maintenance += "; " + other.Maintenance
	}
	undrain := other.Meta[metaUndrain]
	if own := kept.Meta[metaUndrain]; own != "" && own != undrain {
		undrain = own + "; " + undrain
	}
	if kept.Meta == nil {
		kept.Meta = map[string]string{}
	}
	kept.Meta[metaUndrain] = undrain
}

// tellApart puts the node's name before names that several connectors share: an
// operator's flag is kept by name, and must not move to another connector when
// one of them leaves.
func tellApart(specs []backend.Spec, owners []*entry) (complaints []string) {
	count := make(map[string]int, len(specs))
	for i := range specs {
		count[specs[i].Name]++
	}
	if len(count) == len(specs) {
		return nil
	}
	said := map[string]bool{}
	for i := range specs {
		name := specs[i].Name
		if count[name] < 2 || name == "" { // one without a name is called by its address
			continue
		}
		if !said[name] {
			said[name] = true
			complaints = append(complaints, fmt.Sprintf("several connectors are called %q: give each a %s of its own; they are called by their nodes too", name, metaName))
		}
		specs[i].Name = cleanName(owners[i].Node.Node + "-" + name)
	}
	return complaints
}
