package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// goldens are the good files, by name.
func goldens(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "good", "*", "weir.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no test data", err)
	}
	all := map[string]string{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[file] = string(data)
	}
	return all
}

func mustParse(t interface{ Fatalf(string, ...any) }, text string) *Config {
	cfg, _, err := Parse("weir.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return cfg
}

// What is shown of a config is a file that says the same.
func TestRenderedFilesSayTheSame(t *testing.T) {
	for name, text := range goldens(t) {
		want := mustParse(t, text)
		for kind, shown := range map[string]string{"whole": Render(want), "changed": RenderChanged(want)} {
			if got := mustParse(t, shown); !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s: got other values from\n%s\n%v", name, kind, shown, Diff(want, got))
			}
		}
	}
}

// Whichever defaults are changed, what is shown says the same.
func TestRenderedFilesSayTheSameForAnyValues(t *testing.T) {
	rows := documented(t)
	values := map[string][]string{
		"duration above 0": {"1s", "1m30s", "8760h", "1ns", "1.5ms"},
		"duration":         {"0", "0s", "90s", "2h"},
		"size":             {"0", "1", "1KiB", "1025", "3MiB", "2GiB"},
		"size above 0":     {"1", "1KiB", "1500MiB"},
		"count":            {"0", "1", "2147483647"},
		"count above 0":    {"1", "7"},
		"name":             {"a", "true", `"null"`, "1", "a:b", "x.y-z_"},
	}
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.SampledFrom(rows).Draw(t, "row")
		all, ok := values[strings.Split(r.kind, ", ")[0]]
		if !ok {
			t.Skip("another kind of value")
		}
		text := with(r.path, rapid.SampledFrom(all).Draw(t, "value"))
		want, _, err := Parse("weir.yaml", []byte(text))
		if err != nil {
			t.Skip("not alone")
		}
		for _, shown := range []string{Render(want), RenderChanged(want)} {
			if got := mustParse(t, shown); !reflect.DeepEqual(got, want) {
				t.Fatalf("%s became other values in\n%s", text, shown)
			}
		}
	})
}

func TestQuotedTextsAreRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.StringMatching(`[ -~ä€]{0,12}`).Draw(t, "text")
		d := newDecoder("weir.yaml")
		root, ok := d.open([]byte("a: " + quote(want) + "\nb: [" + quote(want) + "]\n"))
		var one string
		var list []string
		if !ok || !d.section(root, []field{{"a", scalar(&one, text)}, {"b", scalars(&list, text)}}) || one != want || len(list) != 1 || list[0] != want {
			t.Fatalf("%s was read as %q and %q: %v", quote(want), one, list, d.problems)
		}
	})
}

// Every key that the file may have is shown, but for those that are off.
func TestRenderShowsEveryKey(t *testing.T) {
	dir := t.TempDir()
	token := writeSecret(t, dir, "alice.token", "0123456789abcdef", 0o600)
	key := writeSecret(t, dir, "weir.key", zoneKey, 0o600)
	secret := writeSecret(t, dir, "weir.secret", "c2VjcmV0LW9mLXdlaXI=\n", 0o640)
	domains := writeSecret(t, dir, "fax.domains", "fax.example.com\n", 0o644)
	cert, certKey := issue(t, dir, "mx", -day, day)
	text := `consul: {}
routes: [{match: ["*"], match_file: ` + domains + `, from: ["<>"], listeners: [in], max_size: 1MiB, to: [{pool: one, cost: 3}]}]
dns:
  - {zone: a.example.com, records: [{name: mx, type: MX, pool: one}], update: {servers: ["10.0.0.53:53"], key_file: ` + key + `}}
  - {zone: b.example.com, records: [{name: mx, type: A, replicas: true}], update: {servers: ["10.0.0.53:53"], tsig: {name: weir, secret_file: ` + secret + `}}}
  - {zone: c.example.com, records: [{name: mx, type: A, pool: one}], serve: {ns: [ns1.example.net], key_file: ` + key + `}}
advertise: [192.0.2.10]
admin: {tokens: [{name: alice, role: read, file: ` + token + `}]}
listeners: [{name: in, address: ":25", accept_domains: [example.com], tls: {certificates: [{cert: ` + cert + `, key: ` + certKey + `}]}}, {address: ":26", pool: one}]
pools:
  one: {backends: ["10.0.0.11:25"], consul: {service: a}, dns: {srv: _smtp._tcp.example.com}}
`
	n := showKeys(draftOf(mustParse(t, text)).fields(), true)
	off := []string{"pool_defaults", "routes[].to[].pool", "routes[].to[].cost", "pools.NAME.dns.host", "pools.NAME.dns.port"}
	shown := map[string]bool{}
	var visit func(path string, n *node)
	visit = func(path string, n *node) {
		shown[path] = true
		for _, item := range n.items {
			visit(path+"[]", item)
		}
		for _, k := range n.keys {
			key := k.key
			if path == "pools" {
				key = "NAME"
			}
			visit(strings.TrimPrefix(path+"."+key, "."), k.node)
		}
	}
	visit("", n)
	for _, path := range walk(newDraft().fields(), "") {
		if !shown[path] && !slices.Contains(off, path) {
			t.Errorf("%s is not shown", path)
		}
	}
	cfg := mustParse(t, text)
	rendered := Render(cfg)
	for _, secret := range []string{"0123456789abcdef", cfg.DNS[0].Update.Key.Secret, cfg.DNS[1].Update.Key.Secret} {
		if secret == "" || strings.Contains(rendered, secret) {
			t.Error("a secret is shown")
		}
	}
	if !strings.Contains(rendered, "to: [{pool: one, cost: 3}]") || !strings.Contains(rendered, "match_file: "+domains) {
		t.Errorf("a route is not shown in\n%s", rendered)
	}
	if again := mustParse(t, rendered); !reflect.DeepEqual(again, cfg) {
		t.Errorf("other values in\n%s", rendered)
	}
}

func TestRenderChangedIsShort(t *testing.T) {
	got := RenderChanged(mustParse(t, "hostname: mx.example.com\nlog: {level: debug, format: json}\nconsul: {empty_hold: 30s}\n"+smallest+"    max_connections: 20\n"))
	want := `hostname: mx.example.com
log:
  level: debug
listeners:
  - name: ":25"
    address: ":25"
    pool: internet
pools:
  internet:
    max_connections: 20
    backends:
      - address: "10.0.0.11:25"
        name: "10.0.0.11:25"
      - address: "10.0.0.12:25"
        name: "10.0.0.12:25"
consul:
  empty_hold: 30s
`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestDefaultsYAMLHasTheDefaults(t *testing.T) {
	text := DefaultsYAML()
	if got := mustParse(t, text); !reflect.DeepEqual(got, mustParse(t, smallest)) {
		t.Errorf("other values than the defaults in\n%s", text)
	}
	for _, line := range []string{"state_dir: /var/lib/weir", "    timeouts:\n      connect: 5s", "replay_memory: 256MiB", "final_dot: 9m30s"} {
		if !strings.Contains(text, line) {
			t.Errorf("%q is missing in\n%s", line, text)
		}
	}
}
