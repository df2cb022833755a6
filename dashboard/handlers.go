package dashboard

import (
	"encoding/json"
	"net/http"
	"strconv"

	"weir/internal/events"
)

// serveHealth tells that the process serves; what it serves is not its matter.
func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]bool{"healthy": true})
}

// serveReady does not look at connectors unless it is asked about a pool: a
// front end that took weir out when its connectors fail would turn a deferral
// into a refused connection.
func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if query.Has("pool") {
		pool := s.deps.Registry.Snapshot().Pool(query.Get("pool"))
		switch {
		case pool == nil:
			writeError(w, http.StatusNotFound, "no such pool: "+query.Get("pool"))
			return
		case pool.Eligible == 0:
			writeError(w, http.StatusServiceUnavailable, brokenPool(pool))
			return
		}
	}
	if !s.ready.Load() {
		writeError(w, http.StatusServiceUnavailable, "not ready: starting or stopping")
		return
	}
	writeJSON(w, http.StatusOK, map[string]bool{"ready": true})
}

// eventsAnswer is the answer of /v1/events, oldest first.
type eventsAnswer struct {
	Events []events.Event `json:"events"`
}

func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	var since uint64
	if query := r.URL.Query(); query.Has("since") {
		id, err := strconv.ParseUint(query.Get("since"), 10, 64)
		if err != nil {
			writeError(w, http.StatusBadRequest, "since wants the id of an event, a whole number")
			return
		}
		since = id
	}
	found, _ := s.deps.Events.Since(since)
	writeJSON(w, http.StatusOK, eventsAnswer{Events: append([]events.Event{}, found...)})
}

// writeJSON answers with a value that always encodes: the room's own types.
// When the client is gone there is nobody left to tell.
func writeJSON(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false) // people read it too; the type is told, and not to be guessed
	_ = encoder.Encode(value)
}

func writeError(w http.ResponseWriter, code int, text string) {
	writeJSON(w, code, map[string]string{"error": text})
}
