package discovery

import (
	"cmp"
	"maps"
	"slices"

	"weir/internal/backend"
)

// sorted brings a source's answer into an order that does not hang on the
// source's mood: the same connectors are then the same list.
func sorted(specs []backend.Spec) []backend.Spec {
	order := func(a, b backend.Spec) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Address, b.Address))
	}
	if !slices.IsSortedFunc(specs, order) {
		slices.SortStableFunc(specs, order)
	}
	return specs
}

// same reports whether two lists say the same. It is reflect.DeepEqual at a
// fiftieth of the price, for pools of thousands.
func same(a, b []backend.Spec) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !sameSpec(&a[i], &b[i]) {
			return false
		}
	}
	return true
}

func sameSpec(a, b *backend.Spec) bool {
	return a.Name == b.Name && a.Address == b.Address && a.Pool == b.Pool &&
		a.Weight == b.Weight && a.Cost == b.Cost && a.Publish == b.Publish &&
		a.Maintenance == b.Maintenance && a.Critical == b.Critical &&
		slices.Equal(a.Sources, b.Sources) && maps.Equal(a.Meta, b.Meta)
}

// difference returns who joined and who left between two lists that are ordered
// by name. One that moved to another address did both.
func difference(before, after []backend.Spec) (joined, left []backend.Spec) {
	for len(before) > 0 && len(after) > 0 {
		b, a := before[0], after[0]
		switch {
		case b.Name < a.Name:
			left, before = append(left, b), before[1:]
		case b.Name > a.Name:
			joined, after = append(joined, a), after[1:]
		default:
			if b.Address != a.Address {
				left, joined = append(left, b), append(joined, a)
			}
			before, after = before[1:], after[1:]
		}
	}
	return append(joined, after...), append(left, before...)
}
