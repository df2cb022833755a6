package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weir/internal/faulty"
)

func TestReload(t *testing.T) {
	f := newFakeWeir(t, map[string]answer{"POST /v1/reload": {200, `{"changes":["pools.fax: new","pools.internet.max_connections: 0 → 20"]}`}})
	expect(t, "reload", exitDone, "reloaded: 2 changes\n  pools.fax: new\n  pools.internet.max_connections: 0 → 20\n", "")
	f.answers["POST /v1/reload"] = answer{200, `{"changes":[]}`}
	expect(t, "reload --previous", exitDone, "reloaded: nothing has changed\n", "")
	if got := f.wasAsked(); !slices.Equal(got, []string{"POST /v1/reload {}", `POST /v1/reload {"previous":true}`}) {
		t.Errorf("asked %q", got)
	}
	f.answers["POST /v1/reload"] = answer{400, `{"changes":[],"error":"weir.yaml:1: unknown key\nweir.yaml:2: too large"}`}
	expect(t, "reload", exitFailed, "", "weir.yaml:1: unknown key\nweir.yaml:2: too large\nweir: not reloaded: everything stays as it was\n")
	f.answers["POST /v1/reload"] = answer{501, `{"error":"this weir has no config file to read again"}`}
	expect(t, "reload", exitFailed, "", "weir: this weir has no config file to read again\n")
}

func TestStandby(t *testing.T) {
	f := newFakeWeir(t, map[string]answer{"POST /v1/standby": {200, `{"standby":true}`}})
	expect(t, "standby", exitDone, "on standby: out of DNS and Consul, /readyz answers 503, senders who come are served\n", "")
	expect(t, "standby --off", exitDone, "standby is over: this replica wants senders again\n", "")
	if got := f.wasAsked(); !slices.Equal(got, []string{"POST /v1/standby {}", `POST /v1/standby {"off":true}`}) {
		t.Errorf("asked %q", got)
	}
}

func TestConfigInForce(t *testing.T) {
	newFakeWeir(t, map[string]answer{"GET /v1/config": {200, "hostname: mx\n"}, "GET /v1/config?diff=1": {200, "log: {level: debug}\n"}})
	expect(t, "config", exitDone, "hostname: mx\n", "")
	expect(t, "config --diff", exitDone, "log: {level: debug}\n", "")
}

func TestConfigWithoutAWeir(t *testing.T) {
	t.Setenv("WEIR_ADMIN", "http://"+closedPort(t))
	path := writeFile(t, goodFile)
	code, defaults, stderr := weir("config", "--defaults")
	if code != exitDone || stderr != "" || !strings.Contains(defaults, "queue_timeout: 5s\n") {
		t.Errorf("exit %d, %q, stderr %q", code, defaults, stderr)
	}
	_, whole, _ := weir("config", "-c", path)
	_, diff, _ := weir("config", "-c", path, "--diff")
	if !strings.Contains(whole, "127.0.0.1:2526") || !strings.Contains(whole, "queue_timeout") || strings.Contains(diff, "queue_timeout") || !strings.Contains(diff, "127.0.0.1:2526") {
		t.Errorf("whole %q, diff %q", whole, diff)
	}
	if code, stdout, _ := weir("check", "-c", writeFile(t, whole)); code != exitDone {
		t.Errorf("what is shown is no config: %q", stdout)
	}
	if code, _, stderr := weir("config", "-c", writeFile(t, "hostnam: x\n")); code != exitFailed || !strings.Contains(stderr, `"hostname"`) {
		t.Errorf("exit %d, %q", code, stderr)
	}
}

func TestCheckLive(t *testing.T) {
	well, refusing := connectorFor(t, faulty.Honest()), connectorFor(t, faulty.Behaviour{Faults: []faulty.Fault{{Stage: faulty.Banner, Reply: "554 5.7.1 no"}}})
	agent, _ := fakeConsul(t, `"10.0.0.1:8300"`)
	file := strings.NewReplacer("127.0.0.1:2526", well.Addr(), "127.0.0.1:2527", refusing.Addr()).Replace(goodFile) +
		"consul: {address: \"" + strings.TrimPrefix(agent, "http://") + "\", register: true}\n"
	code, stdout, stderr := weir("check", "--live", "-c", writeFile(t, file))
	lines := strings.Split(stdout, "\n")
	if code != exitFailed || !strings.HasSuffix(stderr, "weir: 1 of 3 live checks failed\n") || len(lines) != 5 ||
		!strings.HasPrefix(lines[1], "connector internet/"+well.Addr()+": ok, EHLO answered in ") ||
		!strings.HasPrefix(lines[2], "connector internet/"+refusing.Addr()+": FAILED: banner: 554 5.7.1 no") ||
		!strings.HasSuffix(lines[3], ": ok, leader 10.0.0.1:8300") {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	refusing.Set(faulty.Honest())
	file = strings.Replace(file, strings.TrimPrefix(agent, "http://"), closedPort(t), 1)
	code, stdout, _ = weir("check", "--live", "-c", writeFile(t, file))
	if code != exitFailed || !strings.Contains(stdout, ": FAILED: connection refused\n") || strings.Count(stdout, ": ok, EHLO") != 2 {
		t.Errorf("exit %d, stdout %q", code, stdout)
	}
	headless, _ := fakeConsul(t, `""`)
	file = strings.ReplaceAll(goodFile, "127.0.0.1:2526\", \"127.0.0.1:2527", well.Addr()) +
		"consul: {address: \"" + strings.TrimPrefix(headless, "http://") + "\", register: true}\n"
	code, stdout, _ = weir("check", "--live", "-c", writeFile(t, file))
	if code != exitFailed || !strings.Contains(stdout, "FAILED: the agent answers, and the servers have no leader\n") {
		t.Errorf("exit %d, stdout %q", code, stdout)
	}
}

// --live speaks with connectors as mail would: with the pool's TLS.
func TestCheckLiveUsesThePoolsTLS(t *testing.T) {
	plain := connectorFor(t, faulty.Honest())
	file := "listeners:\n  - {address: \"127.0.0.1:0\", tls: {mode: off}}\npools:\n  internet: {tls: {mode: required}, backends: [{name: a, address: \"" + plain.Addr() + "\"}]}\n"
	code, stdout, _ := weir("check", "--live", "-c", writeFile(t, file))
	if code != exitFailed || !strings.Contains(stdout, ": FAILED: tls: STARTTLS is not offered\n") {
		t.Errorf("exit %d, stdout %q", code, stdout)
	}
}

// fakeConsul is an agent that takes registrations, and has one leader.
func fakeConsul(t *testing.T, leader string) (url string, asked *[]string) {
	t.Helper()
	asked = new([]string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = append(*asked, r.Method+" "+r.URL.Path+" "+r.Header.Get("X-Consul-Token")+" "+string(body))
		switch r.URL.Path {
		case "/v1/status/leader":
			_, _ = io.WriteString(w, leader)
		case "/v1/agent/services":
			_, _ = io.WriteString(w, `{"weir-smtp-mx-a":{"ID":"weir-smtp-mx-a","Service":"smtp","Address":"10.0.0.1","Port":25,"Meta":{"weir_name":"mx-a"}}}`)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func TestRegister(t *testing.T) {
	agent, asked := fakeConsul(t, "")
	token := tokenIn(t, "consul-s3cret\n", 0o600)
	expect(t, "register --service smtp 10.0.0.1:25 --name mx-a --weight 50 --cost 10 --consul "+agent+" --token-file "+token, exitDone,
		"registered: 10.0.0.1:25 in service smtp, as weir-smtp-mx-a\n", "")
	if len(*asked) != 1 || !strings.HasPrefix((*asked)[0], "PUT /v1/agent/service/register consul-s3cret ") {
		t.Fatalf("asked %q", *asked)
	}
	var sent struct {
		ID, Address string
		Port        int
		Weights     struct{ Passing int }
	}
	_, body, _ := strings.Cut((*asked)[0], "{")
	if err := json.Unmarshal([]byte("{"+body), &sent); err != nil || sent.ID != "weir-smtp-mx-a" || sent.Weights.Passing != 50 || sent.Port != 25 {
		t.Errorf("sent %+v (%v)", sent, err)
	}
	t.Setenv("CONSUL_HTTP_ADDR", agent)
	expect(t, "deregister --service smtp mx-a", exitDone, "deregistered: mx-a of service smtp\n", "")
	if last := (*asked)[len(*asked)-1]; last != "PUT /v1/agent/service/deregister/weir-smtp-mx-a  " {
		t.Errorf("asked %q", last)
	}
	if code, _, stderr := weir("deregister", "--service", "smtp", "mx-z"); code != exitFailed || !strings.Contains(stderr, "mx-a") {
		t.Errorf("exit %d, %q", code, stderr)
	}
	for _, args := range []string{"register --service smtp mx.example.com", "register --service smtp 10.0.0.1:25 --token-file /nowhere", "register --service smtp 10.0.0.1:25 --consul " + closedPort(t)} {
		if code, stdout, stderr := weir(strings.Fields(args)...); code != exitFailed || stdout != "" || !strings.HasPrefix(stderr, "weir: ") {
			t.Errorf("%s: exit %d, %q", args, code, stderr)
		}
	}
}

const proxyFile = `defaults
    mode tcp
listen smtp
    bind :25
    option smtpchk
    balance roundrobin
    server mx-a 10.0.0.1:25 check
    server mx-b 10.0.0.2:25 check
`

func TestImport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(path, []byte(proxyFile), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := weir("import", "haproxy", path)
	if code != exitDone || !strings.Contains(stdout, "10.0.0.2:25") {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	var piped, errs strings.Builder
	if code := run(t.Context(), []string{"import", "haproxy", "-"}, strings.NewReader(proxyFile), &piped, &errs); code != exitDone || !strings.Contains(piped.String(), "10.0.0.2:25") {
		t.Errorf("exit %d, %q", code, errs.String())
	}
	if code, stdout, stderr := weir("check", "-c", writeFile(t, stdout)); code != exitDone {
		t.Errorf("exit %d, %q %q", code, stdout, stderr)
	}
	code, _, stderr = weir("import", "haproxy", path+"x")
	if code != exitFailed || stderr != "weir: reading the file: open "+path+"x: no such file or directory\n" {
		t.Errorf("exit %d, %q", code, stderr)
	}
	if _, err := readImport("-", strings.NewReader(strings.Repeat("#", maxImport+1))); err == nil || !strings.Contains(err.Error(), "4 MiB") {
		t.Errorf("got %v", err)
	}
}

func TestCompletionOfNames(t *testing.T) {
	newFakeWeir(t, nil)
	for args, want := range map[string]string{
		"drain ":                "internet/mx-a internet/mx-b? mx-b n1 n2 fax/mx-a",
		"drain m":               "mx-b",
		"drain internet/":       "internet/mx-a internet/mx-b",
		"drain mx-b internet/":  "internet/mx-a",
		"undrain n2 n":          "n1",
		"status ":               "internet fax notes mx-b n1 n2 internet/mx-a fax/mx-a",
		"status internet ":      "",
		"probe mx":              "mx-b",
		"status -o ":            "text json",
		"completion z":          "zsh",
		"disable --reason x n1": "n1",
	} {
		want = strings.ReplaceAll(want, "internet/mx-b? ", "")
		words := strings.Split(args, " ")
		_, stdout, _ := weir(append([]string{"__complete"}, words...)...)
		var got []string
		for _, line := range strings.Split(stdout, "\n") {
			if name, _, _ := strings.Cut(line, "\t"); name != "" && !strings.HasPrefix(name, ":") {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		wanted := strings.Fields(want)
		slices.Sort(wanted)
		if !slices.Equal(got, wanted) {
			t.Errorf("%s: %q, want %q", args, got, wanted)
		}
	}
}

func TestCompletionIsSilent(t *testing.T) {
	t.Setenv("WEIR_ADMIN", "http://"+closedPort(t))
	t.Setenv("WEIR_TOKEN_FILE", "/nowhere")
	code, stdout, stderr := weir("__complete", "drain", "m")
	if code != exitDone || stdout != ":4\n" || strings.Contains(stderr, "weir: ") {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if code, stdout, stderr := weir("completion", shell); code != exitDone || !strings.Contains(stdout, "weir") || stderr != "" {
			t.Errorf("%s: exit %d, %d bytes, stderr %q", shell, code, len(stdout), stderr)
		}
	}
}

// Every command has an end, whoever asks: nothing waits for a context without
// one.
func TestInterruptedBeforeItBegan(t *testing.T) {
	newFakeWeir(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range []string{"status", "drain mx-b --wait", "events"} {
		var out strings.Builder
		if code := run(ctx, strings.Fields(args), strings.NewReader(""), &out, &out); code != exitFailed {
			t.Errorf("%s: exit %d, %q", args, code, out.String())
		}
	}
}
