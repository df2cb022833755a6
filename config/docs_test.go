package config

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A row of docs/config.md: the key's whole path, its second and its third column.
type row struct{ path, value, kind string }

// documented reads the tables of docs/config.md. A heading in backticks is the
// path below which the keys of its table stand.
func documented(t *testing.T) (rows []row) {
	t.Helper()
	text, err := os.ReadFile("../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	heading := regexp.MustCompile("^## (?:`(.*)`|.*)$")
	line := regexp.MustCompile("^\\| `([^`]+)` \\| (.*?) \\|(?: (.*?) \\|)?")
	prefix := ""
	for l := range strings.Lines(string(text)) {
		if m := heading.FindStringSubmatch(strings.TrimSpace(l)); m != nil {
			prefix = m[1]
		}
		if m := line.FindStringSubmatch(l); m != nil {
			rows = append(rows, row{strings.TrimPrefix(prefix+"."+m[1], "."), m[2], m[3]})
		}
	}
	return rows
}

// walk lists the paths of all keys in a table that hold values themselves.
func walk(fields []field, prefix string) []string {
	var all []string
	for _, f := range fields {
		path := strings.TrimPrefix(prefix+"."+f.key, ".")
		holds := f.each == "[]" && prefix != "" || len(f.keys) == 0
		if holds {
			all = append(all, path)
		}
		all = append(all, walk(f.keys, path+f.each)...)
	}
	return all
}

func TestDocsNameEveryKey(t *testing.T) {
	rows, keys := documented(t), walk(newDraft().fields(), "")
	if len(keys) < 100 {
		t.Errorf("the decoder has %d keys only", len(keys))
	}
	for _, key := range keys {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.path == key }) {
			t.Errorf("docs/config.md does not name %s", key)
		}
	}
	for _, r := range rows {
		if !slices.Contains(keys, r.path) {
			t.Errorf("docs/config.md names %s, which the decoder does not have", r.path)
		}
	}
}

// with is a small file that gives one key a value; without a path, the file as
// it is.
func with(path, value string) string {
	listener, backend, pool, top := `address: ":25"`, `address: "10.0.0.11:25"`, "", ""
	if strings.HasPrefix(path, "pools.NAME.consul") {
		top = "consul: {}"
	}
	if key, ok := strings.CutPrefix(path, "dns[]."); ok {
		top, path = "dns: [{"+zoneWith(key, value)+"}]", ""
	}
	if key, ok := strings.CutPrefix(path, "pools.NAME.consul."); ok {
		pool, path = "consul: {service: a, "+key+": "+value+"}", "pools.NAME.backends"
		value = "[{" + backend + "}]"
	}
	if key, ok := strings.CutPrefix(path, "pools.NAME.dns."); ok {
		pool, path = "dns: {host: a.example.com, "+key+": "+value+"}", "pools.NAME.backends"
		value = "[{" + backend + "}]"
	}
	if key, ok := strings.CutPrefix(path, "routes[]."); ok {
		top, path = "routes: [{"+routeWith(key, value)+"}]", ""
	}
	if rest, ok := strings.CutPrefix(path, "listeners[]."); ok {
		listener = put(listener, rest, value)
	} else if rest, ok := strings.CutPrefix(path, "pools.NAME.backends[]."); ok {
		backend = put(backend, rest, value)
	} else if rest, ok := strings.CutPrefix(path, "pools.NAME."); ok {
		pool = put(pool, rest, value)
	} else if path != "" {
		top = put("", path, value)
	}
	if !strings.Contains(pool, "backends:") {
		pool = strings.TrimPrefix(pool+", backends: [{"+backend+"}]", ", ")
	}
	file := "listeners: [{" + listener + "}]\npools: {internet: {" + pool + "}}\n"
	if top != "" {
		file += top + "\n"
	}
	return file
}

// zoneWith is the inside of a zone that gives one key a value.
func zoneWith(path, value string) string {
	zone, record, serve := "zone: example.com", "name: mx, type: MX, pool: internet", "ns: [ns1.example.com]"
	if key, ok := strings.CutPrefix(path, "records[]."); ok {
		record = put(record, key, value)
	} else if key, ok := strings.CutPrefix(path, "serve."); ok {
		serve = put(serve, key, value)
	} else {
		zone = put(zone, path, value)
	}
	return zone + ", records: [{" + record + "}], serve: {" + serve + "}"
}

// routeWith is the inside of a route that gives one key a value.
func routeWith(path, value string) string {
	if key, ok := strings.CutPrefix(path, "to[]."); ok {
		return `match: ["*"], to: [{` + put("pool: internet", key, value) + "}]"
	}
	if path == "to" {
		return `match: ["*"], to: ` + value
	}
	return put(`match: ["*"], to: internet`, path, value)
}

// put adds a key to the inside of a flow mapping; an equal one is replaced.
func put(inside, path, value string) string {
	keys := strings.Split(path, ".")
	entry := strings.Join(keys, ": {") + ": " + value + strings.Repeat("}", len(keys)-1)
	if inside == "" || strings.HasPrefix(inside, keys[0]+":") {
		return entry
	}
	return inside + ", " + entry
}

func TestDocsTellTheDefaults(t *testing.T) {
	// without is the same file without the key. Sections that are off when they
	// are absent are there.
	without := func(path string) *Config {
		switch {
		case strings.HasPrefix(path, "pools.NAME.consul."):
			return mustParse(t, with("pools.NAME.consul.tag", `""`))
		case strings.HasPrefix(path, "pools.NAME.dns."):
			return mustParse(t, with("pools.NAME.dns.resolver", `""`))
		case strings.HasPrefix(path, "consul."):
			return mustParse(t, with("consul", "{}"))
		case strings.HasPrefix(path, "routes[]."):
			return mustParse(t, with("routes[].to", "internet"))
		case strings.HasPrefix(path, "dns[]."):
			return mustParse(t, with("dns[].dry_run", "false"))
		}
		return mustParse(t, with("", ""))
	}
	checked := 0
	for _, r := range documented(t) {
		value, isCode := strings.CutPrefix(r.value, "`")
		if !isCode || !strings.HasSuffix(value, "`") {
			continue // "required", "the machine's name" and the like
		}
		value = strings.TrimSuffix(value, "`")
		checked++
		got, _, err := Parse("weir.yaml", []byte(with(r.path, value)))
		if err != nil {
			t.Errorf("%s: %s is refused: %v", r.path, value, err)
		} else if !reflect.DeepEqual(got, without(r.path)) {
			t.Errorf("%s: %s is not the default", r.path, value)
		}
	}
	if checked < 60 {
		t.Errorf("only %d defaults were found in docs/config.md", checked)
	}
}

// The examples of docs/routes.md that are whole files are right, and give no warnings.
func TestExamplesOfRoutesAreRight(t *testing.T) {
	text, err := os.ReadFile("../docs/routes.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeSecret(t, dir, "notes.domains", "example.org\n", 0o644)
	whole := 0
	for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(m[1], "pools:") {
			continue
		}
		whole++
		_, warnings, err := Load(writeSecret(t, dir, "weir.yaml", m[1], 0o600))
		if err != nil || len(without(warnings, "signed itself", "open relay")) > 0 {
			t.Errorf("%v, %v in\n%s", err, warnings, m[1])
		}
	}
	if whole < 2 {
		t.Errorf("%d examples found", whole)
	}
}

// without are the warnings that say none of these words.
func without(warnings []Problem, words ...string) []Problem {
	return slices.DeleteFunc(slices.Clone(warnings), func(p Problem) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(p.What, w) })
	})
}
