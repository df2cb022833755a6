package config

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"weir/internal/meant"
)

// field is one key of a mapping and the rule for its value. A table of fields
// is what the decoder works through, and what the documentation is checked
// against.
type field struct {
	key string
	rule
}

// rule says what a value may be and where it goes.
type rule struct {
	read func(*decoder, value)
	show func(whole bool) *node // the present value; see [node]. A rule without it shows nothing
	keys []field                // the keys below, if any
	each string                 // what stands between: nothing, "[]" in a list, ".NAME" below names of the user's choice
}

// value is a node of the tree with the path that leads to it.
type value struct {
	node ast.Node // anchors and aliases resolved; nil or a NullNode: no value
	path string
	at   position
}

func (v value) null() bool {
	_, null := v.node.(*ast.NullNode)
	return null || v.node == nil
}

// decoder lays tables over the tree and keeps what it finds wrong.
type decoder struct {
	file     string
	folder   string // that relative paths in the file start from
	doc      *document
	problems []Problem
	warnings []Problem
	seen     map[string]position // of every value that a rule has read, by path
	entries  map[*ast.MappingNode][]entry
}

func newDecoder(file string) *decoder {
	return &decoder{file: file, folder: filepath.Dir(file), seen: map[string]position{}, entries: map[*ast.MappingNode][]entry{}}
}

// open parses the file and returns the top of its tree.
func (d *decoder) open(data []byte) (value, bool) {
	doc, at, bad := parseYAML(data)
	if bad != nil {
		d.report(at, "", bad)
		return value{}, false
	}
	d.doc = doc
	root := d.value(doc.root, "")
	if root.at == (position{}) {
		root.at = position{line: 1, column: 1}
	}
	return root, true
}

func (d *decoder) value(n ast.Node, path string) value {
	n = d.doc.resolve(n)
	return value{node: n, path: path, at: positionOf(n)}
}

func (d *decoder) report(at position, path string, bad *fault) {
	d.problems = append(d.problems, Problem{
		File: d.file, Line: at.line, Column: at.column, Path: path, What: bad.what, Remedy: bad.remedy,
	})
}

func (d *decoder) reject(v value, remedy, format string, args ...any) {
	d.report(v.at, v.path, faultf(remedy, format, args...))
}

// section reads a mapping by its table, in the table's order: defaults stand
// in the tables before what builds on them. A section without a value (all of
// its keys commented out) is an empty one. It returns false for what is no
// mapping.
func (d *decoder) section(v value, fields []field) bool {
	found, ok := d.mapping(v)
	if !ok {
		return false
	}
	for _, e := range found {
		if !slices.ContainsFunc(fields, func(f field) bool { return f.key == e.key }) {
			d.unknown(v, e, fields)
		}
	}
	for _, f := range fields {
		i := slices.IndexFunc(found, func(e entry) bool { return e.key == f.key })
		if i < 0 {
			continue
		}
		below := d.value(found[i].node, join(v.path, f.key))
		d.seen[below.path] = below.at
		f.read(d, below)
	}
	return true
}

// unknown reports a key that the table does not have. The key that it was
// probably meant to be counts as given, so that its absence is no second mistake.
func (d *decoder) unknown(v value, e entry, fields []field) {
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.key
	}
	best := meant.Word(e.key, known)
	remedy := "did you mean " + quoted(best) + "?"
	if best == "" {
		remedy = keyRemedy(e.key, fields)
	} else {
		d.seen[join(v.path, best)] = e.at
	}
	d.report(e.at, join(v.path, e.key), &fault{"unknown key", remedy})
}

// mapping returns the keys of a mapping, merged ones included, each once.
func (d *decoder) mapping(v value) ([]entry, bool) {
	switch n := v.node.(type) {
	case nil, *ast.NullNode:
		return nil, true
	case *ast.MappingNode:
		return d.collect(n, n.Values, v.path), true
	case *ast.MappingValueNode:
		return d.collect(nil, []*ast.MappingValueNode{n}, v.path), true
	default:
		d.want(v, "must be a mapping of keys to values", "write \"key: value\" lines below it")
		return nil, false
	}
}

// collect gathers a mapping's own keys, then those that merge keys bring in and
// that it does not have itself. The result is kept by node: merging mappings
// that merge others would double the work with each level.
func (d *decoder) collect(n *ast.MappingNode, values []*ast.MappingValueNode, path string) []entry {
	if known, ok := d.entries[n]; ok && n != nil {
		return known
	}
	var own, merged []entry
	lines := map[string]int{}
	for _, kv := range values {
		at := positionOf(kv.Key)
		if kv.Key.IsMergeKey() {
			merged = append(merged, d.merge(kv.Value, path, at)...)
			continue
		}
		key, ok := keyText(kv.Key)
		if !ok {
			d.report(at, path, &fault{what: "a key must be a plain word", remedy: "write \"key: value\""})
			continue
		}
		if line, twice := lines[key]; twice {
			d.report(at, join(path, key), faultf("keep one of them", "the key is given twice, first in line %d", line))
			continue
		}
		lines[key] = at.line
		own = append(own, entry{key: key, at: at, node: kv.Value})
	}
	for _, e := range merged {
		if _, twice := lines[e.key]; !twice {
			lines[e.key] = e.at.line
			own = append(own, e)
		}
	}
	if n != nil {
		d.entries[n] = own
	}
	return own
}

// merge returns what the value of a merge key ("<<") brings in: a mapping, or a
// list of mappings of which the earlier win.
func (d *decoder) merge(n ast.Node, path string, at position) []entry {
	v := d.value(n, join(path, "<<"))
	sources := []value{v}
	if list, ok := v.node.(*ast.SequenceNode); ok {
		sources = sources[:0]
		for _, item := range list.Values {
			sources = append(sources, d.value(item, v.path))
		}
	}
	var all []entry
	for _, source := range sources {
		switch node := source.node.(type) {
		case *ast.MappingNode:
			all = append(all, d.collect(node, node.Values, path)...)
		default:
			source.at = at
			d.want(source, "must be a mapping", "write <<: *NAME, and &NAME before a mapping above")
		}
	}
	return all
}

// keyText is a key as a word. Keys that are no scalars have none.
func keyText(key ast.MapKeyNode) (string, bool) {
	switch k := key.(type) {
	case *ast.MappingKeyNode: // "? key"
		if inner, ok := k.Value.(ast.MapKeyNode); ok {
			return keyText(inner)
		}
		return "", false
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return rawText(k), true
	default:
		return "", false
	}
}

// list returns the values of a list, or reports that there is none.
func (d *decoder) list(v value) ([]value, bool) {
	n, ok := v.node.(*ast.SequenceNode)
	if !ok {
		d.want(v, "must be a list", "write \"- value\" lines below it, or [] for none")
		return nil, false
	}
	items := make([]value, len(n.Values))
	for i, item := range n.Values {
		items[i] = d.value(item, v.path+"["+strconv.Itoa(i)+"]")
		d.seen[items[i].path] = items[i].at
	}
	return items, true
}

// text returns a single value as it was written, or reports that it is none.
func (d *decoder) text(v value) (string, bool) {
	switch n := v.node.(type) {
	case *ast.StringNode, *ast.LiteralNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return rawText(n), true
	default:
		d.want(v, "must be a single value", "write one on this line")
	}
	return "", false
}

// want reports a value of the wrong kind, saying what stands there.
func (d *decoder) want(v value, what, remedy string) {
	switch n := v.node.(type) {
	case nil, *ast.NullNode:
		d.reject(v, "give it one, or leave it out", "has no value")
	case *ast.AliasNode:
		d.reject(v, "define it above with &"+rawText(n.Value), "there is no anchor &%s before this alias", rawText(n.Value))
	case *ast.TagNode:
		d.reject(v, "write the value alone", "YAML tags (%s) are not supported", rawText(n))
	case *ast.MappingNode, *ast.MappingValueNode:
		d.reject(v, remedy, "%s, not a mapping of keys", what)
	case *ast.SequenceNode:
		d.reject(v, remedy, "%s, not a list", what)
	default:
		d.reject(v, remedy, "%s, not %q", what, rawText(n))
	}
}

// join extends a path by a key. Keys that are no plain words, such as pool
// names with dots in them, are put in brackets, so that no two paths are equal.
func join(path, key string) string {
	plain := key != "" && strings.IndexFunc(key, func(r rune) bool {
		return r != '-' && r != '_' && r != '<' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	}) < 0
	switch {
	case !plain:
		return path + "[" + strconv.Quote(key) + "]"
	case path == "":
		return key
	default:
		return path + "." + key
	}
}
