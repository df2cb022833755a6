package discovery

import (
	"cmp"
	"maps"
	"slices"

	"weir/internal/backend"
)

// Merge joins the sets of one pool, given in order of precedence, by address.
// Where two sources know the same address the first one's words hold; but a
// source that says "maintenance" or "critical" is believed wherever it stands,
// because each knows something that the others may not. A name that another
// address already has gives way to the address itself. The result is ordered by
// name.
func Merge(pool string, sets []Set) []backend.Spec {
	var merged []backend.Spec
	at := map[string]int{} // by address
	for _, set := range sets {
		alone := []string{set.Source} // shared: nobody changes it, and join's append copies it
		for _, spec := range set.Specs {
			i, ok := at[spec.Address]
			if !ok {
				spec.Pool = pool
				at[spec.Address] = len(merged)
				spec.Sources = alone
				merged = append(merged, spec)
				continue
			}
			join(&merged[i], spec, set.Source)
		}
	}
	rename(merged)
	slices.SortFunc(merged, func(a, b backend.Spec) int { return cmp.Compare(a.Name, b.Name) })
	return merged
}

func join(m *backend.Spec, other backend.Spec, source string) {
	if !slices.Contains(m.Sources, source) {
		m.Sources = append(m.Sources, source)
	}
	m.Maintenance = cmp.Or(m.Maintenance, other.Maintenance)
	m.Critical = cmp.Or(m.Critical, other.Critical)
	if !m.Publish.IsValid() {
		m.Publish = other.Publish
	}
	for key, value := range other.Meta {
		if _, known := m.Meta[key]; !known {
			m.Meta = with(m.Meta, key, value)
		}
	}
}

// with returns a map with one more key; the one given may be a source's own.
func with(m map[string]string, key, value string) map[string]string {
	next := make(map[string]string, len(m)+1)
	maps.Copy(next, m)
	next[key] = value
	return next
}

// rename gives each connector a name of its own: the registry and the
// operators' flags know them by nothing else.
func rename(merged []backend.Spec) {
	taken := map[string]bool{}
	for i := range merged {
		m := &merged[i]
		if m.Name == "" || taken[m.Name] {
			m.Name = backend.NameOf(m.Address)
		}
		// Only names chosen to look like addresses can still collide.
		for taken[m.Name] {
			m.Name += "_"
		}
		taken[m.Name] = true
	}
}
