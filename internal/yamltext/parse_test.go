package yamltext

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func indented(n int) string {
	var text strings.Builder
	for i := range n {
		text.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return text.String()
}

// What costs the parser minutes and gigabytes is refused before it sees it.
func TestBounds(t *testing.T) {
	for name, tt := range map[string]struct {
		text         string
		line, column int
		want         string
	}{
		"lists in brackets":    {"name: x\nmore: " + strings.Repeat("[", 100_000), 2, 106, "nested more than 100 deep"},
		"mappings in brackets": {strings.Repeat("{a: ", 50_000), 1, 401, "nested more than 100 deep"},
		"lists in a line":      {strings.Repeat("- ", 100_000), 1, 201, "nested more than 100 deep"},
		"keys in a line":       {strings.Repeat("? ", 100_000), 1, 201, "nested more than 100 deep"},
		"by indentation":       {indented(1000), 101, 102, "nested more than 100 deep"},
		"many keys":            {"x:\n" + strings.Repeat("  b: a\n", 50_000), 5002, 4, "more than 5000 keys"},
		"large":                {strings.Repeat("# more\n", 700_000), 0, 0, "larger than 4 MiB"},
	} {
		began := time.Now()
		_, err := Parse([]byte(tt.text))
		var bound *BoundError
		if !errors.As(err, &bound) || !strings.Contains(err.Error(), tt.want) || bound.Remedy == "" {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		if bound.Line != tt.line || bound.Column != tt.column {
			t.Errorf("%s: at %d:%d, want %d:%d", name, bound.Line, bound.Column, tt.line, tt.column)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
	}
}

// What people write stays within the bounds, however long it is.
func TestWithinTheBounds(t *testing.T) {
	entry := "- name: x\n  list:\n  - {a: [1, {b: 2}]}\n  more: {c: d}\n"
	for name, text := range map[string]string{
		"a long list":        "x:\n" + strings.Repeat("  - a\n", 20_000),
		"a list of mappings": strings.Repeat(entry, 2_000),
		"lists one by one":   "x: [" + strings.Repeat("[], ", 5_000) + "]",
		"brackets in texts":  "a: x" + strings.Repeat("[", 200) + "\nb: \"" + strings.Repeat("[", 200) + "\"\nc: |\n  " + strings.Repeat("[ ", 200) + "\n# " + strings.Repeat("[", 200) + "\n",
		"as deep as allowed": strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth),
		"documents":          strings.Repeat("---\na: {b: [c]}\n", 500),
	} {
		if _, err := Parse([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "a: [b, {c: d}]", "- - a\n-\n  b: c", "? a\n: b", "]}", "a:\n- b\n- c: d\n  e: f", "--- !x &y *z\n...", "{a: ", "\"", "<<: *a"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if (file == nil) == (err == nil) {
			t.Fatalf("%v and %v", file, err)
		}
	})
}
