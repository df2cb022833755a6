package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// bySocket says whether weir's admin server is asked through a socket.
func (w *weir) bySocket() bool { return strings.HasPrefix(w.admin, "/") }

// adminClient talks to the admin server. Every call has its own connection, so that none is left for the leak check.
func (w *weir) adminClient(timeout time.Duration) *http.Client {
	transport := &http.Transport{DisableKeepAlives: true}
	if w.bySocket() {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", w.admin)
		}
	}
	return &http.Client{Transport: transport, Timeout: timeout}
}

// adminURL is the address of a path of the admin server.
func (w *weir) adminURL(path string) string {
	if w.bySocket() {
		return "http://localhost" + path
	}
	return "http://" + w.admin + path
}

// get asks the admin server.
func (w *weir) get(path string) (code int, body []byte, err error) {
	return w.ask(http.MethodGet, path, nil)
}

// post orders something of the admin server; body is made JSON.
func (w *weir) post(path string, body any) (code int, answer []byte, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	return w.ask(http.MethodPost, path, text)
}

func (w *weir) ask(method, path string, body []byte) (code int, answer []byte, err error) {
	req, err := http.NewRequest(method, w.adminURL(path), bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if w.token != "" {
		secret, err := os.ReadFile(w.token)
		if err != nil {
			return 0, nil, err
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(secret)))
	}
	resp, err := w.adminClient(30 * time.Second).Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("asking %s: %w", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// ctl runs a command of weir's against this instance.
func (w *weir) ctl(args ...string) result {
	w.t.Helper()
	admin := w.admin
	if !w.bySocket() {
		admin = "http://" + admin
	}
	return runWeir(w.t, append(args, "--admin", admin)...)
}

// mustCtl is ctl for a command that has to succeed.
func (w *weir) mustCtl(args ...string) string {
	w.t.Helper()
	r := w.ctl(args...)
	if r.code != 0 {
		w.t.Fatalf("weir %s: exit %d: %s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// refused is ctl for a command that has to fail with exit 1 and with words; each is part of what it says.
func (w *weir) refused(args []string, words ...string) {
	w.t.Helper()
	r := w.ctl(args...)
	said := r.stdout + r.stderr
	if r.code != 1 {
		w.t.Errorf("weir %s: exit %d, want 1: %s", strings.Join(args, " "), r.code, said)
	}
	for _, word := range words {
		if !strings.Contains(said, word) {
			w.t.Errorf("weir %s does not say %q: %s", strings.Join(args, " "), word, said)
		}
	}
}
