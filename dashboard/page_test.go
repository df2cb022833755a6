package dashboard

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
)

// Every file of the page is served to whoever asks, by its type, and only what
// was built in.
func TestPage_Files(t *testing.T) {
	s, _ := newServer()
	s.SetAccess(Access{})
	served := 0
	err := fs.WalkDir(pageFiles, pageRoot, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		served++
		where := "/" + strings.TrimSuffix(name, pageRoot+"/"+pageIndex)
		w := ask(s, "GET", where)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != pageTypes[path.Ext(name)] || w.Body.Len() == 0 {
			t.Errorf("%s: %d, %q", where, w.Code, w.Header().Get("Content-Type"))
		}
		if got := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'; ") || strings.Contains(got, "unsafe") {
			t.Errorf("%s: content security policy %q", where, got)
		}
		return nil
	})
	if err != nil || served < 10 {
		t.Fatalf("%d files, %v", served, err)
	}
	for _, none := range []string{"/page/", "/page/index.html", "/page/../server.go", "/page/nothing.js"} {
		if w := ask(s, "GET", none); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", none, w.Code)
		}
	}
}

// The page's own files name nothing of elsewhere, and hold no script or style
// that the policy would refuse.
func TestPage_OwnOnly(t *testing.T) {
	elsewhere := regexp.MustCompile(`https?://[^"\s]*|url\(|@import|<style|\sstyle=|\son[a-z]+=|innerHTML|insertAdjacentHTML|\beval\(`)
	files, err := fs.Glob(pageFiles, pageRoot+"/*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		content, err := pageFiles.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range elsewhere.FindAllString(string(content), -1) {
			if found != "http://www.w3.org/2000/svg" { // a name, not an address
				t.Errorf("%s has %q", name, found)
			}
		}
	}
}

func TestPage_Cached(t *testing.T) {
	s, _ := newServer()
	tag := ask(s, "GET", "/page/app.js").Header().Get("ETag")
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8025/page/app.js", http.NoBody)
	r.Header.Set("If-None-Match", tag)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if tag == "" || w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("%q: %d, %d octets", tag, w.Code, w.Body.Len())
	}
}
