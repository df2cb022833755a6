package dashboard

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// forbidden says why a request may not do anything, or nothing when it may. The
// server listens on loopback, where a browser of the same machine is a way in for
// any page that it shows: a page may only come from here, and this server may
// only be called by an address or by localhost, since another name could be a
// page's own that was made to point here.
func (s *Server) forbidden(r *http.Request) string {
	switch {
	case !s.deps.Operate:
		return "only reading is allowed here (admin.anonymous)"
	case !ownName(r.Host):
		return "not called by its address or localhost, but by " + r.Host
	case !sameOrigin(r):
		return "not asked for by a page of this server"
	default:
		return ""
	}
}

func ownName(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	_, err = netip.ParseAddr(name)
	return err == nil
}

// sameOrigin reports whether a browser sent the request for a page of this
// server, or no browser did: only browsers say where a request comes from.
func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}
