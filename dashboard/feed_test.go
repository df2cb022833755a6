package dashboard

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
	"weir/internal/events"
)

// teller is a handler of metrics that tells of traffic.
type teller struct{ transactions atomic.Int64 }

func (t *teller) Traffic() Traffic {
	return Traffic{Routes: []RouteTraffic{{"inbound", "internet", t.transactions.Load()}}}
}

func (t *teller) ServeHTTP(http.ResponseWriter, *http.Request) { panic("nobody scrapes here") }

// get asks for a path.
func (p *pipes) get(t *testing.T, path string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DialContext: p.dial, DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// frame is the next event of a page's stream.
func frame(t *testing.T, lines *bufio.Reader) (kind string, got map[string]any) {
	t.Helper()
	text := next(lines)
	first, data, _ := strings.Cut(text, "\n")
	if err := json.Unmarshal([]byte(strings.TrimPrefix(data, "data: ")), &got); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return strings.TrimPrefix(first, "event: "), got
}

// openPage asks for the page's stream and takes its first two events.
func openPage(t *testing.T, p *pipes) (lines *bufio.Reader, body io.ReadCloser, full map[string]any) {
	t.Helper()
	resp := p.get(t, "/v1/page/stream")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	lines = bufio.NewReader(resp.Body)
	if kind, me := frame(t, lines); kind != "me" || me["role"] != "read" {
		t.Fatalf("began with %s %v", kind, me)
	}
	kind, full := frame(t, lines)
	if kind != "full" {
		t.Fatalf("then came %s", kind)
	}
	return lines, resp.Body, full
}

// A page begins with the whole and is then told what differs, each second and as
// soon as something happens.
func TestFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, registry := newServer()
		told := &teller{}
		s.deps.Metrics = told
		p := newPipes()
		stop := serve(s, p)
		lines, body, full := openPage(t, p)
		if pools := full["status"].(map[string]any)["pools"].([]any); len(pools) != 2 || full["boot"] == "" || len(full["events"].([]any)) != 3 {
			t.Fatalf("the whole is %v", full)
		}
		if _, tick := frame(t, lines); len(tick) != 1 {
			t.Errorf("nothing has changed, and the page is told %v", tick)
		}

		a := registry.Snapshot().Pool("internet").Member("mx-a").Backend
		a.Traffic.Messages.Add(5)
		told.transactions.Add(5)
		_, tick := frame(t, lines)
		if got := fmt.Sprint(tick["counts"], tick["traffic"]); got != "map[internet/mx-a:[0 0 0 5 0 0]] map[deferred:0 routes:[map[listener:inbound pool:internet transactions:5]]]" || len(tick) != 3 {
			t.Errorf("5 messages are told as %v", tick)
		}

		began := time.Now()
		registry.SetHealth(a, backend.HealthFact{Health: backend.HealthUp, Reason: "the first probe passed"})
		s.deps.Events.Append(events.OfBackend(a.ID(), "starting", "up", "the first probe passed", "probe"))
		_, tick = frame(t, lines)
		if took := time.Since(began); took > feedSoon { // virtual
			t.Errorf("a change was told after %v", took)
		}
		for _, key := range []string{"rows", "pools", "head", "words", "events"} {
			if tick[key] == nil {
				t.Errorf("a change of state came without %s: %v", key, tick)
			}
		}

		registry.SetMembers("fax", nil)
		_, tick = frame(t, lines)
		if fmt.Sprint(tick["gone"]) != "[fax/fax-a]" {
			t.Errorf("a connector that went is told as %v", tick)
		}
		_ = body.Close()
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// All pages are told the same, and what they are told is worked out once.
func TestFeed_SharedFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, registry := newServer()
		one, two := s.feed.next(0, s), s.feed.next(0, s)
		if &one.text[0] != &two.text[0] || one.number != 1 {
			t.Error("the whole was written twice")
		}
		for range feedKept {
			time.Sleep(feedEvery)
			registry.Snapshot().Pool("internet").Members[0].Traffic.Messages.Add(1)
			two = s.feed.next(two.number, s)
		}
		if one = s.feed.next(one.number, s); strings.Count(string(one.text), "event: tick") != feedKept {
			t.Errorf("a page that lags is told %q", one.text)
		}
		time.Sleep(feedEvery)
		s.feed.next(two.number, s)
		if late := s.feed.next(1, s); !strings.HasPrefix(string(late.text), "event: full") {
			t.Errorf("a page that lags too far is told %.60q", late.text)
		}
	})
}

func TestFeed_Bounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newServer()
		p := newPipes()
		stop := serve(s, p)
		_, body, _ := openPage(t, p)
		s.pages.Add(maxPages - 1)
		resp := p.get(t, "/v1/page/stream")
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("one page too many: %d", resp.StatusCode)
		}
		_ = resp.Body.Close()
		ended := make(chan error, 1)
		go func() { ended <- stop() }()
		if _, err := io.Copy(io.Discard, body); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the stream ended with %v", err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = body.Close()
	})
}

// BenchmarkFeed is what open pages cost a second, however many they are, where all
// of a thousand connectors are busy.
func BenchmarkFeed(b *testing.B) {
	registry := backend.NewRegistry([]backend.PoolConfig{{Name: "p", Policy: "round-robin", Protocol: "smtp"}})
	var specs []backend.Spec
	for i := range 1000 {
		specs = append(specs, backend.Spec{Pool: "p", Name: fmt.Sprintf("m%04d", i), Address: "192.0.2.1:25", Weight: 100})
	}
	registry.SetMembers("p", specs)
	s := New(Deps{Registry: registry, Events: events.NewLog(10)})
	size := 0
	for b.Loop() {
		for _, m := range registry.Snapshot().Pool("p").Members {
			m.Traffic.Messages.Add(1)
			m.Traffic.Total.Observe(time.Millisecond)
		}
		s.feed.read(s)
		size = len(s.feed.frames[s.feed.number%feedKept])
	}
	b.ReportMetric(float64(size), "octets/frame")
}
