package dashboard

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
)

// Whatever comes in badly is answered with the fitting code, and nothing is done.
func TestBadInputChangesNothing(t *testing.T) {
	const drain, token = "/v1/backends/internet/mx-a/drain", "0123456789abcdef"
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	tests := []struct {
		name, method, target, body string
		change                     func(*http.Request)
		code                       int
	}{
		{"wrong token", "POST", drain, "", set("Authorization", "Bearer guess"), 401},
		{"no token at all", "POST", drain, "", set("Authorization", "Basic YTpi"), 401},
		{"a role too small", "POST", drain, "", set("Authorization", "Bearer "+token), 403},
		{"foreign origin", "POST", drain, "", set("Origin", "https://evil.example.com"), 403},
		{"a page without an origin", "POST", drain, "", set("Origin", "null"), 403},
		{"a foreign site", "POST", drain, "", set("Sec-Fetch-Site", "cross-site"), 403},
		{"a name that is not ours", "POST", drain, "", func(r *http.Request) { r.Host = "rebound.example.com" }, 403},
		{"wrong method", "GET", drain, "", nil, 405},
		{"a method of no kind", "BREW", drain, "", nil, 405},
		{"wrong method for what is read", "DELETE", "/v1/status", "", nil, 405},
		{"unknown connector", "POST", "/v1/backends/internet/mx-z/drain", "", nil, 404},
		{"unknown pool", "POST", "/v1/backends/telex/mx-a/drain", "", nil, 404},
		{"unknown verb", "POST", "/v1/backends/internet/mx-a/explode", "", nil, 404},
		{"a path that climbs", "POST", "/v1/backends/internet/../internet/mx-a/drain", "", nil, 404},
		{"unknown zone", "POST", "/v1/dns/example.org/freeze", "", nil, 404},
		{"oversized body", "POST", drain, `{"reason":"` + strings.Repeat("x", 1<<20) + `"}`, nil, 413},
		{"long reason", "POST", drain, `{"reason":"` + strings.Repeat("x", MaxReason+1) + `"}`, nil, 400},
		{"deep nesting", "POST", drain, strings.Repeat("[", 4000), nil, 400},
		{"unknown field", "POST", drain, `{"reasn":"x"}`, nil, 400},
		{"two values", "POST", drain, `{} {}`, nil, 400},
		{"no JSON", "POST", drain, "reason=x", nil, 400},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s, did := ordered()
			s.SetAccess(Access{Anonymous: RoleOperate, Tokens: []Token{{Name: "alice", Role: RoleRead, Secret: token}}})
			before := s.deps.Registry.Snapshot().Version
			r := localRequest(tc.method, tc.target, tc.body)
			if tc.change != nil {
				tc.change(r)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != tc.code || !strings.Contains(w.Body.String(), `{"error":"`) || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("answered %d %s, want %d", w.Code, w.Body, tc.code)
			}
			if *did != "" || s.deps.Registry.Snapshot().Version != before {
				t.Errorf("it was done: %s", *did)
			}
		})
	}
}

// A client that sends its request a byte at a time, or half of it, is given up, and
// holds up nobody meanwhile.
func TestSlowClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, did := ordered()
		p := newPipes()
		stop := serve(s, p)
		for _, said := range []string{
			"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
			"POST /v1/backends/internet/mx-a/drain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000\r\n\r\n{",
		} {
			conn, err := p.dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if _, err := io.WriteString(conn, said); err != nil {
				t.Fatal(err)
			}
			if w := ask(s, "GET", "/healthz"); w.Code != 200 {
				t.Errorf("beside a slow client: %d", w.Code)
			}
			_, _ = io.Copy(io.Discard, conn) // ends when the server gives up
			if took := time.Since(began); took > 2*readHeaderTimeout {
				t.Errorf("%.40q was waited for %v", said, took)
			}
			_ = conn.Close()
		}
		if *did != "" {
			t.Errorf("half an order was done: %s", *did)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// Streams whose clients have gone without a word are closed in time, and their
// places are free again.
func TestHalfOpenStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newServer()
		p := newPipes()
		stop := serve(s, p)
		for range maxStreams {
			conn, err := p.dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			fmt.Fprint(conn, "GET /v1/events/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
			if line, err := bufio.NewReaderSize(conn, 16).ReadString(' '); err != nil || line != "HTTP/1.1 " {
				t.Fatalf("%q, %v", line, err)
			}
		}
		if w := ask(s, "GET", "/v1/events/stream"); w.Code != 503 {
			t.Errorf("one more: %d", w.Code)
		}
		time.Sleep(2 * (heartbeat + streamWriteTime)) // virtual
		synctest.Wait()
		if n := s.streams.Load(); n != 0 {
			t.Errorf("%d streams are still open", n)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// A name may hold what a path cannot: it is escaped.
func TestNamesInPathsAreEscaped(t *testing.T) {
	s, did := ordered()
	s.deps.Registry.SetMembers("fax", []backend.Spec{{Pool: "fax", Name: "[2001:db8::1]:25/x y", Address: "[2001:db8::1]:25"}})
	if w := ask(s, "POST", "/v1/backends/fax/%5B2001:db8::1%5D:25%2Fx%20y/drain"); w.Code != 200 || !strings.Contains(*did, "fax/[2001:db8::1]:25/x y") {
		t.Errorf("%d %s, did %q", w.Code, w.Body, *did)
	}
}
