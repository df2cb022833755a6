package dashboard

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/internal/events"
)

// serveHealth tells that the process serves; what it serves is not its matter.
func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request, _ caller) {
	writeJSON(w, http.StatusOK, map[string]bool{"healthy": true})
}

// serveReady does not look at connectors unless it is asked about a pool: a
// front end that took weir out when its connectors fail would turn a deferral
// into a refused connection.
func (s *Server) serveReady(w http.ResponseWriter, r *http.Request, _ caller) {
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
	if why := s.unready(); why != "" {
		writeError(w, http.StatusServiceUnavailable, why)
		return
	}
	writeJSON(w, http.StatusOK, map[string]bool{"ready": true})
}

// unready says why this process wants no new senders; empty: it does.
func (s *Server) unready() string {
	switch {
	case !s.ready.Load():
		return "not ready: starting or stopping"
	case s.standby.Load():
		return "not ready: in standby"
	default:
		return ""
	}
}

// eventsAnswer is the answer of /v1/events, oldest first.
type eventsAnswer struct {
	Events []events.Event `json:"events"`
}

// serveEvents answers with the events that are kept: after an id, after a time,
// or all.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request, _ caller) {
	since, err := s.sinceOf(r)
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	found, _ := s.deps.Events.Since(since)
	if query := r.URL.Query(); query.Has("after") {
		after, err := time.Parse(time.RFC3339Nano, query.Get("after"))
		if err != nil {
			writeError(w, http.StatusBadRequest, "after wants a time such as 2026-01-02T15:04:05Z (RFC 3339)")
			return
		}
		found = slices.DeleteFunc(found, func(e events.Event) bool { return !e.Time.After(after) })
	}
	writeJSON(w, http.StatusOK, eventsAnswer{Events: append([]events.Event{}, found...)})
}

// sinceOf is the id of the event after which to begin; 0: none is named. A
// browser that comes back to a stream names the last one it got in a header. With
// the word that streams put before it, an id of another life of this process is
// known for what it is: all that is kept is new to who brings it.
func (s *Server) sinceOf(r *http.Request) (uint64, error) {
	name, text, given := "Last-Event-ID", r.Header.Get("Last-Event-ID"), true
	if text == "" {
		query := r.URL.Query()
		name, text, given = "since", query.Get("since"), query.Has("since")
	}
	if !given {
		return 0, nil
	}
	life, number, told := strings.Cut(text, "-")
	if !told {
		number = text
	}
	id, err := strconv.ParseUint(number, 10, 64)
	if err != nil || told && life == "" {
		return 0, errors.New(name + " wants the id of an event, a whole number")
	}
	if told && life != s.feed.boot {
		return 0, nil
	}
	return id, nil
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

func noSuchPath(w http.ResponseWriter, r *http.Request) {
	writeError(w, http.StatusNotFound, "no such path: "+r.URL.Path)
}

// notPossible answers a method that the path does not know, with the one it does.
func notPossible(w http.ResponseWriter, r *http.Request, only string) {
	allowed := only
	if only == http.MethodGet {
		allowed = "GET, HEAD"
	}
	w.Header().Set("Allow", allowed)
	writeError(w, http.StatusMethodNotAllowed, r.Method+" is not possible here, only "+only)
}
