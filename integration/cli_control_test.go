package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCLI_Status: words for people, JSON for programs, one line and an exit code for monitoring.
func TestCLI_Status(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 2, opts{})
	if out := f.mustCtl("status"); !strings.Contains(out, poolName) || !strings.Contains(out, "c0") || !strings.Contains(out, "c1") {
		t.Errorf("weir status: %q", out)
	}
	var s status
	if err := json.Unmarshal([]byte(f.mustCtl("status", "-o", "json")), &s); err != nil || len(s.Pools) != 1 {
		t.Errorf("weir status -o json: %v, %+v", err, s)
	}
	f.refused([]string{"status", "internat"}, "internat", poolName)
	check := func(code int, word string) {
		t.Helper()
		r := f.ctl("status", "--check")
		if r.code != code || !strings.HasPrefix(r.stdout, word) || strings.Count(r.stdout, "\n") != 1 {
			t.Errorf("weir status --check: exit %d, %q, want %d and one line that begins with %s", r.code, r.stdout, code, word)
		}
	}
	check(0, "OK")
	f.mustCtl("drain", "c0")
	check(1, "WARNING")
	f.mustCtl("drain", "c1", "--force")
	check(2, "CRITICAL")
}

// TestCLI_Events: what changed, when, why, by whom.
func TestCLI_Events(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 2, opts{})
	f.mustCtl("drain", "c0", "--reason", "new disks")
	f.mustCtl("undrain", "c0")
	eventually(t, ceiling, func() bool {
		out := f.mustCtl("events", "--since", "1h")
		return strings.Contains(out, "drain") && strings.Contains(out, "new disks") && strings.Contains(out, "c0")
	}, "weir events does not tell of the drain: %q", f.mustCtl("events"))
}

// TestCLI_TokensAndSocket: a wrong token is refused in words, one that may only read does not write, and the socket
// knows its caller.
func TestCLI_TokensAndSocket(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "wt-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	token := func(name, secret string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	alice, bob := token("alice", "alices-long-secret-word"), token("bob", "bobs-long-secret-word-too")
	wrong, socket := token("wrong", "a-wrong-secret-word-here"), filepath.Join(dir, "admin.sock")
	f := newFlock(t, 2, opts{admin: []string{
		"anonymous: none", "socket: " + socket,
		"tokens: [{name: alice, role: operate, file: " + alice + "}, {name: bob, role: read, file: " + bob + "}]",
	}, token: alice})
	for _, tt := range []struct {
		file string
		verb string
		code int
	}{{alice, "drain", 0}, {bob, "status", 0}, {bob, "undrain", 1}, {wrong, "status", 1}, {"", "status", 1}} {
		args := []string{tt.verb}
		if tt.verb != "status" {
			args = append(args, "c0")
		}
		if tt.file != "" {
			args = append(args, "--token-file", tt.file)
		}
		if r := f.ctl(args...); r.code != tt.code || (tt.code == 1 && !strings.Contains(r.stderr, "token") && !strings.Contains(r.stderr, "role")) {
			t.Errorf("weir %v: exit %d, %s%s; want %d", args, r.code, r.stdout, r.stderr, tt.code)
		}
	}
	if r := runWeir(t, "undrain", "c0", "--admin", socket); r.code != 0 {
		t.Errorf("undrain through the socket: exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	by := func(who string) bool {
		return len(f.logged(func(l logLine) bool { return l.msg() == "backend" && strings.Contains(l.str("by"), who) })) > 0
	}
	eventually(t, ceiling, func() bool { return by("alice") && by("root") }, "the log does not name alice and root: %s", f.tail(3000))
}

// TestCLI_ImportHAProxy: what HAProxy is configured with in the fault table becomes a file that weir takes.
func TestCLI_ImportHAProxy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := strings.NewReplacer("@SOCKET@", "/run/haproxy.sock", "@ADDR@", "127.0.0.1:2525").Replace(haproxyConfig) +
		"  server mx-a 192.0.2.1:25 check weight 50\n  server mx-b 192.0.2.2:25 check backup\n  acl x src 192.0.2.0/24\n"
	path := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := runWeir(t, "import", "haproxy", path)
	if r.code != 0 || !strings.Contains(r.stdout, "192.0.2.2:25") || !strings.Contains(r.stdout, "acl") {
		t.Fatalf("weir import haproxy: exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	if c := runWeir(t, "check", "-c", writeConfig(t, r.stdout)); c.code != 0 {
		t.Errorf("weir check of the result: exit %d: %s%s\n%s", c.code, c.stdout, c.stderr, r.stdout)
	}
}

// TestCLI_CheckLive: the file is right, and one of its connectors does not answer.
func TestCLI_CheckLive(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 1, opts{})
	good := strings.Replace(minimal, "\"127.0.0.1:2526\", \"127.0.0.1:2527\"", "\""+f.c[0].Addr()+"\"", 1)
	if r := runWeir(t, "check", "--live", "-c", writeConfig(t, good)); r.code != 0 {
		t.Errorf("exit %d with a connector that answers: %s%s", r.code, r.stdout, r.stderr)
	}
	dead := freeAddr(t)
	bad := strings.Replace(minimal, "127.0.0.1:2527", dead, 1)
	if r := runWeir(t, "check", "--live", "-c", writeConfig(t, bad)); r.code != 1 || !strings.Contains(r.stdout+r.stderr, dead) {
		t.Errorf("exit %d with a connector that does not: %s%s", r.code, r.stdout, r.stderr)
	}
}

// TestMetrics_OfDiscovery: what monitoring needs to know of sources and drains is there to be scraped.
func TestMetrics_OfDiscovery(t *testing.T) {
	t.Parallel()
	s := newSite(t, 2, siteOptions{})
	s.mustCtl("drain", "c0")
	s.consul.kill9()
	s.waitSource("consul", "stale")
	code, text, err := s.get("/metrics")
	if err != nil || code != 200 {
		t.Fatalf("/metrics: %d, %v", code, err)
	}
	for _, want := range []string{"weir_discovery_stale{", "weir_backend_state{", "weir_pool_eligible{pool=\"internet\"} 1"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("/metrics has no %q", want)
		}
	}
}
