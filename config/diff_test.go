package config

import (
	"slices"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	const before = `hostname: mx.example.com
listeners:
  - {name: inbound, address: ":25", pool: internet}
  - {name: outbound, address: ":26", pool: internet}
pools:
  internet: {backends: ["10.0.0.11:25", {address: "10.0.0.12:25", name: mx-b}]}
  a.b: {dns: {host: a.example.com}}
`
	for _, c := range []struct {
		name, old, new string
		want, restart  []string
	}{
		{name: "nothing", want: nil},
		{name: "a default written out", old: "hostname", new: "startup_wait: 10s\nhostname", want: nil},
		{
			name: "values", old: "internet: {", new: "internet: {max_connections: 20, health: {interval: 1s}, ",
			want: []string{"pools.internet.max_connections: 0 → 20", "pools.internet.health.interval: 5s → 1s"},
		},
		{
			name: "a listener by its name", old: `- {name: inbound, address: ":25", pool: internet}`, new: `- {name: inbound, address: ":25", pool: internet, limits: {recipients: 500}}`,
			want: []string{"listeners.inbound.limits.recipients: 1000 → 500"},
		},
		{name: "a listener gone", old: `  - {name: outbound, address: ":26", pool: internet}` + "\n", want: []string{"listeners.outbound: removed"}},
		{name: "a pool", old: "  a.b:", new: "  fax: {file: fax.yaml}\n  a.b:", want: []string{"pools.fax: new"}},
		{name: "a backend", old: "name: mx-b", new: "name: mx-c", want: []string{"pools.internet.backends.mx-b: removed", "pools.internet.backends.mx-c: new"}},
		{
			name: "one key instead of another", old: "host: a.example.com", new: "srv: _smtp._tcp.a.example.com",
			want: []string{`pools["a.b"].dns.host: a.example.com → not set`, `pools["a.b"].dns.port: 25 → not set`, `pools["a.b"].dns.srv: not set → "_smtp._tcp.a.example.com"`},
		},
		{
			name: "what needs a restart", old: "hostname: mx", new: "consul: {}\ncluster: east\nstate_dir: /srv\nadmin: {address: \"127.0.0.1:1\", socket: /run/a}\nhostname: mx2",
			want: []string{
				"hostname: mx.example.com → mx2.example.com", "cluster: default → east", "state_dir: /var/lib/weir → /srv",
				`admin.address: "127.0.0.1:8025" → "127.0.0.1:1"`, `admin.socket: "" → /run/a`, "consul: new",
			},
			restart: []string{"hostname", "cluster", "state_dir", "admin.address", "admin.socket", "consul"},
		},
	} {
		a, b := mustParse(t, before), mustParse(t, strings.Replace(before, c.old, c.new, 1))
		if got := Diff(a, b); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if got := NeedsRestart(a, b); !slices.Equal(got, c.restart) {
			t.Errorf("%s: restart for %q, want %q", c.name, got, c.restart)
		}
	}
}

func TestDiffTellsOfAnotherSecret(t *testing.T) {
	dir := t.TempDir()
	file := writeSecret(t, dir, "a.token", "0123456789abcdef", 0o600)
	text := "admin: {tokens: [{name: alice, role: read, file: " + file + "}]}\n" + smallest
	before := mustParse(t, text)
	writeSecret(t, dir, "a.token", "another-secret-of-alice", 0o600)
	got := Diff(before, mustParse(t, text))
	if want := []string{"admin.tokens.alice: another secret"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
