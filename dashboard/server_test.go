package dashboard

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
	"weir/internal/events"
)

var update = flag.Bool("update", false, "write the golden files anew")

type listenersFunc func() []Listener

func (f listenersFunc) Listeners() []Listener { return f() }

type deferrals map[string]Deferring

func (d deferrals) Deferring(pool string) *Deferring {
	if one, ok := d[pool]; ok {
		return &one
	}
	return nil
}

// newServer has two pools: "internet" with a connector that takes mail and one
// that is down, and "fax" with one that the operator has drained.
func newServer() (*Server, *backend.Registry) {
	registry := backend.NewRegistry([]backend.PoolConfig{
		{Name: "internet", Policy: "round-robin", Protocol: "smtp", MinRedundancy: 2},
		{Name: "fax", Policy: "round-robin", Protocol: "smtp"},
	})
	registry.SetMembers("internet", []backend.Spec{
		{Pool: "internet", Name: "mx-a", Address: "192.0.2.1:25", Weight: 100},
		{Pool: "internet", Name: "mx-b", Address: "192.0.2.2:25", Weight: 50, Cost: 10},
	})
	registry.SetMembers("fax", []backend.Spec{{Pool: "fax", Name: "fax-a", Address: "[2001:db8::1]:25", Weight: 100}})
	log := events.NewLog(10)
	for range 3 {
		log.Append(events.OfBackend(backend.ID{Pool: "internet", Name: "mx-b"}, "up", "down", "3 probes in a row failed", "probe"))
	}
	s := New(Deps{Version: "1.2.3", Registry: registry, Events: log, Listeners: listenersFunc(func() []Listener {
		return []Listener{{Name: "inbound", Address: "0.0.0.0:25", Sessions: 7, Limit: 20000}}
	})})
	s.SetAccess(Access{Anonymous: RoleRead})
	return s, registry
}

// judge gives the connectors their facts.
func judge(registry *backend.Registry) {
	pool := registry.Snapshot().Pool("internet")
	a, b := pool.Member("mx-a").Backend, pool.Member("mx-b").Backend
	registry.SetHealth(a, backend.HealthFact{
		Health: backend.HealthUp, Reason: "the first probe passed",
	})
	a.SetProbe(backend.ProbeFact{At: time.Now(), Depth: "envelope", OK: true, Stage: backend.StageRcpt, Took: 12345 * time.Microsecond})
	registry.SetHealth(b, backend.HealthFact{
		Health: backend.HealthDown, Reason: "3 probes in a row failed; last: banner: 554 <go> away",
	})
	b.SetProbe(backend.ProbeFact{At: time.Now(), Depth: "envelope", Stage: backend.StageBanner, Error: "banner: 554 <go> away", Took: time.Second})
	registry.SetAdmin(backend.ID{Pool: "fax", Name: "fax-a"}, backend.AdminFact{Admin: backend.AdminDrain, Reason: "reboot", By: "alice"})
	a.Acquire()
	a.Traffic.Open.Add(3)
	a.Traffic.Idle.Add(2)
	a.Traffic.Messages.Add(1000)
	b.Traffic.Failures.Add(3)
	b.Traffic.Ambiguous.Add(1)
	for range 100 {
		a.Traffic.Total.Observe(20 * time.Millisecond)
		a.Traffic.Stages[backend.StageFinalDot].Observe(9 * time.Millisecond)
	}
}

// ask is a request of a program on the same machine.
func ask(h http.Handler, method, target string) *httptest.ResponseRecorder {
	return tell(h, method, target, "")
}

// tell is ask with a body.
func tell(h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, localRequest(method, target, body))
	return w
}

func localRequest(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, "http://127.0.0.1:8025"+target, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:40000"
	return r
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has changed (-update writes it anew):\n%s", name, got)
	}
}

// The names of the answer are a contract.
func TestStatusGolden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, registry := newServer()
		golden(t, "status-starting.json", indented(t, ask(s, "GET", "/v1/status")))
		time.Sleep(time.Minute) // virtual: synctest
		judge(registry)
		s.SetReady(true)
		s.now = func() time.Time { return time.Now().UTC() } // a clock that stands elsewhere would write another time
		now := s.now()
		s.deps.Deferrals = deferrals{"internet": {Messages: 214, Since: now.Add(-time.Minute), Last: now}}
		golden(t, "status.json", indented(t, ask(s, "GET", "/v1/status")))
	})
}

func indented(t *testing.T, w *httptest.ResponseRecorder) []byte {
	t.Helper()
	var out bytes.Buffer
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("answered %d, %s", w.Code, w.Header().Get("Content-Type"))
	}
	if err := json.Indent(&out, w.Body.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestStatusWithoutListenersAndPools(t *testing.T) {
	s := New(Deps{Registry: backend.NewRegistry(nil), Events: events.NewLog(1)})
	s.SetAccess(Access{Anonymous: RoleRead})
	s.SetReady(true)
	want := `{"version":"","ready":true,"standby":false,"verdict":"mail flows","pools":[],"listeners":[],"dns":[],"consul":{},"replicas":[],"discovery":[],"absent":[]}`
	if got := strings.TrimSpace(ask(s, "GET", "/v1/status").Body.String()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestVerdict(t *testing.T) {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	members := []*backend.Member{{Backend: recordOf("a"), Since: since.Add(-time.Hour)}, {Backend: recordOf("b"), Since: since}}
	ok := &backend.Pool{PoolConfig: backend.PoolConfig{Name: "ok", MinRedundancy: 2}, Eligible: 2, Members: members}
	thin := &backend.Pool{PoolConfig: backend.PoolConfig{Name: "thin", MinRedundancy: 2}, Eligible: 1, Members: members}
	down := &backend.Pool{PoolConfig: backend.PoolConfig{Name: "down"}, Members: members}
	empty := &backend.Pool{PoolConfig: backend.PoolConfig{Name: "empty"}}
	panicking := &backend.Pool{PoolConfig: backend.PoolConfig{Name: "panic", PanicPercent: 60}, Eligible: 2, Panic: true, Members: members}
	const (
		panicWords = "pool panic: panic: ejected connectors are used, because fewer than 60 % of a tier are eligible otherwise"
		thinWords  = "pool thin: only 1 of 2 connectors eligible, min_redundancy is 2"
		downWords  = "pool down: no eligible connector since 2026-01-02T03:04:05Z"
		emptyWords = "pool empty: no connectors"
		startWords = "not ready: starting or stopping"
	)
	tests := []struct {
		pools []*backend.Pool
		ready bool
		want  string
	}{
		{[]*backend.Pool{ok}, true, "mail flows"},
		{[]*backend.Pool{panicking, ok}, true, "mail flows; " + panicWords},
		{[]*backend.Pool{ok, thin}, true, "mail flows; " + thinWords},
		{[]*backend.Pool{thin, down, ok, empty}, true, downWords + "; " + emptyWords + "; " + thinWords},
		{[]*backend.Pool{ok}, false, startWords},
		{[]*backend.Pool{down}, false, startWords + "; " + downWords},
	}
	for _, tc := range tests {
		f := facts{now: since, snapshot: &backend.Snapshot{Pools: tc.pools}}
		if !tc.ready {
			f.unready = startWords
		}
		if got := f.verdict(); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
	// Whether a pool has connectors or not, deferred messages take the place of mail that flows.
	f := facts{now: since, snapshot: &backend.Snapshot{Pools: []*backend.Pool{thin, down, ok}}, deferring: map[string]*Deferring{
		"ok":   {Messages: 214, Since: time.Date(2026, 1, 2, 3, 2, 0, 0, time.UTC)},
		"down": {Messages: 1, Since: since.AddDate(0, 0, -1)},
	}}
	const want = downWords + "; down: 1 message deferred by weir since 2026-01-01 03:04; ok: 214 messages deferred by weir since 03:02; " + thinWords
	if got := f.verdict(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnswers(t *testing.T) {
	s, registry := newServer()
	judge(registry)
	const notReady = `{"error":"not ready: starting or stopping"}`
	tests := []struct {
		ready                bool
		method, target, body string
		code                 int
	}{
		{false, "GET", "/healthz", `{"healthy":true}`, 200},
		{true, "HEAD", "/healthz", `{"healthy":true}`, 200}, // net/http keeps the body back
		{false, "GET", "/readyz", notReady, 503},
		{true, "GET", "/readyz", `{"ready":true}`, 200},
		{true, "GET", "/readyz?pool=internet", `{"ready":true}`, 200},
		{false, "GET", "/readyz?pool=internet", notReady, 503},
		{true, "GET", "/readyz?pool=fax", `{"error":"pool fax: no eligible connector since TIME"}`, 503},
		{true, "GET", "/readyz?pool=nowhere", `{"error":"no such pool: nowhere"}`, 404},
		{true, "GET", "/readyz?pool=", `{"error":"no such pool: "}`, 404},
		{true, "GET", "/v1/events?since=3", `{"events":[]}`, 200},
		{true, "GET", "/v1/events?since=-1", `{"error":"since wants the id of an event, a whole number"}`, 400},
		{true, "GET", "/v1/events?since=", `{"error":"since wants the id of an event, a whole number"}`, 400},
		{true, "GET", "/v1/events?after=yesterday", `{"error":"after wants a time such as TIME (RFC 3339)"}`, 400},
		{true, "GET", "/v1/events?after=2999-01-01T00:00:00Z", `{"events":[]}`, 200},
		{true, "GET", "/metrics", `{"error":"no such path: /metrics"}`, 404},
		{true, "GET", "/v1/config", `{"error":"this weir has no config file"}`, 501},
		{true, "GET", "/v1/nothing", `{"error":"no such path: /v1/nothing"}`, 404},
		{true, "GET", "/healthz/", `{"error":"no such path: /healthz/"}`, 404},
		{true, "POST", "/v1/nothing", `{"error":"no such path: /v1/nothing"}`, 404},
		{true, "POST", "/v1/status", `{"error":"POST is not possible here, only GET"}`, 405},
		{true, "DELETE", "/", `{"error":"DELETE is not possible here, only GET"}`, 405},
	}
	timestamp := regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:]+Z`)
	for _, tc := range tests {
		t.Run(tc.method+tc.target, func(t *testing.T) {
			s.SetReady(tc.ready)
			w := ask(s, tc.method, tc.target)
			got := timestamp.ReplaceAllString(strings.TrimSpace(w.Body.String()), "TIME")
			if w.Code != tc.code || got != tc.body {
				t.Errorf("got %d %s, want %d %s", w.Code, got, tc.code, tc.body)
			}
			if allow := w.Header().Get("Allow"); (tc.code == 405) != (allow == "GET, HEAD") {
				t.Errorf("Allow is %q", allow)
			}
		})
	}
}

func TestEvents(t *testing.T) {
	s, _ := newServer()
	for target, want := range map[string][]uint64{"/v1/events": {1, 2, 3}, "/v1/events?since=1": {2, 3}} {
		var got struct{ Events []events.Event }
		if err := json.Unmarshal(ask(s, "GET", target).Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if len(got.Events) != len(want) {
			t.Fatalf("%s: %d events, want %d", target, len(got.Events), len(want))
		}
		for i, e := range got.Events {
			if e.ID != want[i] || e.Pool != "internet" || e.Backend != "mx-b" || e.To != "down" || e.By != "probe" {
				t.Errorf("%s: %+v", target, e)
			}
		}
	}
}

// start serves on a free port; stop ends it and tells what Run returned.
func start(t *testing.T, s *Server) (address string, stop func() error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln.Addr().String(), serve(s, ln)
}

// serve is start on a listener.
func serve(s *Server, ln net.Listener) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, ln) }()
	return func() error {
		cancel()
		return <-ended
	}
}

func TestRun(t *testing.T) {
	s, _ := newServer()
	address, stop := start(t, s)
	client := &http.Client{Transport: &http.Transport{}}
	answer, err := client.Get("http://" + address + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil || answer.StatusCode != 200 || strings.TrimSpace(string(body)) != `{"healthy":true}` {
		t.Errorf("got %d %s %v", answer.StatusCode, body, err)
	}
	if err := stop(); err != nil {
		t.Errorf("Run returned %v", err)
	}
	client.CloseIdleConnections()
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("the port still answers")
	}
}

// A client that says half a request, or none, does not keep the process from ending.
func TestRunEndsBesideIdleClients(t *testing.T) {
	s, _ := newServer()
	address, stop := start(t, s)
	for _, said := range []string{"", "GET /healthz HTTP/1.1\r\n"} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := io.WriteString(conn, said); err != nil {
			t.Fatal(err)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("Run returned %v", err)
	}
}

func TestHeaderIsBounded(t *testing.T) {
	s, _ := newServer()
	address, stop := start(t, s)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	// The server may answer and close while this is still being written.
	_, _ = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n")
	line, err := bufio.NewReader(conn).ReadString('\n')
	if !strings.Contains(line, " 431 ") && !errors.Is(err, io.EOF) && !isReset(err) {
		t.Errorf("got %q %v", line, err)
	}
	_ = conn.Close()
	if err := stop(); err != nil {
		t.Errorf("Run returned %v", err)
	}
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}

// brokenListener fails for good, as a socket does that somebody else closed.
type brokenListener struct{ net.Listener }

func (brokenListener) Accept() (net.Conn, error) { return nil, errors.New("no more descriptors") }
func (brokenListener) Close() error              { return nil }

func TestRunTellsWhyItFailed(t *testing.T) {
	s, _ := newServer()
	s.deps.ErrorLog = log.New(io.Discard, "", 0)
	err := s.Run(t.Context(), brokenListener{})
	if err == nil || err.Error() != "serving the admin interface: no more descriptors" {
		t.Errorf("got %v", err)
	}
}
