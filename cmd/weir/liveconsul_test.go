package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/internal/faulty"
)

// guardedConsul is an agent with rules: who has the token sees one instance.
func guardedConsul(t *testing.T, acl bool) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("X-Consul-Token")
		for name, value := range map[string]string{"Index": "1", "LastContact": "0", "KnownLeader": "true"} {
			w.Header().Set("X-Consul-"+name, value)
		}
		switch {
		case r.URL.Path == "/v1/status/leader":
			_, _ = io.WriteString(w, `"10.0.0.1:8300"`)
		case r.URL.Path == "/v1/acl/token/self" && !acl:
			http.Error(w, "ACL support disabled", http.StatusUnauthorized)
		case acl && token == "revoked":
			http.Error(w, "ACL not found", http.StatusForbidden)
		case r.URL.Path == "/v1/acl/token/self" && token == "":
			_, _ = io.WriteString(w, `{"AccessorID":"`+anonymousToken+`"}`)
		case r.URL.Path == "/v1/acl/token/self":
			_, _ = io.WriteString(w, `{"AccessorID":"1"}`)
		case acl && token != "good":
			w.Header().Set("X-Consul-Default-Acl-Policy", "deny")
			w.Header().Set("X-Consul-Results-Filtered-By-Acls", map[bool]string{true: "true", false: "false"}[token != ""])
			_, _ = io.WriteString(w, `[]`)
		default:
			_, _ = io.WriteString(w, `[{"Node":{"Node":"n1","Address":"10.0.0.11"},"Service":{"ID":"mx-a","Service":"connector-internet","Address":"10.0.0.11","Port":25},"Checks":[]}]`)
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestCheckLiveAsksConsulWithTheToken(t *testing.T) {
	t.Setenv("CONSUL_HTTP_TOKEN", "")
	for _, tt := range []struct {
		token         string
		acl           bool
		agent, source string
	}{
		{"good", true, "ok, leader 10.0.0.1:8300", "ok, 1 connector"},
		{"good", false, "ok, leader 10.0.0.1:8300", "ok, 1 connector"},
		{"revoked", true, "FAILED: the token in @ is not one that Consul knows (empty, revoked, or of another datacenter)", "FAILED: Consul does not know weir's token"},
		{"\n", true, "FAILED: the token in @ is not one that Consul knows (empty, revoked, or of another datacenter)", "FAILED: Consul shows nothing to those without a token"},
		{"poor", true, "ok, leader 10.0.0.1:8300", "FAILED: Consul shows nothing because the token may not read service"},
		{"", true, "ok, leader 10.0.0.1:8300", "FAILED: Consul shows nothing to those without a token"},
		{"", false, "ok, leader 10.0.0.1:8300", "ok, 1 connector"},
	} {
		path := ""
		if tt.token != "" {
			path = tokenIn(t, tt.token, 0o600)
		}
		agent := guardedConsul(t, tt.acl)
		file := "listeners:\n  - {name: inbound, address: \"127.0.0.1:0\", pool: internet, tls: {mode: off}}\n" +
			"pools:\n  internet: {consul: {service: connector-internet}}\nstate_dir: \"\"\n" +
			"consul: {address: \"" + agent + "\", token_file: \"" + path + "\"}\n"
		code, stdout, stderr := weir("check", "--live", "-c", writeFile(t, file))
		lines := strings.Split(stdout, "\n")
		failed := strings.Contains(tt.agent+tt.source, "FAILED")
		if len(lines) != 4 || lines[1] != "consul at "+agent+": "+strings.ReplaceAll(tt.agent, "@", path) ||
			!strings.HasPrefix(lines[2], "service connector-internet of pool internet: "+tt.source) || (code == exitFailed) != failed {
			t.Errorf("token %q, ACL %v: exit %d, stdout %q, stderr %q", tt.token, tt.acl, code, stdout, stderr)
		}
	}
}

func TestCheckLiveReadsLists(t *testing.T) {
	well, away := connectorFor(t, faulty.Honest()), closedPort(t)
	list := filepath.Join(t.TempDir(), "list.yaml")
	file := "listeners:\n  - {name: inbound, address: \"127.0.0.1:0\", pool: internet, tls: {mode: off}}\n" +
		"pools:\n  internet: {file: \"" + list + "\"}\nstate_dir: \"\"\n"
	for text, want := range map[string]string{
		`["` + well.Addr() + `", {address: "` + away + `", name: b}]`: "connector internet/" + well.Addr() + ": ok, EHLO answered in " +
			"|connector internet/b at " + away + ": FAILED: connect: connection refused",
		"":     "file of pool internet: FAILED: ",
		"pipe": "file of pool internet: FAILED: " + list + " is no file",
		"none": "file of pool internet: FAILED: reading config " + list + ": ",
	} {
		_ = os.RemoveAll(list)
		var err error
		switch text {
		case "none":
		case "pipe":
			err = os.Mkdir(list, 0o700)
		default:
			err = os.WriteFile(list, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := weir("check", "--live", "-c", writeFile(t, file))
		_, rest, _ := strings.Cut(stdout, "\n")
		lines := strings.Split(strings.TrimSpace(rest), "\n")
		wanted := strings.Split(want, "|")
		if code != exitFailed || len(lines) != len(wanted) {
			t.Fatalf("%q: exit %d, stdout %q, stderr %q", text, code, stdout, stderr)
		}
		for i, line := range lines {
			if !strings.HasPrefix(line, wanted[i]) {
				t.Errorf("%q: line %q, want %q", text, line, wanted[i])
			}
		}
	}
}
