package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Each directory below testdata/bad holds a file and exactly what is said of
// it, testdata/good a file with its warnings and what becomes of it. To write
// the expectations anew, and then to read every one of them:
//
//	WEIR_UPDATE=1 go test ./config
func golden(t *testing.T, kind string, run func(t *testing.T, data []byte) string) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join("testdata", kind, "*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no test data of kind %s: %v", kind, err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(dir, "weir.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			got := run(t, data)
			if os.Getenv("WEIR_UPDATE") != "" {
				if err := os.WriteFile(filepath.Join(dir, "want"), []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(filepath.Join(dir, "want"))
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestBad(t *testing.T) {
	golden(t, "bad", func(t *testing.T, data []byte) string {
		cfg, warnings, err := Parse("weir.yaml", data)
		var all *Errors
		if !errors.As(err, &all) {
			t.Fatalf("got error %v, want an *Errors", err)
		}
		if cfg != nil || warnings != nil {
			t.Errorf("got config %v and warnings %v beside the errors", cfg, warnings)
		}
		return err.Error() + "\n"
	})
}

// What a good file becomes is shown as the warnings, and then as the lines in
// which it differs from what the smallest file becomes: each listener, pool and
// backend from the first one there.
func TestGood(t *testing.T) {
	base := map[string]bool{}
	for _, line := range flatten(t, mustParse(t, smallest)) {
		base[line] = true
	}
	golden(t, "good", func(t *testing.T, data []byte) string {
		cfg, warnings, err := Parse("weir.yaml", data)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		for _, w := range warnings {
			out.WriteString(w.String() + "\n")
		}
		all := strings.HasSuffix(t.Name(), "/smallest")
		further := regexp.MustCompile(`(Listeners|Pools|Static|Edges)\[\d+\]`)
		for _, line := range flatten(t, cfg) {
			if all || !base[further.ReplaceAllString(line, "$1[0]")] {
				out.WriteString(line + "\n")
			}
		}
		return out.String()
	})
}

// flatten shows a config as sorted lines of path = value.
func flatten(t *testing.T, cfg *Config) []string {
	t.Helper()
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	var lines []string
	var visit func(path string, node any)
	visit = func(path string, node any) {
		switch n := node.(type) {
		case map[string]any:
			for key, below := range n {
				visit(path+"."+key, below)
			}
		case []any:
			lines = append(lines, fmt.Sprintf("%s: %d", path[1:], len(n)))
			for i, below := range n {
				visit(fmt.Sprintf("%s[%d]", path, i), below)
			}
		case float64:
			lines = append(lines, path[1:]+" = "+strconv.FormatFloat(n, 'f', -1, 64))
		default:
			lines = append(lines, fmt.Sprintf("%s = %#v", path[1:], n))
		}
	}
	visit("", tree)
	slices.Sort(lines)
	return lines
}
