package yamltext

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a text, far above what a person writes.
const (
	maxSize  = 4 << 20 // octets
	maxDepth = 100     // values within values
	maxKeys  = 5000    // of one mapping
)

// BoundError is a text that is not parsed because it is beyond a bound.
type BoundError struct {
	Line, Column int // from 1; 0: the text as a whole
	What, Remedy string
}

func (e *BoundError) Error() string { return e.What + "; " + e.Remedy }

// Parse returns the documents of a text, with keys that are given twice. The error
// is a [*BoundError] or one of the parser's.
func Parse(data []byte) (*ast.File, error) {
	if len(data) > maxSize {
		return nil, &BoundError{What: "larger than 4 MiB", Remedy: "is this the right file?"}
	}
	tokens := lexer.Tokenize(string(data))
	if err := bound(tokens); err != nil {
		return nil, err
	}
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// bound looks for the first token that is beyond a bound.
func bound(tokens token.Tokens) error {
	var n nesting
	for _, tk := range tokens {
		n.take(tk)
		switch at := tk.Position; {
		case n.depth() > maxDepth:
			return &BoundError{
				at.Line, at.Column, fmt.Sprintf("values are nested more than %d deep here", maxDepth),
				"close the brackets, and put a value that begins with [ or { in quotes",
			}
		case n.keys() > maxKeys:
			return &BoundError{at.Line, at.Column, fmt.Sprintf("a mapping has more than %d keys", maxKeys), "is this the right file?"}
		}
	}
	return nil
}

// nesting is how deep a token stands.
type nesting struct {
	blocks []block
	flow   int // brackets that are open
}

// block is a list or a mapping that is told by its indentation.
type block struct {
	indent int // twice the column, and 1 more for a list: that may begin in the column of its key
	keys   int
}

func (n *nesting) depth() int { return len(n.blocks) + n.flow }

// keys is how many the innermost mapping has so far.
func (n *nesting) keys() int {
	if len(n.blocks) == 0 {
		return 0
	}
	return n.blocks[len(n.blocks)-1].keys
}

func (n *nesting) take(tk *token.Token) {
	switch tk.Type {
	case token.DocumentHeaderType, token.DocumentEndType:
		n.blocks, n.flow = n.blocks[:0], 0
	case token.SequenceStartType, token.MappingStartType:
		n.flow++
	case token.SequenceEndType, token.MappingEndType:
		n.flow = max(n.flow-1, 0)
	case token.SequenceEntryType, token.MappingKeyType:
		n.enter(2*tk.Position.Column + 1)
	case token.MappingValueType:
		if key := tk.Prev; key != nil && n.flow == 0 {
			n.enter(2 * key.Position.Column)
			n.blocks[len(n.blocks)-1].keys++
		}
	}
}

// enter goes to the block of an indentation, out of those that are deeper.
func (n *nesting) enter(indent int) {
	if n.flow > 0 {
		return
	}
	last := len(n.blocks)
	for last > 0 && n.blocks[last-1].indent > indent {
		last--
	}
	n.blocks = n.blocks[:last]
	if last == 0 || n.blocks[last-1].indent < indent {
		n.blocks = append(n.blocks, block{indent: indent})
	}
}
