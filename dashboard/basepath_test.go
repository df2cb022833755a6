package dashboard

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestBasePath(t *testing.T) {
	s, _ := newServer()
	s.deps.BasePath = "/mail/weir"
	tests := []struct {
		method, target string
		code           int
		want           string
	}{
		{"GET", "/mail/weir/healthz", 200, "healthy"},
		{"GET", "/mail/weir/v1/status", 200, "pools"},
		{"GET", "/mail/weir/v1/backends/internet/mx-z", 404, "no connector"},
		{"GET", "/mail/weir/v1/backends/mx%2Fz", 404, `no connector \"mx/z\"`},
		{"GET", "/mail/weir/", 200, "<html"},
		{"GET", "/mail/weir", 308, ""},
		{"POST", "/mail/weir", 404, "below /mail/weir/ (admin.base_path)"},
		{"GET", "/healthz", 404, "below /mail/weir/ (admin.base_path)"},
		{"GET", "/mail/weirdo/healthz", 404, "no such path"},
		{"GET", "/mail/weir/../weir/healthz", 404, "no such path"},
	}
	for _, tc := range tests {
		w := httptest.NewRecorder()
		s.below().ServeHTTP(w, localRequest(tc.method, tc.target, ""))
		if w.Code != tc.code || !strings.Contains(w.Body.String(), tc.want) {
			t.Errorf("%s %s: %d %.200s", tc.method, tc.target, w.Code, w.Body)
		}
	}
}

func TestTags(t *testing.T) {
	s, _ := newServer()
	first := ask(s, "GET", "/v1/status")
	tag := first.Header().Get("ETag")
	if first.Code != 200 || len(tag) < 10 || first.Header().Get("Cache-Control") != "no-cache" {
		t.Fatalf("%d %v", first.Code, first.Header())
	}
	again := func(has string) *httptest.ResponseRecorder {
		r := localRequest("GET", "/v1/status", "")
		r.Header.Set("If-None-Match", has)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	}
	for has, code := range map[string]int{tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, "": 200, tag[1:]: 200} {
		if w := again(has); w.Code != code || (w.Body.Len() == 0) != (code == 304) || w.Header().Get("ETag") != tag {
			t.Errorf("If-None-Match %s: %d, %d bytes, ETag %s", has, w.Code, w.Body.Len(), w.Header().Get("ETag"))
		}
	}
	s.SetReady(true)
	if w := again(tag); w.Code != 200 {
		t.Errorf("after a change: %d", w.Code)
	}
	s.SetAccess(Access{Anonymous: RoleNone})
	if w := again("*"); w.Code != 401 || w.Header().Get("ETag") != "" {
		t.Errorf("without a token: %d %v", w.Code, w.Header())
	}
}
