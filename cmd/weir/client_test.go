package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func tokenIn(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhatIsARunningWeir(t *testing.T) {
	for admin, want := range map[string]string{
		"http://127.0.0.1:8025": "http://127.0.0.1:8025", "https://weir.example.com/admin/": "https://weir.example.com/admin",
		"127.0.0.1:8025": "", "weir": "", "ftp://host": "", "http://": "", "http://host/?a=b": "", "": "",
	} {
		if got, ok := adminURL(admin); got != want || ok != (want != "") {
			t.Errorf("%q: %q", admin, got)
		}
	}
	for admin, want := range map[string]string{
		"/run/weir.sock": "/run/weir.sock", "./weir.sock": "./weir.sock", "../weir.sock": "../weir.sock",
		"unix:/run/weir.sock": "/run/weir.sock", "unix:///run/weir.sock": "/run/weir.sock", "weir.sock": "", "http://host": "",
	} {
		if got, ok := socketPath(admin); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q", admin, got)
		}
	}
	if code, _, stderr := weir("status", "--admin", "127.0.0.1:8025"); code != exitUsage || !strings.Contains(stderr, `"127.0.0.1:8025" is no URL of a running weir`) {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
}

func TestNobodyAnswers(t *testing.T) {
	t.Setenv("WEIR_ADMIN", "http://"+closedPort(t))
	expect(t, "reload", exitFailed, "", "weir: weir is not reachable at "+os.Getenv("WEIR_ADMIN")+
		": connection refused; is it running there? --admin or WEIR_ADMIN say where\n")
	missing := filepath.Join(t.TempDir(), "admin.sock")
	expect(t, "reload --admin "+missing, exitFailed, "", "weir: weir is not reachable at "+missing+
		": no such file or directory; is it running there? --admin or WEIR_ADMIN say where\n")
}

func TestOverASocket(t *testing.T) {
	f := &fakeWeir{}
	path := filepath.Join(t.TempDir(), "admin.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: f}
	defer func() { _ = s.Close() }()
	go func() { _ = s.Serve(ln) }()
	for _, admin := range []string{path, "unix:" + path} {
		if code, stdout, stderr := weir("status", "--admin", admin); code != exitDone || !strings.HasPrefix(stdout, "pool fax: no eligible") {
			t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
		}
	}
}

func TestTheTokenIsSent(t *testing.T) {
	f := newFakeWeir(t, nil)
	path := tokenIn(t, " s3cret-s3cret-s3\n", 0o600)
	if code, _, stderr := weir("status", "--token-file", path); code != exitDone || stderr != "" {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
	open := tokenIn(t, "other", 0o644)
	t.Setenv("WEIR_TOKEN_FILE", open)
	if code, _, stderr := weir("status"); code != exitDone || stderr != "warning: everybody on this machine can read the token in "+open+"; chmod 600 "+open+"\n" {
		t.Errorf("exit %d, stderr %q", code, stderr)
	}
	if got := strings.Join(f.tokens, ","); got != "Bearer s3cret-s3cret-s3,Bearer other" {
		t.Errorf("sent %s", got)
	}
}

func TestTokenFilesThatHoldNone(t *testing.T) {
	newFakeWeir(t, nil)
	for _, text := range []string{"", " \n", "two words", "one\ntwo", "caf\xe9", strings.Repeat("x", maxToken+1)} {
		path := tokenIn(t, text, 0o600)
		expect(t, "status --token-file "+path, exitFailed, "", "weir: the token file "+path+" must hold one word, the token, and nothing else\n")
	}
	missing := filepath.Join(t.TempDir(), "none")
	expect(t, "status --token-file "+missing, exitFailed, "", "weir: reading the token: open "+missing+": no such file or directory\n")
}

func TestRefusals(t *testing.T) {
	path := tokenIn(t, "wrong", 0o600)
	for _, tt := range []struct {
		code             int
		body, flag, want string
	}{
		{401, `{"error":"a token, please"}`, "", "a token is needed for the weir at @: --token-file or WEIR_TOKEN_FILE name its file"},
		{401, "", "--token-file " + path, "the token in " + path + " is not accepted by the weir at @"},
		{403, `{"error":"only reading is allowed here"}`, "", "the weir at @ does not allow it: only reading is allowed here"},
		{403, "<html>", "", "the weir at @ does not allow it"},
		{404, `{"error":"no such path: /v1/standby"}`, "", "the weir at @ does not know this command; it may be older than this one (no such path: /v1/standby)"},
		{404, "not found", "", "@ answers 404 Not Found: is this the admin address of a weir?"},
		{302, "", "", "@ answers 302 Found: is this the admin address of a weir?"},
		{429, `{"error":"too many wrong tokens"}`, "", "too many wrong tokens"},
		{501, `{"error":"this weir was started without it"}`, "", "this weir was started without it"},
		{502, "<html>", "", "@ answers 502 Bad Gateway: is this the admin address of a weir?"},
	} {
		f := newFakeWeir(t, map[string]answer{"POST /v1/standby": {tt.code, tt.body}})
		expect(t, "standby "+tt.flag, exitFailed, "", "weir: "+strings.ReplaceAll(tt.want, "@", f.url)+"\n")
	}
	f := newFakeWeir(t, map[string]answer{"POST /v1/standby": {200, "<html>"}, "GET /v1/status": {200, "[]"}})
	for _, command := range []string{"standby", "status"} {
		if code, _, stderr := weir(command); code != exitFailed || !strings.HasPrefix(stderr, "weir: reading the answer of "+f.url+": ") {
			t.Errorf("exit %d, stderr %q", code, stderr)
		}
	}
}

func TestAdminByHTTPS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the handshake
	s.StartTLS()
	defer s.Close()
	expect(t, "events --admin "+s.URL, exitFailed, "", "weir: weir is not reachable at "+s.URL+
		": its certificate is not one that this machine trusts; SSL_CERT_FILE names a PEM file with its authority\n")
}
