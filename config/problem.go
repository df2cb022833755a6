package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in a file, or one thing worth a warning.
type Problem struct {
	File   string
	Line   int    // from 1; 0: the file as a whole
	Column int    // from 1
	Path   string // pools.internet.timeouts.rcpt; empty: the file as a whole
	What   string // what is wrong
	Remedy string // what to write instead; may be empty
}

// String is the problem on one line, with the place first, as compilers do:
//
//	weir.yaml:12:7: pools.internet.tmeouts: unknown key; did you mean "timeouts"?
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.What)
	if p.Remedy != "" {
		b.WriteString("; " + p.Remedy)
	}
	return b.String()
}

// Errors is everything that is wrong with a file, by line.
type Errors struct{ Problems []Problem }

// Error lists the problems, one a line.
func (e *Errors) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// sortProblems puts those of the main file first.
func sortProblems(main string, problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		if a.File != b.File && (a.File == main || b.File == main) {
			if a.File == main {
				return -1
			}
			return 1
		}
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), strings.Compare(a.Path, b.Path))
	})
}

// fault is what is wrong with a value, before it is known where it stands.
type fault struct{ what, remedy string }

func faultf(remedy, format string, args ...any) *fault {
	return &fault{what: fmt.Sprintf(format, args...), remedy: remedy}
}
