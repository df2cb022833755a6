package dashboard

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
	"weir/internal/events"
)

// pipes is a listener whose connections are in memory, so that time in them may
// be virtual.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8025} }

// fromLoopback is a connection of a client on the same machine.
type fromLoopback struct{ net.Conn }

func (fromLoopback) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000}
}

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- fromLoopback{theirs}:
		return ours, nil
	case <-p.done:
		return nil, errors.New("closed")
	}
}

// open asks for a stream; lines reads it.
func open(t *testing.T, p *pipes, query, lastID string) (lines *bufio.Reader, body io.Closer) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://localhost/v1/events/stream"+query, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: p.dial, DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	return bufio.NewReader(resp.Body), resp.Body
}

// next returns the next block of a stream, without the empty line that ends it.
func next(lines *bufio.Reader) string {
	var block strings.Builder
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return block.String() + err.Error()
		}
		if line == "\n" {
			return strings.TrimSpace(block.String())
		}
		block.WriteString(line)
	}
}

func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newServer()
		p := newPipes()
		stop := serve(s, p)
		lines, body := open(t, p, "?since=1", "2") // the header counts
		event3 := "id: " + s.feed.boot + "-3" + "\n" + `data: {"id":3,"time":"2000-01-01T00:00:00Z","kind":"backend","pool":"internet","backend":"mx-b","from":"up","to":"down","why":"3 probes in a row failed","by":"probe"}`
		for i, want := range []string{":", event3} {
			if got := next(lines); got != want {
				t.Fatalf("block %d: %q, want %q", i, got, want)
			}
		}
		s.deps.Events.Append(events.Event{Kind: "config", Why: "two\nlines"})
		s.deps.Events.Append(events.Event{Kind: "dns"})
		for _, want := range []string{`"why":"two\nlines"`, `"kind":"dns"`} {
			if got := next(lines); !strings.Contains(got, want) {
				t.Fatalf("%q lacks %q", got, want)
			}
		}
		began := time.Now()
		for range 8 { // far longer than any answer may take otherwise
			if got := next(lines); got != ":" {
				t.Fatalf("%q is no heartbeat", got)
			}
		}
		if took := time.Since(began); took != 8*heartbeat { // virtual
			t.Errorf("8 heartbeats in %v", took)
		}
		began = time.Now()
		ended := make(chan error, 1)
		go func() { ended <- stop() }()
		if _, err := lines.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("the stream ended with %v, not properly", err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took >= stopTimeout {
			t.Errorf("the stream held the end up for %v", took)
		}
		_ = body.Close()
	})
}

func TestStreamFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newServer()
		p := newPipes()
		stop := serve(s, p)
		for query, first := range map[string]string{
			"": "1", "?since=0": "1", "?since=2": "3", "?since=99": "1", "?since=" + s.feed.boot + "-2": "3", "?since=another-2": "1",
		} {
			first = "id: " + s.feed.boot + "-" + first + "\n"
			lines, body := open(t, p, query, "")
			next(lines)
			if got := next(lines); !strings.HasPrefix(got, first) {
				t.Errorf("%s begins with %q", query, got)
			}
			_ = body.Close()
		}
		synctest.Wait()
		time.Sleep(time.Minute) // virtual
		if n := s.streams.Load(); n != 0 {
			t.Errorf("%d streams are open after their clients went", n)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// A client that takes nothing, without closing, is given up.
func TestStreamToAClientThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newServer()
		p := newPipes()
		stop := serve(s, p)
		_, body := open(t, p, "", "")
		synctest.Wait()
		if n := s.streams.Load(); n != 1 {
			t.Fatalf("%d streams are open", n)
		}
		for range 20 { // more than buffers between here and there hold
			s.deps.Events.Append(events.Event{Why: strings.Repeat("x", 64<<10)})
			time.Sleep(streamWriteTime) // virtual
		}
		if n := s.streams.Load(); n != 0 {
			t.Errorf("%d streams are open", n)
		}
		_ = body.Close()
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestStreamRefusals(t *testing.T) {
	s, _ := newServer()
	if w := ask(s, "GET", "/v1/events/stream?since=x"); w.Code != 400 {
		t.Errorf("since=x: %d", w.Code)
	}
	r := localRequest("GET", "/v1/events/stream", "")
	r.Header.Set("Last-Event-ID", "x")
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, r); w.Code != 400 || !strings.Contains(w.Body.String(), "Last-Event-ID wants") {
		t.Errorf("Last-Event-ID x: %d %s", w.Code, w.Body)
	}
	for _, since := range []string{"-2", "x-", "a-b-2"} {
		if w := ask(s, "GET", "/v1/events?since="+since); w.Code != 400 {
			t.Errorf("since=%s: %d", since, w.Code)
		}
	}
	if w := ask(s, "POST", "/v1/events/stream"); w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
	s.streams.Store(maxStreams - 1)
	if w := ask(s, "HEAD", "/v1/events/stream"); w.Code != 200 || w.Header().Get("Content-Type") != "text/event-stream" {
		t.Errorf("the last one: %d", w.Code)
	}
	s.streams.Store(maxStreams)
	if w := ask(s, "GET", "/v1/events/stream"); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("one too many: %d", w.Code)
	}
	if n := s.streams.Load(); n != maxStreams {
		t.Errorf("%d streams are counted after a refusal", n)
	}
	s.SetAccess(Access{Anonymous: RoleNone})
	if w := ask(s, "GET", "/v1/events/stream"); w.Code != 401 {
		t.Errorf("without a token: %d", w.Code)
	}
}

// lost is a client whose connection breaks after a number of writes.
type lost struct {
	*httptest.ResponseRecorder
	writes int
}

func (l *lost) Write(text []byte) (int, error) {
	if l.writes--; l.writes < 0 {
		return 0, errors.New("broken pipe")
	}
	return l.ResponseRecorder.Write(text)
}

func TestStreamEndsWithItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newServer()
		for writes := range 4 { // at the first beat, at the kept events, at later beats
			s.ServeHTTP(&lost{httptest.NewRecorder(), writes}, localRequest("GET", "/v1/events/stream", ""))
		}
		if n := s.streams.Load(); n != 0 {
			t.Errorf("%d streams are open", n)
		}
	})
}

func TestEventsAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := events.NewLog(10)
		s := New(Deps{Registry: backend.NewRegistry(nil), Events: log})
		s.SetAccess(Access{Anonymous: RoleRead})
		for range 3 {
			log.Append(events.Event{Kind: "backend"})
			time.Sleep(time.Minute) // virtual; the first is of midnight
		}
		for query, want := range map[string]string{
			"?after=2000-01-01T00:00:00Z":           `{"events":[{"id":2,"time":"2000-01-01T00:01:00Z","kind":"backend"},{"id":3,"time":"2000-01-01T00:02:00Z","kind":"backend"}]}`,
			"?after=2000-01-01T00:01:30Z":           `{"events":[{"id":3,"time":"2000-01-01T00:02:00Z","kind":"backend"}]}`,
			"?after=1999-12-31T23:00:00Z&since=2":   `{"events":[{"id":3,"time":"2000-01-01T00:02:00Z","kind":"backend"}]}`,
			"?after=2000-01-01T01:02:00%2B01:00":    `{"events":[]}`,
			"?after=2000-01-01T00:00:00.5Z&since=2": `{"events":[{"id":3,"time":"2000-01-01T00:02:00Z","kind":"backend"}]}`,
		} {
			if got := strings.TrimSpace(ask(s, "GET", "/v1/events"+query).Body.String()); got != want {
				t.Errorf("%s: %s, want %s", query, got, want)
			}
		}
	})
}
