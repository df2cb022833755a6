package dashboard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"weir/internal/events"
)

// Bounds of event streams.
const (
	maxStreams      = 256
	heartbeat       = 15 * time.Second // what is between may cut a silent connection after 30 s
	streamWriteTime = 10 * time.Second // after it a client that takes nothing is given up
)

// serveStream sends events as they happen (Server-sent events in the HTML
// standard, section 9.2): first those that are kept since the id that the client
// names, in Last-Event-ID or else in since; all that are kept when it names none.
// It ends when the client goes, takes nothing any more, or the server stops.
func (s *Server) serveStream(w http.ResponseWriter, r *http.Request, _ caller) {
	since, err := s.sinceOf(r)
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	defer s.streams.Add(-1)
	if s.streams.Add(1) > maxStreams {
		w.Header().Set("Retry-After", retryAfter)
		writeError(w, http.StatusServiceUnavailable, fmt.Sprintf("%d event streams are open already, and no more are allowed", maxStreams))
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep events back
	if r.Method == http.MethodHead {
		return
	}
	out := &stream{life: s.feed.boot, w: w, control: http.NewResponseController(w), now: s.now}
	_ = out.control.SetReadDeadline(time.Time{}) // it would end the request; a recorder in a test has none
	s.follow(r, out, since)
}

// follow sends events until there is a reason to end.
func (s *Server) follow(r *http.Request, out *stream, since uint64) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	stopping := connectionOf(r).stopping
	if !out.beat() { // the client learns at once that the stream is open
		return
	}
	for {
		found, more := s.deps.Events.Since(since)
		if len(found) > 0 {
			if !out.send(found) {
				return
			}
			since = found[len(found)-1].ID
		}
		select {
		case <-more:
		case <-tick.C:
			if !out.beat() {
				return
			}
		case <-stopping:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// stream writes to one client. Its methods report whether the client is there.
type stream struct {
	life    string // of this process, before the ids of events
	w       http.ResponseWriter
	control *http.ResponseController
	now     func() time.Time
	text    bytes.Buffer
}

func (o *stream) send(list []events.Event) bool {
	o.text.Reset()
	for i := range list {
		data, err := json.Marshal(&list[i]) // one line: JSON escapes line ends
		if err != nil {
			return false
		}
		fmt.Fprintf(&o.text, "id: %s-%d\ndata: %s\n\n", o.life, list[i].ID, data)
	}
	return o.write(o.text.Bytes())
}

// beat sends a comment, which clients pass over.
func (o *stream) beat() bool { return o.write([]byte(":\n\n")) }

func (o *stream) write(text []byte) bool {
	_ = o.control.SetWriteDeadline(o.now().Add(streamWriteTime))
	if _, err := o.w.Write(text); err != nil {
		return false
	}
	return o.control.Flush() == nil
}
