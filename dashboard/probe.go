package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"weir/internal/backend"
)

// maxBody bounds the body of a request: all that are read are a few words.
const maxBody = 4 << 10

// ProbeRequest is what may be asked of a probe besides whom to probe.
type ProbeRequest struct {
	Depth   string `json:"depth,omitempty"`   // empty: the pool's
	Timeout string `json:"timeout,omitempty"` // empty: the pool's
}

// ProbeAnswer is a probe as a dialogue with a time for each step.
type ProbeAnswer struct {
	Backend  string      `json:"backend,omitempty"` // pool/name; empty for a host that is no connector of ours
	Address  string      `json:"address"`
	OK       bool        `json:"ok"`
	Stage    string      `json:"stage"` // where it ended
	Error    string      `json:"error"`
	Remark   string      `json:"remark,omitempty"` // worth knowing, and no failure
	Depth    string      `json:"depth"`
	TookMS   float64     `json:"took_ms"`
	Dialogue []ProbeLine `json:"dialogue"`
}

// ProbeLine is one line of the dialogue.
type ProbeLine struct {
	AtMS float64 `json:"at_ms"` // since the probe began
	From string  `json:"from"`  // weir | connector | note, which is about the connection
	Text string  `json:"text"`
}

// ErrRefused is wrapped by what a [Prober] will not do, in words for people.
var ErrRefused = errors.New("refused")

// Prober probes a connector on request. It returns an error where there was no
// probe at all; a probe that failed is an answer. It returns soon after ctx ends.
type Prober interface {
	Probe(ctx context.Context, spec backend.Spec, request ProbeRequest) (ProbeAnswer, error)
}

// serveProbe holds one probe. Nothing is learned from it: the connector's state
// stays as it is, so that looking does not change what is seen.
func (s *Server) serveProbe(w http.ResponseWriter, r *http.Request, m *backend.Member) {
	var request ProbeRequest
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil && !errors.Is(err, io.EOF) {
		writeError(w, http.StatusBadRequest, `the body must be nothing, or like {"depth": "ehlo"}: `+err.Error())
		return
	}
	// A probe may take longer than other answers: it has bounds of its own, and
	// ends when the client goes. A recorder in a test has no deadlines to lift.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{})
	_ = control.SetWriteDeadline(time.Time{})
	answer, err := s.deps.Prober.Probe(r.Context(), m.Spec, request)
	_ = control.SetWriteDeadline(s.now().Add(writeTimeout))
	switch {
	case errors.Is(err, ErrRefused):
		writeError(w, http.StatusBadRequest, err.Error())
	case err != nil:
		writeError(w, http.StatusServiceUnavailable, err.Error())
	default:
		writeJSON(w, http.StatusOK, answer)
	}
}

// serveBackend answers POST /v1/backends/{pool}/{name}/{what}, or without the
// pool where the name is unique.
func (s *Server) serveBackend(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), backendsPath), "/")
	for i := range parts {
		part, err := url.PathUnescape(parts[i])
		if err != nil {
			writeError(w, http.StatusBadRequest, err.Error())
			return
		}
		parts[i] = part
	}
	last := len(parts) - 1
	if last < 1 || last > 2 || parts[last] != "probe" || s.deps.Prober == nil {
		writeError(w, http.StatusNotFound, "no such path: "+r.URL.Path)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		writeError(w, http.StatusMethodNotAllowed, r.Method+" is not possible here, only POST")
		return
	}
	if why := s.forbidden(r); why != "" {
		writeError(w, http.StatusForbidden, why)
		return
	}
	m, code, why := find(s.deps.Registry.Snapshot(), parts[:last])
	if m == nil {
		writeError(w, code, why)
		return
	}
	s.serveProbe(w, r, m)
}

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
