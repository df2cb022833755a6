package sim

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"weir/internal/meant"
	"weir/internal/yamltext"
)

// fault is what is wrong with a value, and what to write instead.
type fault struct{ what, remedy string }

func faultf(remedy, format string, args ...any) *fault {
	return &fault{what: fmt.Sprintf(format, args...), remedy: remedy}
}

// problem is a fault with its place; line 0 is the file as a whole.
type problem struct {
	line, column int
	path         string
	fault
}

// reader lays tables of fields over a YAML tree, and keeps what it finds wrong.
type reader struct {
	file     string
	problems []problem
	seen     map[string]ast.Node // by path, of all values that were read
}

// field is one key of a mapping, and what becomes of its value.
type field struct {
	key  string
	read func(r *reader, v value)
}

// value is a node of the tree with the path that leads to it.
type value struct {
	node ast.Node
	path string
}

func (r *reader) report(n ast.Node, path string, bad *fault) {
	p := problem{path: path, fault: *bad}
	if tk := tokenOf(n); tk != nil && tk.Position != nil {
		p.line, p.column = tk.Position.Line, tk.Position.Column
	}
	r.problems = append(r.problems, p)
}

// tokenOf is where a reader would look for a node: a mapping begins at its first key.
func tokenOf(n ast.Node) *token.Token {
	switch node := n.(type) {
	case nil:
		return nil
	case *ast.MappingNode:
		if !node.IsFlowStyle && len(node.Values) > 0 {
			return node.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return node.Key.GetToken()
	}
	return n.GetToken()
}

func (r *reader) saw(path string, n ast.Node) {
	if r.seen != nil {
		r.seen[path] = n
	}
}

// reject reports what is wrong at a path, or with the file as a whole where nothing
// stands there.
func (r *reader) reject(path, remedy, format string, args ...any) {
	r.report(r.seen[path], path, faultf(remedy, format, args...))
}

// err is everything that was found wrong, one problem a line; nil: nothing.
func (r *reader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	lines := make([]string, len(r.problems))
	for i, p := range r.problems {
		at := r.file
		if p.line > 0 {
			at += fmt.Sprintf(":%d:%d", p.line, p.column)
		}
		if p.path != "" {
			at += ": " + p.path
		}
		lines[i] = at + ": " + p.what
		if p.remedy != "" {
			lines[i] += "; " + p.remedy
		}
	}
	return errors.New(strings.Join(lines, "\n"))
}

// open parses the file and returns the top of its tree.
func (r *reader) open(data []byte) (value, bool) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		r.report(nil, "", faultf("a scenario is YAML in UTF-8", "not a text file"))
		return value{}, false
	}
	file, err := yamltext.Parse(data)
	if err != nil {
		r.syntax(err)
		return value{}, false
	}
	var root ast.Node
	for _, d := range file.Docs {
		switch {
		case d.Body == nil:
		case root != nil:
			r.report(d.Body, "", faultf("keep everything in one, without a further \"---\"", "a second YAML document"))
			return value{}, false
		default:
			root = d.Body
		}
	}
	if root == nil {
		r.report(nil, "", faultf("weir simulate --show slow-tenth prints an example", "the scenario is empty"))
		return value{}, false
	}
	return value{node: root}, true
}

func (r *reader) syntax(err error) {
	p := problem{fault: fault{"not valid YAML: " + err.Error(), "check the indentation and the quotes around here"}}
	var bound *yamltext.BoundError
	var at yaml.Error
	switch {
	case errors.As(err, &bound):
		p = problem{bound.Line, bound.Column, "", fault{bound.What, bound.Remedy}}
	case errors.As(err, &at):
		p.what, _, _ = strings.Cut("not valid YAML: "+at.GetMessage(), "\n")
		if tk := at.GetToken(); tk != nil && tk.Position != nil {
			p.line, p.column = tk.Position.Line, tk.Position.Column
		}
	}
	r.problems = append(r.problems, p)
}

// section reads a mapping by its table. It returns which keys were given.
func (r *reader) section(v value, fields []field) map[string]bool {
	given := map[string]bool{}
	var pairs []*ast.MappingValueNode
	switch n := v.node.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		r.want(v, "a mapping of keys to values")
		return given
	}
	for _, kv := range pairs {
		key := kv.Key.GetToken().Value
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == key })
		switch path := join(v.path, key); {
		case i < 0:
			r.report(kv.Key, path, &fault{"unknown key", remedy(key, fields)})
		case given[key]:
			r.report(kv.Key, path, faultf("keep one of them", "the key is given twice"))
		default:
			given[key] = true
			r.saw(path, kv.Value)
			fields[i].read(r, value{kv.Value, path})
		}
	}
	return given
}

// remedy helps with an unknown key.
func remedy(key string, fields []field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.key
	}
	if best := meant.Word(key, names); best != "" {
		return "did you mean " + strconv.Quote(best) + "?"
	}
	return "known keys here: " + listing(names)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// items returns the values of a list.
func (r *reader) items(v value) []value {
	n, ok := v.node.(*ast.SequenceNode)
	if !ok {
		r.want(v, "a list")
		return nil
	}
	all := make([]value, len(n.Values))
	for i, item := range n.Values {
		all[i] = value{item, fmt.Sprintf("%s[%d]", v.path, i)}
		r.saw(all[i].path, item)
	}
	return all
}

// text returns a single value as it was written.
func (r *reader) text(v value) (string, bool) {
	switch n := v.node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	r.want(v, "a single value")
	return "", false
}

func (r *reader) want(v value, what string) {
	stands := "this"
	switch v.node.(type) {
	case nil, *ast.NullNode:
		r.report(v.node, v.path, faultf("give it one, or leave the key out", "has no value"))
		return
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode:
		stands = "an anchor, an alias or a tag"
	case *ast.MappingNode, *ast.MappingValueNode:
		stands = "a mapping"
	case *ast.SequenceNode:
		stands = "a list"
	}
	r.report(v.node, v.path, faultf("", "must be %s, not %s", what, stands))
}
