package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"weir/dashboard"
)

// fakeWeir answers as it is told, and notes what it was asked. The status is
// that of testdata/status.json.
type fakeWeir struct {
	url string

	mu      sync.Mutex
	answers map[string]answer // by method and path with query
	asked   []string          // method, path and body, but for the status
	tokens  []string
}

type answer struct {
	code int
	body string
}

func newFakeWeir(t *testing.T, answers map[string]answer) *fakeWeir {
	t.Helper()
	f := &fakeWeir{answers: answers}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	f.url = s.URL
	t.Setenv("WEIR_ADMIN", s.URL)
	t.Setenv("WEIR_TOKEN_FILE", "")
	return f
}

func (f *fakeWeir) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tokens = append(f.tokens, r.Header.Get("Authorization"))
	what := r.Method + " " + r.URL.RequestURI()
	got, ok := f.answers[what]
	if what == "GET /v1/status" && !ok {
		text, _ := os.ReadFile("testdata/status.json")
		_, _ = w.Write(text)
		return
	}
	f.asked = append(f.asked, strings.TrimSpace(what+" "+string(body)))
	if !ok {
		got = answer{404, `{"error":"no such path: ` + r.URL.Path + `"}`}
	}
	w.WriteHeader(got.code)
	_, _ = io.WriteString(w, got.body)
}

func (f *fakeWeir) wasAsked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

// standing is an answer to an order.
func standing(id, state string, inFlight int64, change func(*dashboard.OrderAnswer)) string {
	a := dashboard.OrderAnswer{
		ID: id, State: state, InFlight: inFlight, Safe: inFlight == 0,
		Replicas: []dashboard.ReplicaShare{{Name: "weir-1", Self: true, Seen: true, State: state, InFlight: inFlight}},
	}
	if change != nil {
		change(&a)
	}
	text, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// expect runs a command line and compares all that it does.
func expect(t *testing.T, line string, code int, stdout, stderr string) {
	t.Helper()
	gotCode, gotOut, gotErr := weir(strings.Fields(line)...)
	if gotCode != code || gotOut != stdout || gotErr != stderr {
		t.Errorf("weir %s\nexit %d, want %d\nstdout %q\n  want %q\nstderr %q\n  want %q", line, gotCode, code, gotOut, stdout, gotErr, stderr)
	}
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("WEIR_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// closedPort returns an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}
