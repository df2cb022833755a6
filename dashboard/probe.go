package dashboard

import (
	"context"
	"errors"
	"net/http"
	"time"

	"weir/internal/backend"
)

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
	if !readBody(w, r, &request, `{"depth": "ehlo"}`) {
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
