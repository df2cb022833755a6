package config

import (
	"github.com/goccy/go-yaml/ast"

	"weir/internal/backend"
)

// ParseBackends reads a file that is a list like a pool's `backends`, for a
// source that watches it. It has at least one backend; their Pool is left empty.
// The error is an [*Errors] that holds every mistake; path stands for the file
// in it.
func ParseBackends(path string, data []byte) ([]backend.Spec, error) {
	d := newDecoder(path)
	var all []backend.Spec
	if root, ok := d.open(data); ok {
		if root.null() {
			d.reject(root, noBackends().remedy, "the file lists no backends")
		} else if found, ok := d.backends(root); ok && len(found) == 0 {
			d.reject(root, noBackends().remedy, "the file lists no backends")
		} else {
			all = found
		}
	}
	if len(d.problems) > 0 {
		sortProblems(d.file, d.problems)
		return nil, &Errors{Problems: d.problems}
	}
	return all, nil
}

// backends is the rule for a pool's list of connectors, each an address or a
// mapping. It replaces the list of pool_defaults.
func backends(dst *[]backend.Spec) rule {
	read := func(d *decoder, v value) {
		if all, ok := d.backends(v); ok {
			*dst = all
		}
	}
	show := func(whole bool) *node {
		return showList(*dst, whole, backendFields, newBackend(), func(s *backend.Spec) string { return s.Name })
	}
	return rule{keys: backendFields(new(backend.Spec)), each: "[]", read: read, show: show}
}

// backends reads a list of connectors. It returns false for what is no list.
func (d *decoder) backends(v value) ([]backend.Spec, bool) {
	items, ok := d.list(v)
	if !ok {
		return nil, false
	}
	var all []backend.Spec
	names, addresses := map[string]string{}, map[string]string{}
	for _, item := range items {
		spec := d.backend(item)
		if d.once(item, "address", spec.Address, addresses) {
			d.once(item, "name", spec.Name, names)
		}
		all = append(all, spec)
	}
	return all, true
}

func newBackend() backend.Spec { return backend.Spec{Weight: backend.DefaultWeight} }

func (d *decoder) backend(v value) backend.Spec {
	spec := newBackend()
	switch v.node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		d.section(v, backendFields(&spec))
		if !d.has(v.path+".address") && !d.faulty(v.path) {
			d.reject(v, `for example {address: "10.0.0.11:25", name: mx-a}`, "the backend has no address")
		}
	default:
		scalar(&spec.Address, backendAddress).read(d, v)
	}
	if spec.Name == "" && spec.Address != "" {
		spec.Name = backend.NameOf(spec.Address)
		if _, bad := name(spec.Name); bad != nil {
			d.reject(v, "give the backend a name", "the address is too long to be its name too")
		}
	}
	return spec
}

func backendFields(s *backend.Spec) []field {
	return []field{
		{"address", scalar(&s.Address, backendAddress)},
		{"name", scalar(&s.Name, name)},
		{"weight", scalar(&s.Weight, count(1, 1000))},
		{"cost", scalar(&s.Cost, atLeast(0))},
		{"publish", scalar(&s.Publish, ownAddressOrNone)},
	}
}
