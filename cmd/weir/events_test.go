package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/internal/events"
)

const oneEvent = `{"id":7,"time":"2026-01-02T03:04:05Z","kind":"backend","pool":"internet","backend":"mx-a","from":"up","to":"down","why":"3 probes in a row failed","by":"probe"}`

func TestEvents(t *testing.T) {
	newFakeWeir(t, map[string]answer{"GET /v1/events": {200, `{"events":[` + oneEvent + `,{"id":8,"time":"2026-01-02T03:04:06.5Z","kind":"reload","why":"two\nlines"}]}`}})
	expect(t, "events", exitDone, "2026-01-02T03:04:05Z\tbackend\tinternet/mx-a\tup\tdown\t3 probes in a row failed\tprobe\n"+
		"2026-01-02T03:04:06Z\treload\treload\t-\t-\ttwo lines\t-\n", "")
	code, stdout, _ := weir("events", "-o", "json")
	if first, _, _ := strings.Cut(stdout, "\n"); code != exitDone || first != oneEvent || strings.Count(stdout, "\n") != 2 {
		t.Errorf("exit %d, %q", code, stdout)
	}
	expect(t, "events --since 1h", exitDone, "", "")
}

func TestEventsSince(t *testing.T) {
	stamp := func(ago time.Duration) string { return time.Now().Add(-ago).UTC().Format(time.RFC3339) }
	newFakeWeir(t, map[string]answer{"GET /v1/events": {200, `{"events":[{"id":1,"kind":"old","time":"` + stamp(3*time.Hour) + `"},{"id":2,"kind":"new","time":"` + stamp(time.Hour) + `"}]}`}})
	if code, stdout, _ := weir("events", "--since", "2h"); code != exitDone || !strings.Contains(stdout, "\tnew\t") || strings.Contains(stdout, "\told\t") {
		t.Errorf("exit %d, %q", code, stdout)
	}
}

func TestEventsOnATerminal(t *testing.T) {
	var out bytes.Buffer
	for _, colour := range []bool{false, true} {
		p := eventPrinter{screen: screen{w: &out, tty: true, colour: colour}}
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		for _, e := range []events.Event{
			{Time: at, Kind: "backend", Pool: "internet", Backend: "mx-a", From: "up", To: "down", Why: "3 probes in a row failed", By: "probe"},
			{Time: at, Kind: "pool", Pool: "internet", To: "panic"},
			{Time: at, Kind: "reload", Why: "nothing has \x1b[2Jchanged", By: "alice"},
		} {
			if err := p.print(&e); err != nil {
				t.Fatal(err)
			}
		}
	}
	golden(t, "events.tty", out.String())
}

// streamingWeir has one event in the past, and breaks each stream after some
// events of its script.
type streamingWeir struct {
	mu     sync.Mutex
	script []string // what each stream sends; then streams stay silent
	since  []string // what the streams were asked for
}

func (s *streamingWeir) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1/events" {
		_, _ = fmt.Fprint(w, `{"events":[`+oneEvent+`]}`)
		return
	}
	s.mu.Lock()
	s.since = append(s.since, r.Header.Get("Last-Event-ID"))
	text := ""
	if n := len(s.since); n <= len(s.script) {
		text = s.script[n-1]
	}
	s.mu.Unlock()
	if text == "503" {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprint(w, ":\n\n"+text)
	_ = http.NewResponseController(w).Flush()
	if text == "" {
		<-r.Context().Done()
	}
}

func TestEventsFollow(t *testing.T) {
	event := func(id int) string {
		return fmt.Sprintf("id: life-%d\ndata: {\"id\":%d,\"kind\":\"k%d\"}\n\n", id, id, id)
	}
	s := &streamingWeir{script: []string{event(8) + event(9), "503", event(10)}}
	server := httptest.NewServer(s)
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &notifying{seen: func(text string) {
		if strings.Contains(text, "k10") {
			cancel()
		}
	}}
	var errs bytes.Buffer
	code := run(ctx, []string{"events", "--follow", "-o", "json", "--admin", server.URL}, strings.NewReader(""), out, &errs)
	text := out.buf.String()
	if code != exitDone || strings.Count(text, "\n") != 4 || !strings.HasPrefix(text, oneEvent+"\n") {
		t.Errorf("exit %d, %q", code, text)
	}
	if got := errs.String(); got != "weir: the stream of events broke (connection closed); trying again\n" {
		t.Errorf("stderr %q", got)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := strings.Join(s.since, " "); got != "7 life-9 life-9" {
		t.Errorf("asked since %s", got)
	}
}

func TestFollowingEndsWhereItCannotGoOn(t *testing.T) {
	f := newFakeWeir(t, map[string]answer{"GET /v1/events": {200, `{"events":[]}`}, "GET /v1/events/stream": {401, ""}})
	expect(t, "events --follow", exitFailed, "", "weir: a token is needed for the weir at "+f.url+": --token-file or WEIR_TOKEN_FILE name its file\n")
	f.answers["GET /v1/events/stream"] = answer{200, "data: <html>\n\n"}
	if code, _, stderr := weir("events", "-f"); code != exitFailed || !strings.HasPrefix(stderr, "weir: reading an event of "+f.url) {
		t.Errorf("exit %d, %q", code, stderr)
	}
}
