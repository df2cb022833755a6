package dashboard

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
)

// guarded is a server with a token for each role, that tells who drained.
func guarded(anonymous Role) (*Server, *Order) {
	s, _ := newServer()
	s.SetAccess(Access{
		Anonymous: anonymous,
		Hosts:     []string{"weir.example"},
		Tokens:    []Token{{"alice", RoleOperate, "s3cret"}, {"prometheus", RoleRead, "readonly"}, {"nobody", RoleNone, "useless"}},
	})
	got := &Order{}
	s.deps.Controller = &controller{order: func(_ context.Context, _ backend.ID, o Order) (OrderAnswer, error) {
		*got = o
		return OrderAnswer{}, nil
	}}
	return s, got
}

func TestAccess(t *testing.T) {
	const (
		home, away = "127.0.0.1:40000", "192.0.2.9:40000"
		local      = "127.0.0.1:8025"
	)
	for _, tt := range []struct {
		name          string
		anonymous     Role
		from, host    string
		authorization string
		read, write   int
		who           string
	}{
		{"anonymous may operate", RoleOperate, home, local, "", 200, 200, "anonymous"},
		{"anonymous by IPv6", RoleOperate, "[::1]:40000", "[::1]:8025", "", 200, 200, "anonymous"},
		{"anonymous may read", RoleRead, home, local, "", 200, 403, ""},
		{"anonymous may nothing", RoleNone, home, local, "", 401, 401, ""},
		{"not set", "", home, local, "", 401, 401, ""},
		{"anonymous from elsewhere", RoleOperate, away, local, "", 401, 401, ""},
		{"no address", RoleOperate, "somewhere", local, "", 401, 401, ""},
		{"token", RoleNone, away, local, "Bearer s3cret", 200, 200, "alice"},
		{"token, other spelling", RoleNone, away, local, "bearer  s3cret ", 200, 200, "alice"},
		{"token on loopback", RoleOperate, home, local, "Bearer s3cret", 200, 200, "alice"},
		{"reader's token", RoleOperate, away, local, "Bearer readonly", 200, 403, ""},
		{"reader's token counts before anonymous", RoleOperate, home, local, "Bearer readonly", 200, 403, ""},
		{"token without a role", RoleOperate, away, local, "Bearer useless", 403, 403, ""},
		{"wrong token", RoleOperate, away, local, "Bearer s3cre", 401, 401, ""},
		{"wrong token on loopback", RoleOperate, home, local, "Bearer s3crets", 401, 401, ""},
		{"empty token", RoleOperate, home, local, "Bearer ", 401, 401, ""},
		{"password", RoleOperate, home, local, "Basic YWxpY2U6czNjcmV0", 401, 401, ""},
		{"foreign name", RoleOperate, home, "evil.example:8025", "", 403, 403, ""},
		{"foreign name with a token", RoleOperate, home, "evil.example", "Bearer s3cret", 403, 403, ""},
		{"no name", RoleOperate, home, "", "", 403, 403, ""},
		{"configured name", RoleOperate, home, "WEIR.example:8025", "", 200, 200, "anonymous"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, order := guarded(tt.anonymous)
			try := func(method, path string) *httptest.ResponseRecorder {
				return asking(s, method, path, tt.from, tt.host, tt.authorization)
			}
			if w := try("GET", "/v1/status"); w.Code != tt.read {
				t.Errorf("reading: %d %s", w.Code, w.Body)
			}
			w := try("POST", "/v1/backends/mx-a/drain")
			if w.Code != tt.write || order.By != tt.who {
				t.Errorf("writing: %d %s by %q", w.Code, w.Body, order.By)
			}
			if asks := w.Header().Get("WWW-Authenticate") != ""; asks != (w.Code == 401) {
				t.Errorf("%d with WWW-Authenticate %q", w.Code, w.Header().Get("WWW-Authenticate"))
			}
			for _, free := range []string{"/healthz", "/readyz?pool=internet"} {
				if w := try("GET", free); w.Code == 401 || w.Code == 403 {
					t.Errorf("%s: %d", free, w.Code)
				}
			}
		})
	}
}

// asking is a request of somebody at an address, to a server by a name.
func asking(s *Server, method, path, from, host, authorization string) *httptest.ResponseRecorder {
	r := localRequest(method, path, "")
	r.RemoteAddr, r.Host = from, host
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// Who reaches a proxy on this machine may sit anywhere.
func TestProxyIsNotAnonymous(t *testing.T) {
	for _, header := range []string{"X-Forwarded-For", "Forwarded"} {
		s, _ := guarded(RoleOperate)
		r := localRequest("GET", "/v1/status", "")
		r.Header.Set(header, "for=192.0.2.9")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d", header, w.Code)
		}
	}
}

func TestAccessChanges(t *testing.T) {
	s, _ := guarded(RoleOperate)
	s.SetAccess(Access{Anonymous: RoleRead})
	r := localRequest("GET", "/v1/status", "")
	r.Header.Set("Authorization", "Bearer s3cret")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if read, write := ask(s, "GET", "/v1/status"), ask(s, "POST", "/v1/backends/mx-a/drain"); w.Code != 401 || read.Code != 200 || write.Code != 403 {
		t.Errorf("old token %d, reading %d, writing %d", w.Code, read.Code, write.Code)
	}
}

// After too many wrong tokens even the right one must wait, but only from that
// source, and not for long.
func TestWrongTokensAreSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := guarded(RoleNone)
		try := func(from, token string) int {
			r := localRequest("GET", "/v1/status", "")
			r.RemoteAddr = from
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			return w.Code
		}
		for i := range failuresAtOnce {
			if code := try("192.0.2.9:1", "guess"); code != 401 {
				t.Fatalf("guess %d: %d", i, code)
			}
		}
		for _, tt := range []struct {
			from, token string
			want        int
		}{
			{"192.0.2.9:1", "guess", 429},
			{"192.0.2.9:2", "s3cret", 429},
			{"[::ffff:192.0.2.9]:3", "s3cret", 429},
			{"192.0.2.10:1", "s3cret", 200},
		} {
			if code := try(tt.from, tt.token); code != tt.want {
				t.Errorf("%s %s: %d, want %d", tt.from, tt.token, code, tt.want)
			}
		}
		time.Sleep(failureEvery) // virtual: synctest
		if code := try("192.0.2.9:1", "s3cret"); code != 200 {
			t.Errorf("after a while: %d", code)
		}
		for range failuresAtOnce {
			try("[2001:db8::1]:1", "guess")
		}
		if a, b := try("[2001:db8::2]:1", "s3cret"), try("[2001:db8:0:1::1]:1", "s3cret"); a != 429 || b != 200 {
			t.Errorf("the same network %d, another one %d", a, b)
		}
	})
}

// However many sources guess, memory is bounded, and those for which there is no
// room are slowed down together.
func TestThrottleIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newServer()
		throttle, now := &s.failures, s.now()
		for i := range 2 * maxSources {
			throttle.failed(fmt.Sprint(i), now)
		}
		if n := len(throttle.sources); n > maxSources+1 {
			t.Errorf("%d sources are kept", n)
		}
		if !throttle.allowed("0", now) || throttle.allowed("one more", now) {
			t.Error("a source that failed once must be allowed, one of too many not")
		}
		now = now.Add(2 * maxSources * failureEvery)
		throttle.failed("one more", now)
		if n := len(throttle.sources); n != 1 || !throttle.allowed("another", now) {
			t.Errorf("%d sources are kept after all was forgiven", n)
		}
	})
}

func TestSocketUserIsKnown(t *testing.T) {
	s, order := guarded(RoleNone)
	path := filepath.Join(t.TempDir(), "admin.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stop := serve(s, ln)
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
	post := func(authorization string) int {
		r, err := http.NewRequestWithContext(t.Context(), "POST", "http://weir/v1/backends/mx-a/drain", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if code := post(""); code != 200 || order.By != me.Username {
		t.Errorf("%d by %q, want %q", code, order.By, me.Username)
	}
	if code := post("Bearer s3cret"); code != 200 || order.By != "alice" {
		t.Errorf("with a token: %d by %q", code, order.By)
	}
	if code := post("Bearer wrong"); code != 401 {
		t.Errorf("with a wrong token: %d", code)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestSocketUserWithoutAName(t *testing.T) {
	for uid, want := range map[int64]string{-1: "somebody on the admin socket", 4242424242: "uid 4242424242"} {
		if got := (connection{unix: true, uid: uid}).user(); got != want {
			t.Errorf("%d: %q, want %q", uid, got, want)
		}
	}
}
