package dashboard

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// browse is a request of a browser far away, with a cookie.
func browse(s *Server, method, path, body string, cookie *http.Cookie, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://192.0.2.1:8025"+path, strings.NewReader(body))
	r.RemoteAddr = "192.0.2.9:40000"
	if cookie != nil {
		r.AddCookie(cookie)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// logIn is the cookie for a token.
func logIn(t *testing.T, s *Server, token string) *http.Cookie {
	t.Helper()
	w := browse(s, "POST", "/v1/login", `{"token": "`+token+`"}`, nil, "Sec-Fetch-Site", "same-origin")
	cookies := w.Result().Cookies()
	if w.Code != http.StatusOK || len(cookies) != 1 {
		t.Fatalf("%d %s, %d cookies", w.Code, w.Body, len(cookies))
	}
	return cookies[0]
}

func TestLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, order := guarded(RoleNone)
		cookie := logIn(t, s, "s3cret")
		if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || strings.Contains(cookie.Value, "s3cret") {
			t.Errorf("the cookie is %+v", cookie)
		}
		if w := browse(s, "POST", "/v1/backends/mx-a/drain", "", cookie, "Origin", "http://192.0.2.1:8025"); w.Code != 200 || order.By != "alice" {
			t.Errorf("draining: %d %s by %q", w.Code, w.Body, order.By)
		}
		if w := browse(s, "POST", "/v1/backends/mx-a/drain", "", cookie, "Origin", "http://evil.example"); w.Code != 403 {
			t.Errorf("draining for somebody else's page: %d", w.Code)
		}
		reader := logIn(t, s, "readonly")
		if read, write := browse(s, "GET", "/v1/status", "", reader).Code, browse(s, "POST", "/v1/backends/mx-a/drain", "", reader).Code; read != 200 || write != 403 {
			t.Errorf("a reader reads: %d, drains: %d", read, write)
		}

		time.Sleep(sessionLength)
		if w := browse(s, "GET", "/v1/status", "", cookie); w.Code != 401 {
			t.Errorf("after %v: %d", sessionLength, w.Code)
		}
		cookie = logIn(t, s, "s3cret")
		s.SetAccess(Access{Tokens: []Token{{"alice", RoleOperate, "changed"}}})
		if w := browse(s, "GET", "/v1/status", "", cookie); w.Code != 401 {
			t.Errorf("after the token was changed: %d", w.Code)
		}
	})
}

func TestLogin_Refused(t *testing.T) {
	s, _ := guarded(RoleNone)
	for _, tt := range []struct {
		body, site string
		want       int
	}{
		{`{"token": "wrong"}`, "same-origin", 401},
		{`{"token": ""}`, "same-origin", 401},
		{``, "same-origin", 401},
		{`{"password": "s3cret"}`, "same-origin", 400},
		{`{"token": "s3cret"}`, "cross-site", 403},
		{`{"token": "` + strings.Repeat("x", maxBody) + `"}`, "same-origin", 413},
	} {
		w := browse(s, "POST", "/v1/login", tt.body, nil, "Sec-Fetch-Site", tt.site)
		if w.Code != tt.want || len(w.Result().Cookies()) > 0 {
			t.Errorf("%.40s from %s: %d, want %d", tt.body, tt.site, w.Code, tt.want)
		}
	}
	for range failuresAtOnce {
		browse(s, "POST", "/v1/login", `{"token": "wrong"}`, nil)
	}
	if w := browse(s, "POST", "/v1/login", `{"token": "s3cret"}`, nil); w.Code != http.StatusTooManyRequests {
		t.Errorf("after too many: %d", w.Code)
	}
}

// A cookie that is not good counts as none.
func TestLogin_BadCookie(t *testing.T) {
	s, _ := guarded(RoleRead)
	good := logIn(t, s, "s3cret").Value
	parts := strings.Split(good, ".")
	for _, value := range []string{"", "x", "..", good + "x", good[:len(good)-1], "Ym9i." + parts[1] + "." + parts[2], parts[0] + ".99999999999." + parts[2]} {
		cookie := &http.Cookie{Name: sessionCookie, Value: value}
		if w := browse(s, "GET", "/v1/status", "", cookie); w.Code != 401 {
			t.Errorf("%q from afar: %d", value, w.Code)
		}
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8025/v1/status", http.NoBody)
		r.RemoteAddr = "127.0.0.1:40000"
		r.AddCookie(cookie)
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != 200 {
			t.Errorf("%q on loopback, where nobody needs one: %d", value, w.Code)
		}
	}
}

func TestLogout(t *testing.T) {
	s, _ := guarded(RoleNone)
	w := browse(s, "POST", "/v1/logout", "", logIn(t, s, "s3cret"))
	if cookies := w.Result().Cookies(); w.Code != 200 || len(cookies) != 1 || cookies[0].MaxAge >= 0 || cookies[0].Value != "" {
		t.Errorf("%d %v", w.Code, cookies)
	}
	if w := browse(s, "POST", "/v1/logout", "", nil, "Sec-Fetch-Site", "cross-site"); w.Code != 403 {
		t.Errorf("for somebody else's page: %d", w.Code)
	}
}
