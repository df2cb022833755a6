package dashboard

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
)

// pageFiles is the page, whole: nothing of it comes from elsewhere, so that it
// works in a machine room without a way out.
//
//go:embed page
var pageFiles embed.FS

// pageRoot is the folder of [pageFiles] and the path they are served under;
// pageIndex is the one that is served at the root.
const (
	pageRoot  = "page"
	pageIndex = "index.html"
)

// pagePolicy lets the page's own files run, and nothing else: whatever a
// connector says in a reply, it cannot become script, style or a request
// elsewhere (Content Security Policy Level 3).
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pageTypes are the types of the page's files, by the end of their names; they
// do not depend on the machine's own table.
var pageTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8", // RFC 9239
	".svg":  "image/svg+xml",
	"":      "text/plain; charset=utf-8", // the licence
}

// asset is one file of the page.
type asset struct {
	content []byte
	kind    string
}

// addPage adds a route for each file of the page. They hold no secret and need
// no role: who may not look gets the page that asks for a token.
func (s *Server) addPage() {
	files := must(fs.Glob(pageFiles, pageRoot+"/*"))
	files = append(files, must(fs.Glob(pageFiles, pageRoot+"/*/*"))...)
	for _, name := range files {
		if info := must(fs.Stat(pageFiles, name)); info.IsDir() {
			continue
		}
		content := must(pageFiles.ReadFile(name))
		a := asset{content: content, kind: pageTypes[path.Ext(name)]}
		where := "/" + name
		if name == pageRoot+"/"+pageIndex {
			where = "/"
		}
		s.routes[where] = route{http.MethodGet, RoleNone, a.serve}
	}
}

// must is for what was built in: an error is a mistake of ours that every start
// would show.
func must[T any](value T, err error) T {
	if err != nil {
		panic("dashboard: reading the page that is built in: " + err.Error())
	}
	return value
}

// serve answers with the file, or that the browser has it already. It is asked for
// each time, so that an upgrade of weir is never shown half.
func (a asset) serve(w http.ResponseWriter, r *http.Request, _ caller) {
	header := w.Header()
	header.Set("Content-Security-Policy", pagePolicy)
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	writeTagged(w, r, a.kind, a.content)
}
