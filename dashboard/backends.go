package dashboard

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"weir/internal/backend"
	"weir/internal/events"
)

// backendsPath begins the paths of one connector.
const backendsPath = "/v1/backends/"

// probeVerb is what may be done with a connector besides the verbs of an [Order].
const probeVerb = "probe"

func isVerb(word string) bool {
	switch Verb(word) {
	case Drain, Undrain, Disable, Enable, probeVerb:
		return true
	default:
		return false
	}
}

// serveBackend answers GET /v1/backends/{pool}/{name} and POST
// /v1/backends/{pool}/{name}/{verb}, both also without the pool where the name is
// unique.
func (s *Server) serveBackend(w http.ResponseWriter, r *http.Request) {
	parts, err := pathParts(strings.TrimPrefix(r.URL.EscapedPath(), backendsPath))
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	last := len(parts) - 1
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		s.serveLook(w, r, parts)
	case last < 1 || last > 2 || !isVerb(parts[last]):
		noSuchPath(w, r)
	case r.Method != http.MethodPost:
		notPossible(w, r, http.MethodPost)
	default:
		s.serveVerb(w, r, parts[:last], parts[last])
	}
}

func pathParts(escaped string) ([]string, error) {
	parts := strings.Split(escaped, "/")
	for i := range parts {
		part, err := url.PathUnescape(parts[i])
		if err != nil {
			return nil, fmt.Errorf("reading the path: %w", err)
		}
		parts[i] = part
	}
	return parts, nil
}

// serveVerb has something done with a connector.
func (s *Server) serveVerb(w http.ResponseWriter, r *http.Request, name []string, verb string) {
	from, no := s.admit(r, RoleOperate)
	if no != nil {
		deny(w, no)
		return
	}
	if verb == probeVerb && s.deps.Prober == nil || verb != probeVerb && s.deps.Controller == nil {
		writeError(w, http.StatusNotImplemented, verb+" is not possible here: this weir was started without it")
		return
	}
	m, code, why := find(s.deps.Registry.Snapshot(), name)
	order := Order{Verb: Verb(verb), By: from.who}
	switch {
	case m != nil && verb == probeVerb:
		s.serveProbe(w, r, m)
	case m != nil:
		s.serveOrder(w, r, m.ID(), order)
	case (order.Verb == Undrain || order.Verb == Enable) && s.departed(name):
		s.serveOrder(w, r, idOf(name), order)
	default:
		writeError(w, code, why)
	}
}

// departed reports whether the pool and name are those of a connector that has a
// flag, or was here lately, as the events tell, though no source knows it now. Its
// flag waits for it, and other replicas may still have something in flight there.
func (s *Server) departed(name []string) bool {
	if len(name) != 2 {
		return false
	}
	if s.deps.Cluster != nil && slices.ContainsFunc(s.deps.Cluster.Flags().Absent, func(f AbsentFlag) bool { return f.ID == idOf(name).String() }) {
		return true
	}
	kept, _ := s.deps.Events.Since(0)
	return slices.ContainsFunc(kept, func(e events.Event) bool { return e.Pool == name[0] && e.Backend == name[1] })
}

// idOf is the ID that pool and name make.
func idOf(name []string) backend.ID { return backend.ID{Pool: name[0], Name: name[1]} }

// find returns the connector of that name, given as pool and name or as a name
// alone; where there is none, the status code and the words for that.
func find(snapshot *backend.Snapshot, name []string) (found *backend.Member, code int, why string) {
	wanted := strings.Join(name, "/")
	var ids, same []string
	for _, p := range snapshot.Pools {
		for _, m := range p.Members {
			id := m.ID().String()
			ids = append(ids, id)
			if id == wanted || len(name) == 1 && m.Spec.Name == wanted {
				found, same = m, append(same, id)
			}
		}
	}
	switch len(same) {
	case 1:
		return found, http.StatusOK, ""
	case 0:
		return nil, http.StatusNotFound, fmt.Sprintf("no connector %q%s", wanted, suggestion(wanted, ids))
	default:
		return nil, http.StatusConflict, fmt.Sprintf("%q is not unique: say which of %s", wanted, strings.Join(same, ", "))
	}
}

// suggestion names the connectors that are likest, those first that have most
// of their beginning in common.
func suggestion(wanted string, ids []string) string {
	const most = 5
	if len(ids) == 0 {
		return "; there are none"
	}
	bare := func(id string) string {
		if strings.Contains(wanted, "/") {
			return id
		}
		_, name, _ := strings.Cut(id, "/")
		return name
	}
	slices.SortStableFunc(ids, func(a, b string) int { return alike(wanted, bare(b)) - alike(wanted, bare(a)) })
	if len(ids) > most {
		return "; the likest are " + strings.Join(ids[:most], ", ")
	}
	return "; there are " + strings.Join(ids, ", ")
}

// alike is how many characters both begin with, whatever their case.
func alike(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
