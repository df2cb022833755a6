package app

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	moduleRoot = "../.."
	modulePath = "weir/"
	faultyRoom = "internal/faulty" // for tests only
)

// room is a directory's place in the house. It may import rooms of lower levels:
// any of them, or only those that are listed.
type room struct {
	level int
	only  []string
}

// house is the one way that imports point.
func house() map[string]room {
	const backend, smtp, connector = "internal/backend", "internal/smtp", "internal/connector"
	const events, policies, history, disk = "internal/events", "policies", "internal/history", "internal/disk"
	const yamltext, meant = "internal/yamltext", "internal/meant"
	const fiber, socket = "internal/fiber", "internal/socket"
	none := []string{}
	return map[string]room{
		fiber:              {-1, none},           // what waits stand on; knows nothing of mail
		socket:             {0, []string{fiber}}, // what the wire stands on; knows nothing of mail
		backend:            {1, none},
		smtp:               {1, []string{socket}},
		faultyRoom:         {1, none},
		disk:               {1, none},
		"internal/haproxy": {1, none}, // reads another program's file; knows nothing of ours
		connector:          {2, []string{backend, smtp, socket, fiber}},
		events:             {2, []string{backend}},
		history:            {2, none},
		"internal/certs":   {2, []string{disk}},
		yamltext:           {2, none},
		meant:              {2, none},
		policies:           {2, []string{backend}},
		"discovery":        {2, []string{backend, disk}},
		"internal/cluster": {2, []string{backend, disk}},
		"health":           {3, []string{backend, smtp, connector, events}},
		"balancer":         {4, []string{backend, smtp, socket, fiber, connector, policies}},
		"dns":              {5, []string{backend, events, disk}},
		"dashboard":        {5, []string{backend, events, history}},
		"internal/webhook": {5, []string{events}},
		"config":           {6, nil},
		"internal/sim":     {6, []string{backend, policies, "health", yamltext, meant}},
		"internal/app":     {7, nil},
		"internal/demo":    {8, nil}, // stands on app, as a user of weir does
		"cmd/weir":         {9, nil},
		"integration":      {9, none}, // knows what a user can see
	}
}

// offence says how an import breaks the law, or is empty.
func offence(from, to string, test bool) string {
	rooms := house()
	a, known := rooms[from]
	if !known {
		return fmt.Sprintf("%s is no room of the house: give it a place in the law", from)
	}
	b, known := rooms[to]
	switch {
	case from == to:
		return "" // an external test of the room itself
	case !known:
		return fmt.Sprintf("%s imports %s, which is no room of the house", from, to)
	case to == faultyRoom && test:
		return ""
	case to == faultyRoom:
		return fmt.Sprintf("%s imports %s, which is for tests only", from, to)
	case b.level >= a.level:
		return fmt.Sprintf("%s (level %d) imports %s (level %d): imports point downwards only", from, a.level, to, b.level)
	case a.only != nil && !slices.Contains(a.only, to) && !test:
		return fmt.Sprintf("%s imports %s, and may import only %v", from, to, a.only)
	}
	return ""
}

// roomOf returns the room that a directory of the module belongs to: itself or
// the one that it is a part of.
func roomOf(dir string) string {
	rooms := house()
	for d := dir; d != "."; d = path.Dir(d) {
		if _, ok := rooms[d]; ok {
			return d
		}
	}
	return dir
}

// eachFile parses the Go files of the module, without test data and without
// modules apart.
func eachFile(t *testing.T, mode parser.Mode, visit func(name string, fset *token.FileSet, f *ast.File)) {
	t.Helper()
	seen := 0
	fset := token.NewFileSet()
	err := filepath.WalkDir(moduleRoot, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(moduleRoot, p)
		if err != nil {
			return err
		}
		if d.IsDir() {
			apart, err := filepath.Glob(filepath.Join(p, "go.mod"))
			if err != nil {
				return err
			}
			base := d.Name()
			if name != "." && (len(apart) > 0 || base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(p) != ".go" {
			return nil
		}
		f, err := parser.ParseFile(fset, p, nil, mode)
		if err != nil {
			return err
		}
		seen++
		visit(filepath.ToSlash(name), fset, f)
		return nil
	})
	if err != nil {
		t.Fatalf("reading the module: %v", err)
	}
	if seen < 20 {
		t.Fatalf("only %d files: this is not the module", seen)
	}
}

func TestLawImportsPointOneWay(t *testing.T) {
	eachFile(t, parser.ImportsOnly, func(name string, _ *token.FileSet, f *ast.File) {
		from := roomOf(path.Dir(name))
		for _, spec := range f.Imports {
			to, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			rest, ours := strings.CutPrefix(to, modulePath)
			if !ours {
				continue
			}
			if why := offence(from, roomOf(rest), strings.HasSuffix(name, "_test.go")); why != "" {
				t.Errorf("%s: %s", name, why)
			}
		}
	})
}

func TestLawSpineNeedsNothing(t *testing.T) {
	eachFile(t, parser.ImportsOnly, func(name string, _ *token.FileSet, f *ast.File) {
		if r, ok := house()[roomOf(path.Dir(name))]; !ok || r.level > 1 || strings.HasSuffix(name, "_test.go") {
			return
		}
		for _, spec := range f.Imports {
			if first, _, _ := strings.Cut(strings.Trim(spec.Path.Value, `"`), "/"); strings.Contains(first, ".") {
				t.Errorf("%s imports %s: levels 0 and 1 use the standard library only", name, spec.Path.Value)
			}
		}
	})
}

func TestLawCanBeBroken(t *testing.T) {
	tests := []struct {
		from, to string
		test, ok bool
	}{
		{"balancer", "policies", false, true},
		{"balancer", "health", false, false},
		{"health", "balancer", false, false},
		{"policies", "discovery", false, false},
		{"internal/backend", "internal/smtp", false, false},
		{"internal/smtp", "internal/socket", false, true},
		{"internal/socket", "internal/smtp", false, false},
		{"internal/backend", "internal/socket", false, false},
		{"dashboard", "internal/connector", false, false},
		{"internal/app", "balancer", false, true},
		{"internal/app", "internal/demo", false, false},
		{"balancer", "internal/faulty", false, false},
		{"balancer", "internal/faulty", true, true},
		{"internal/backend", "balancer", true, false},
		{"attic", "balancer", false, false},
		{"internal/app", "attic", false, false},
	}
	for _, tt := range tests {
		if why := offence(tt.from, tt.to, tt.test); (why == "") != tt.ok {
			t.Errorf("%s → %s (test: %v): %q, want allowed %v", tt.from, tt.to, tt.test, why, tt.ok)
		}
	}
}

// The bounds of what fits on a screen and in a head.
const (
	maxFileLines = 500
	maxFuncLines = 60
)

func TestLawFilesAndFunctionsAreSmall(t *testing.T) {
	eachFile(t, parser.SkipObjectResolution, func(name string, fset *token.FileSet, f *ast.File) {
		if n := fset.File(f.FileStart).LineCount(); n > maxFileLines {
			t.Errorf("%s has %d lines, at most %d", name, n, maxFileLines)
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := linesOf(fset, fn); n > maxFuncLines {
				t.Errorf("%s: %s has %d lines, at most %d", name, fn.Name.Name, n, maxFuncLines)
			}
		}
	})
}

func linesOf(fset *token.FileSet, n ast.Node) int {
	return fset.Position(n.End()).Line - fset.Position(n.Pos()).Line + 1
}

func TestLawLinesAreCounted(t *testing.T) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "x.go", "package x\n\nfunc f() {\n"+strings.Repeat("\tf()\n", maxFuncLines-1)+"}\n", 0)
	if err != nil {
		t.Fatal(err)
	}
	if n := linesOf(fset, f.Decls[0]); n != maxFuncLines+1 {
		t.Errorf("%d lines, want %d", n, maxFuncLines+1)
	}
}
