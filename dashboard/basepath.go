package dashboard

import (
	"net/http"
	"net/url"
	"strings"
)

// below is the server under its base path. The page names everything relative to
// itself, so that it works there as well as behind a proxy that takes the path off.
func (s *Server) below() http.Handler {
	base := s.deps.BasePath
	if base == "" {
		return s
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch escaped := r.URL.EscapedPath(); {
		case strings.HasPrefix(escaped, base+"/"):
			inner := new(http.Request)
			*inner = *r
			inner.URL = new(url.URL)
			*inner.URL = *r.URL
			inner.URL.Path = strings.TrimPrefix(r.URL.Path, base)
			inner.URL.RawPath = strings.TrimPrefix(r.URL.RawPath, base)
			s.ServeHTTP(w, inner)
		case escaped == base && (r.Method == http.MethodGet || r.Method == http.MethodHead):
			http.Redirect(w, r, base+"/", http.StatusPermanentRedirect)
		default:
			w.Header().Set("X-Content-Type-Options", "nosniff")
			w.Header().Set("Cache-Control", "no-store")
			writeError(w, http.StatusNotFound, "no such path: "+r.URL.Path+": everything is below "+base+"/ (admin.base_path)")
		}
	})
}
