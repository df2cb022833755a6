package dashboard

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// foreign refuses what a browser brings for a page of somebody else. The server
// usually listens on loopback, where a browser of the same machine is a way in
// for any page that it shows: so a page that has something done may only come
// from here, and this server may only be called by an address, by localhost or by
// a name that the config gives it, since another name could be a page's own that
// was made to point here. No browser calls by the Unix socket.
func (s *Server) foreign(r *http.Request, want Role) *refusal {
	switch {
	case !connectionOf(r).unix && !ownName(r.Host, s.access.Load().hosts):
		return &refusal{http.StatusForbidden, "not called by its address or localhost, but by " + r.Host +
			" (admin.hosts names further ones)"}
	case want == RoleOperate && !sameOrigin(r):
		return &refusal{http.StatusForbidden, "not asked for by a page of this server"}
	default:
		return nil
	}
}

func ownName(host string, hosts []string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	if strings.EqualFold(name, "localhost") || slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(name, h) }) {
		return true
	}
	_, err = netip.ParseAddr(name)
	return err == nil
}

// sameOrigin reports whether a browser sent the request for a page of this
// server or for its user, or no browser did: only browsers say where a request
// comes from.
func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}
