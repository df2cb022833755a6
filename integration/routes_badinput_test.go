package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// routing is a config with these routes, each a flow map, and the pools internet and fax. The first route is on line 4.
func routing(routes ...string) string {
	return basicConfig(opts{
		routed: true, backends: []string{"127.0.0.1:1025"}, top: routeLines(routes),
		pools: "  fax:\n    tls: {mode: off}\n    backends: [\"127.0.0.1:1026\"]\n",
	})
}

func TestBadRoutes_AreRefusedWithTheirPlace(t *testing.T) {
	pool := func(lines ...string) string {
		return basicConfig(opts{backends: []string{"127.0.0.1:1025"}, pool: lines})
	}
	rest := `{match: ["*"], to: internet}`
	withPool := strings.Replace(routing(rest), "    tls: {mode: off}", "    pool: internet\n    routes: true\n    tls: {mode: off}", 1)
	refusedWithPlace(t, []badConfig{
		{"unknown pool", routing(`{match: ["*"], to: faks}`), []string{"@FILE@:4", "faks", "fax"}},
		{"unknown pool in a list", routing(`{match: ["*"], to: [{pool: internet}, {pool: internal}]}`), []string{"@FILE@:4", "internal", "internet"}},
		{"the same pattern twice", routing(`{match: [a.example], to: fax}`, `{match: [A.Example], to: internet}`), []string{"@FILE@:5", "a.example", "line 4"}},
		{"without match", routing(`{to: internet}`), []string{"@FILE@:4", "match"}},
		{"without to", routing(`{match: ["*"]}`), []string{"@FILE@:4", "to"}},
		{"negative cost", routing(`{match: ["*"], to: [{pool: fax, cost: -1}]}`), []string{"@FILE@:4", "-1"}},
		{"an address as a pattern", routing(`{match: [bob@example.com], to: fax}`), []string{"@FILE@:4", "bob@example.com"}},
		{"a star within", routing(`{match: ["*foo.com"], to: fax}`), []string{"@FILE@:4", "*foo.com"}},
		{"a pattern with a port", routing(`{match: ["example.com:25"], to: fax}`), []string{"@FILE@:4", "example.com:25", "port"}},
		{"a sender that is none", routing(`{match: ["*"], from: ["a b"], to: fax}`), []string{"@FILE@:4", "a b"}},
		{"unknown listener", routing(`{match: ["*"], listeners: [inbond], to: fax}`), []string{"@FILE@:4", "inbond", "inbound"}},
		{"no such file", routing(`{match_file: /nowhere/domains, to: fax}`), []string{"@FILE@:4", "/nowhere/domains"}},
		{"routes and a pool", withPool, []string{"@FILE@:", "routes", "internet"}},
		{"routes without routes", strings.Replace(pool(), "    pool: internet\n", "    routes: true\n", 1), []string{"@FILE@:", "routes"}},
		{"unknown policy", basicConfig(opts{backends: []string{"127.0.0.1:1"}, policy: "fastest"}), []string{"@FILE@:", "fastest", "least-load"}},
		{"unknown affinity", pool("affinity: recipient"), []string{"@FILE@:", "recipient", "sender"}},
		{"affinity for no time", pool("affinity: client", "affinity_ttl: 0s"), []string{"@FILE@:", "affinity_ttl"}},
		{"unknown hash", pool("hash: none"), []string{"@FILE@:", "hash", "network"}},
		{"a weight out of range", basicConfig(opts{backends: []string{"127.0.0.1:1"}, keys: []string{"weight: 100000"}}), []string{"@FILE@:", "100000"}},
		{"a weight of nothing", basicConfig(opts{backends: []string{"127.0.0.1:1"}, keys: []string{"weight: 0"}}), []string{"@FILE@:", "weight"}},
		{"a negative tier", basicConfig(opts{backends: []string{"127.0.0.1:1"}, keys: []string{"cost: -1"}}), []string{"@FILE@:", "cost"}},
	})
}

// A file of patterns is judged line by line, under its own name.
func TestBadRoutes_InTheirFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "notes.domains")
	if err := os.WriteFile(file, []byte("# ours\nnotes.example\n\nnot a domain\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refusedWithPlace(t, []badConfig{{"pattern", routing(fmt.Sprintf("{match_file: %q, to: fax}", file)), []string{file + ":4", "not a domain"}}})
}

// What is only odd is a warning: the file is taken.
func TestRoutes_WarningsOfCheck(t *testing.T) {
	for name, x := range map[string]struct {
		text string
		says []string
	}{
		"an unreachable route": {
			routing(`{match: [a.example], to: fax}`, `{match: [a.example], listeners: [inbound], to: fax}`, `{match: ["*"], to: internet}`),
			[]string{"routes[0]", "never used", "routes[1]"},
		},
		"mail that has no route": {routing(`{match: [a.example], to: fax}`, `{match: [b.example], to: internet}`), []string{"550 5.7.1", `match: ["*"]`}},
		"routes that nobody goes by": {
			strings.Replace(routing(`{match: ["*"], to: fax}`), "    tls: {mode: off}", "    pool: internet\n    tls: {mode: off}", 1), []string{"no listener goes by the routes"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.NewReplacer("@SMTP@", freeAddr(t), "@ADMIN@", freeAddr(t), "@STATE@", t.TempDir()).Replace(x.text)
			r := runWeir(t, "check", "-c", writeConfig(t, text))
			said := r.stdout + r.stderr
			if r.code != 0 || !strings.Contains(said, "warning") {
				t.Errorf("exit %d, want 0 with a warning:\n%s", r.code, said)
			}
			for _, want := range x.says {
				if !strings.Contains(said, want) {
					t.Errorf("%q is not said in:\n%s", want, said)
				}
			}
		})
	}
}
