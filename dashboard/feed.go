package dashboard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// How often the page is told.
const (
	feedEvery  = time.Second            // numbers
	feedSoon   = 200 * time.Millisecond // at the least between two frames, when something happens
	feedKept   = 8                      // frames that are kept for pages that lag
	feedEvents = 200                    // events that a page begins with
	maxPages   = 256
)

// Traffic is what went where since the process started.
type Traffic struct {
	Routes   []RouteTraffic `json:"routes"`
	Deferred int64          `json:"deferred"` // replies 4xx that weir itself gave
}

// RouteTraffic is what went from one listener to one pool.
type RouteTraffic struct {
	Listener     string `json:"listener"`
	Pool         string `json:"pool"` // empty: to none
	Transactions int64  `json:"transactions"`
}

// trafficTeller is what the handler of metrics may tell besides.
type trafficTeller interface {
	Traffic() Traffic
}

// feed is what open pages are told. Everything is worked out once for all of
// them: the first page that is due takes a reading, and writes down what differs
// from the reading before as a frame; each page gets the frames since its last
// one, byte for byte the same. One that is new, or has lagged too far, gets the
// whole. All pages wake at the same time, since they are due together. While none
// is open nothing is done.
type feed struct {
	boot string // tells one life of the process, in which counters go on, from another

	mu     sync.Mutex
	last   *reading
	at     time.Time // of last
	frames [feedKept][]byte
	number uint64 // of the newest frame
	whole  []byte // last, written out; nil: not yet
}

func newFeed(now time.Time) feed { return feed{boot: strconv.FormatInt(now.UnixNano(), 36)} }

// due is what one page has to be told now.
type due struct {
	text   []byte // may be empty
	number uint64 // of the newest frame, for the next time
	again  time.Duration
	more   <-chan struct{} // closed when something happens before that
}

// next returns what a page has to be told whose last frame was number; 0: it has
// nothing yet.
func (f *feed) next(number uint64, s *Server) due {
	f.mu.Lock()
	defer f.mu.Unlock()
	var seen uint64
	if f.last != nil {
		seen = f.last.eventID
	}
	news, more := s.deps.Events.Since(seen)
	age, happened := s.now().Sub(f.at), len(news) > 0
	if f.last == nil || age >= feedEvery || happened && age >= feedSoon {
		f.read(s)
		age, happened = 0, false
	}
	out := due{number: f.number, again: feedEvery - age, more: more}
	if happened {
		out.again = feedSoon - age
	}
	switch behind := f.number - number; {
	case behind == 0:
	case number == 0 || behind > feedKept:
		out.text = f.wholeText()
	default:
		for n := number + 1; n <= f.number; n++ {
			out.text = append(out.text, f.frames[n%feedKept]...)
		}
	}
	return out
}

// read takes a reading and makes the frame of it.
func (f *feed) read(s *Server) {
	before := f.last
	f.last, f.at = s.reading(before), s.now()
	f.number++
	f.whole = nil
	f.frames[f.number%feedKept] = block("tick", f.last.since(before))
}

// wholeText is the last reading in full, for whoever has nothing yet.
func (f *feed) wholeText() []byte {
	if f.whole == nil {
		f.whole = block("full", f.last.full(f.boot))
	}
	return f.whole
}

// block is one event of a stream.
func block(kind string, value any) []byte {
	data, err := json.Marshal(value) // one line: JSON escapes line ends
	if err != nil {
		return nil // the room's own types always encode
	}
	return bytes.Join([][]byte{[]byte("event: " + kind + "\ndata: "), data, []byte("\n\n")}, nil)
}

// servePageStream tells one page what there is, each second and as soon as
// something happens (Server-sent events in the HTML standard, section 9.2). It
// begins with who the page is used by, and with the whole. It ends as event
// streams do.
func (s *Server) servePageStream(w http.ResponseWriter, r *http.Request, from caller) {
	defer s.pages.Add(-1)
	if s.pages.Add(1) > maxPages {
		w.Header().Set("Retry-After", retryAfter)
		writeError(w, http.StatusServiceUnavailable, fmt.Sprintf("%d pages are open already, and no more are allowed", maxPages))
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep events back
	if r.Method == http.MethodHead {
		return
	}
	out := &stream{w: w, control: http.NewResponseController(w), now: s.now}
	_ = out.control.SetReadDeadline(time.Time{}) // it would end the request; a recorder in a test has none
	if out.write(block("me", loginAnswer{Who: from.who, Role: from.role})) {
		s.followFeed(r, out)
	}
}

// followFeed sends frames until there is a reason to end.
func (s *Server) followFeed(r *http.Request, out *stream) {
	stopping := connectionOf(r).stopping
	timer := time.NewTimer(feedEvery)
	defer timer.Stop()
	var number uint64
	for {
		d := s.feed.next(number, s)
		if len(d.text) > 0 && !out.write(d.text) {
			return
		}
		number = d.number
		timer.Reset(d.again)
		select {
		case <-timer.C:
		case <-d.more:
		case <-stopping:
			return
		case <-r.Context().Done():
			return
		}
	}
}
