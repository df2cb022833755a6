package config

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"weir/internal/yamltext"
)

// position is a place in the file, both from 1; the zero value is none.
type position struct{ line, column int }

// entry is one key of a mapping with its value.
type entry struct {
	key  string
	at   position // of the key
	node ast.Node // of the value, as written
}

// document is a YAML document as the decoder wants to see it: what an alias
// stands for and what merge keys bring in is resolved.
type document struct {
	root    ast.Node
	aliases map[*ast.AliasNode]ast.Node
}

// parseYAML returns the only document of a file, or what is wrong with it and where.
func parseYAML(data []byte) (*document, position, *fault) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return nil, position{}, &fault{what: "not a text file", remedy: "weir reads YAML in UTF-8"}
	}
	file, err := yamltext.Parse(data)
	if err != nil {
		return nil, syntaxPosition(err), syntaxFault(err)
	}
	doc := &document{aliases: map[*ast.AliasNode]ast.Node{}}
	for _, d := range file.Docs {
		if _, directive := d.Body.(*ast.DirectiveNode); directive || d.Body == nil {
			continue
		}
		if doc.root != nil {
			return nil, positionOf(d.Body), &fault{what: "a second YAML document", remedy: "keep everything in one, without a further \"---\""}
		}
		doc.root = d.Body
	}
	doc.link(doc.root, map[string]ast.Node{})
	return doc, position{}, nil
}

// link notes what each alias stands for: the last anchor of its name that was
// complete before it. An alias within its own anchor therefore stands for
// nothing, and the tree has no cycles.
func (doc *document) link(n ast.Node, anchors map[string]ast.Node) {
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			doc.link(v, anchors)
		}
	case *ast.MappingValueNode:
		doc.link(n.Value, anchors)
	case *ast.SequenceNode:
		for _, v := range n.Values {
			doc.link(v, anchors)
		}
	case *ast.AnchorNode:
		doc.link(n.Value, anchors)
		anchors[rawText(n.Name)] = n.Value
	case *ast.AliasNode:
		if target, ok := anchors[rawText(n.Value)]; ok {
			doc.aliases[n] = doc.resolve(target)
		}
	}
}

// resolve follows anchors and aliases to the value itself. An alias without an
// anchor stays as it is.
func (doc *document) resolve(n ast.Node) ast.Node {
	for {
		switch node := n.(type) {
		case *ast.AnchorNode:
			n = node.Value
		case *ast.AliasNode:
			target, ok := doc.aliases[node]
			if !ok {
				return n
			}
			n = target
		default:
			return n
		}
	}
}

// rawText is a scalar as it was written, without quotes.
func rawText(n ast.Node) string {
	switch n := n.(type) {
	case nil:
		return ""
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	default:
		if tk := n.GetToken(); tk != nil {
			return tk.Value
		}
		return ""
	}
}

// positionOf is where a reader would look for the node: a mapping begins at its
// first key, unless a brace stands before it.
func positionOf(n ast.Node) position {
	switch node := n.(type) {
	case nil:
		return position{}
	case *ast.MappingNode:
		if !node.IsFlowStyle && len(node.Values) > 0 {
			return positionOf(node.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return positionOf(node.Key)
	}
	return tokenPosition(n.GetToken())
}

func tokenPosition(tk *token.Token) position {
	if tk == nil || tk.Position == nil {
		return position{}
	}
	return position{line: tk.Position.Line, column: tk.Position.Column}
}

func syntaxPosition(err error) position {
	var bound *yamltext.BoundError
	if errors.As(err, &bound) {
		return position{bound.Line, bound.Column}
	}
	var at yaml.Error
	if errors.As(err, &at) {
		return tokenPosition(at.GetToken())
	}
	return position{}
}

// syntaxFault says in plain words what the parser said in its own.
func syntaxFault(err error) *fault {
	var bound *yamltext.BoundError
	if errors.As(err, &bound) {
		return &fault{what: bound.What, remedy: bound.Remedy}
	}
	said := err.Error()
	var at yaml.Error
	if errors.As(err, &at) {
		said = at.GetMessage()
	}
	for _, known := range []struct{ said, what, remedy string }{
		{"found character '\t'", "a tab where YAML wants spaces", "indent with spaces"},
		{"sequence end token ']'", "a list that begins with [ has no end", "close it with ]"},
		{"',' or ']' must be specified", "a list that begins with [ has no end", "close it with ], and put commas between its values"},
		{"flow mapping end token '}'", "a mapping that begins with { has no end", "close it with }"},
		{"',' or '}' must be specified", "a mapping that begins with { has no end", "close it with }, and put commas between its keys"},
		{"end character of double-quoted", "a text in double quotes has no end", "close it with \""},
		{"end character of single-quoted", "a text in single quotes has no end", "close it with '"},
		{"is a reserved character", "a value cannot begin with this character", "put it in quotes"},
		{"block sequence entries are not allowed", "a list cannot begin on the line of its key", "begin its first \"- \" on the next line"},
		{"not allowed in this context", "YAML does not allow this here", "check the indentation, and put values that contain \": \" or begin with [ or { in quotes"},
		{"undefined alias name", "an alias without a name", "write * and the name of an anchor, or put the value in quotes"},
	} {
		if strings.Contains(said, known.said) {
			return &fault{what: known.what, remedy: known.remedy}
		}
	}
	return faultf("check the indentation and the quotes around here", "not valid YAML: %s", firstLine(said))
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}
