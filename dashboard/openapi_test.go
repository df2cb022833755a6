package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"weir/internal/backend"
	"weir/internal/history"
)

// document reads the document as another program does, and finds it sound. Fields
// that it does not name are allowed to others, but not to us.
func document(t *testing.T) *openapi3.T {
	t.Helper()
	var raw any
	if err := json.Unmarshal(openAPI, &raw); err != nil {
		t.Fatal(err)
	}
	forbidOthers(raw)
	text, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return doc
}

func forbidOthers(node any) {
	switch node := node.(type) {
	case map[string]any:
		if _, ok := node["properties"].(map[string]any); ok && node["type"] == "object" {
			node["additionalProperties"] = false
		}
		for _, child := range node {
			forbidOthers(child)
		}
	case []any:
		for _, child := range node {
			forbidOthers(child)
		}
	}
}

// operation is one method at one path of the document.
type operation struct {
	path, method string
	*openapi3.Operation
}

func operations(doc *openapi3.T) (all []operation) {
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			all = append(all, operation{path, method, op})
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return all
}

// target is the operation's path with names in it.
func (o operation) target() string {
	return strings.NewReplacer("{pool}", "internet", "{name}", "mx-a", "{zone}", "example.com").Replace(o.path)
}

func TestOpenAPINamesEveryPath(t *testing.T) {
	s, _ := newServer()
	named := map[string]string{}
	for _, op := range operations(document(t)) {
		named[op.path] = op.method
		fixed := !strings.Contains(op.path, "{")
		if r, ok := s.routes[op.path]; fixed && (!ok || r.method != op.method) {
			t.Errorf("%s %s is in the document, and not served", op.method, op.path)
		}
		if (op.Security != nil && len(*op.Security) == 0) != (fixed && s.routes[op.path].role == RoleNone) {
			t.Errorf("%s: the document tells something else of who may ask", op.path)
		}
	}
	for path, r := range s.routes {
		if named[path] != r.method && !strings.HasPrefix(path, "/"+pageRoot+"/") {
			t.Errorf("%s %s is served, and not in the document", r.method, path)
		}
	}
	for _, verb := range []string{string(Drain), string(Undrain), string(Disable), string(Enable), probeVerb} {
		if path := backendsPath + "{pool}/{name}/" + verb; named[path] != http.MethodPost {
			t.Errorf("%s is not in the document", path)
		}
	}
	for _, verb := range []string{dnsFreeze, dnsThaw, dnsRelease} {
		if path := zonesPath + "{zone}/" + verb; named[path] != http.MethodPost {
			t.Errorf("%s is not in the document", path)
		}
	}
}

// inspector holds answers against the document, and notes which it has seen.
type inspector struct {
	t    *testing.T
	doc  *openapi3.T
	seen map[string]bool // path, method and code
}

// answer has a request served, and holds what comes against the operation.
func (i *inspector) answer(h http.Handler, op operation, r *http.Request) {
	i.t.Helper()
	sent, w := r.Clone(r.Context()), httptest.NewRecorder()
	h.ServeHTTP(w, r)
	i.seen[op.path+" "+op.method+" "+strconv.Itoa(w.Code)] = true
	sent.Method = op.method
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: sent,
			Route:   &routers.Route{Spec: i.doc, Path: op.path, Method: op.method, Operation: op.Operation},
		},
		Status: w.Code, Header: w.Header(),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	input.SetBodyBytes(w.Body.Bytes())
	kind := w.Header().Get("Content-Type")
	if w.Code == http.StatusOK && !strings.HasPrefix(kind, "application/json") {
		input.Options.ExcludeResponseBody = true // text; its type is held against the document below
		if content := op.Responses.Status(w.Code).Value.Content; content.Get(kind) == nil {
			i.t.Errorf("%s %s: the document knows no %s", op.method, op.path, kind)
		}
	}
	if err := openapi3filter.ValidateResponse(i.t.Context(), input); err != nil {
		i.t.Errorf("%s %s: answered %d, which is not as documented: %v\n%s", r.Method, r.URL, w.Code, err, w.Body)
	}
}

// asker makes requests of an operation. The body of a stream ends at once.
func (o operation) ask(query, body string, change ...func(*http.Request)) *http.Request {
	r := localRequest(o.method, o.target()+query, body)
	ctx, cancel := context.WithCancel(r.Context())
	if strings.HasSuffix(o.path, "/stream") {
		cancel()
	}
	_ = cancel // of a request that ends by itself
	r = r.WithContext(ctx)
	for _, c := range change {
		c(r)
	}
	return r
}

// complete is a server with everything, all of whose answers are full.
func complete(t *testing.T) *Server {
	t.Helper()
	s, _ := ordered()
	registry := s.deps.Registry
	judge(registry)
	s.SetReady(true)
	now, later := time.Now(), time.Now().Add(time.Hour)
	ring := history.NewRing(10)
	ring.Add(&history.Transaction{ID: "t1", Time: now, Rcpts: make([]string, 2), RcptCount: 60, Tries: []history.Try{{Backend: "mx-b", Why: "421"}}, By: "weir"})
	ring.Add(&history.Transaction{ID: "t2", Time: now})
	s.deps.History = ring
	s.deps.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = w.Write([]byte("weir_leader 1\n"))
	})
	s.deps.Prober = documentedProber{}
	s.deps.Router = documentedRouter{}
	s.deps.Reloader = documentedReloader{}
	s.deps.DNS = documentedZone{zones: []DNSStatus{{
		Zone: "example.com", Mode: "update", Frozen: &DNSFreeze{Since: now, By: "alice"}, LastWrite: &now, Writes: map[string]int64{"done": 3},
		Sets: []DNSSet{{Name: "mx.example.com.", Type: "A", Held: []DNSHold{{Record: "192.0.2.1", Why: "hold down", Until: &later}, {Why: "frozen"}}}},
	}, {Zone: "example.net", Mode: "serve"}}}
	s.deps.Deferrals = deferrals{"fax": {Messages: 2, Since: now, Last: later}}
	s.deps.Sources = documentedSources{{Source: "consul", Pool: "internet", State: "holding", Since: now, Until: &later, Why: "empty", FromDisk: true}}
	s.deps.Cluster = documentedCluster{now}
	registry.SetAdmin(backend.ID{Pool: "internet", Name: "mx-b"}, backend.AdminFact{Admin: backend.AdminDrain, By: "bob", Until: later})
	s.SetAccess(Access{Anonymous: RoleOperate, Tokens: []Token{{Name: "alice", Role: RoleRead, Secret: "0123456789abcdef"}}})
	return s
}

// reason is a body that makes the fakes refuse in some way.
func reason(word string) string { return `{"reason":"` + word + `"}` }

func TestOpenAPIHoldsForEveryAnswer(t *testing.T) {
	doc := document(t)
	i := &inspector{t, doc, map[string]bool{}}
	all := operations(doc)
	for _, op := range all {
		i.common(op)
		i.special(op)
	}
	for _, op := range all {
		for code := range op.Responses.Map() {
			if !i.seen[op.path+" "+op.method+" "+code] {
				t.Errorf("%s %s: %s is documented, and no answer was tried", op.method, op.path, code)
			}
		}
	}
}

// common asks for the answers that every operation has.
func (i *inspector) common(op operation) {
	s := complete(i.t)
	has := func(code int) bool { return op.Responses.Status(code) != nil }
	i.answer(s, op, op.ask("", map[bool]string{true: `{"token":"0123456789abcdef"}`}[op.path == "/v1/login"]))
	wrong := op.ask("", "")
	if wrong.Method = http.MethodPut; has(http.StatusMethodNotAllowed) {
		i.answer(s, op, wrong)
	}
	if has(http.StatusNotModified) {
		i.answer(s, op, op.ask("", "", func(r *http.Request) { r.Header.Set("If-None-Match", s.tagOf(op.target())) }))
	}
	body := `{"` + strings.Repeat("x", maxBody) + `":1}`
	if has(http.StatusRequestEntityTooLarge) {
		i.answer(s, op, op.ask("", body))
	}
	if has(http.StatusForbidden) {
		i.answer(s, op, op.ask("", "", func(r *http.Request) { r.Host = "evil.example.com" }))
	}
	bad := func(r *http.Request) { r.Header.Set("Authorization", "Bearer wrong") }
	login := ""
	if op.path == "/v1/login" {
		login, bad = `{"token":"wrong"}`, func(*http.Request) {}
	}
	for range failuresAtOnce + 1 {
		if has(http.StatusTooManyRequests) {
			i.answer(s, op, op.ask("", login, bad))
		}
	}
	bare, _ := newServer()
	bare.SetAccess(Access{Anonymous: RoleOperate})
	if has(http.StatusNotImplemented) {
		i.answer(bare, op, op.ask("", ""))
	}
}

// tagOf is the ETag that an answer has now.
func (s *Server) tagOf(target string) string {
	return ask(s, http.MethodGet, target).Header().Get("ETag")
}

// special asks for the answers that only some operations have.
func (i *inspector) special(op operation) {
	s := complete(i.t)
	done := func(requests ...*http.Request) {
		for _, r := range requests {
			i.answer(s, op, r)
		}
	}
	elsewhere := func(to string) func(*http.Request) {
		return func(r *http.Request) { r.URL.Path, r.URL.RawPath = to, "" }
	}
	switch {
	case strings.HasPrefix(op.path, backendsPath) && op.method == http.MethodPost:
		last := op.path[strings.LastIndexByte(op.path, '/'):]
		done(op.ask("", "[]"), op.ask("", "", elsewhere("/v1/backends/internet/none"+last)))
		if last == "/probe" {
			done(op.ask("", `{"depth":"refused"}`), op.ask("", `{"depth":"broken"}`))
			s.deps.Registry.SetMembers("fax", []backend.Spec{{Pool: "fax", Name: "mx-a", Address: "192.0.2.9:25"}})
			done(op.ask("", "", elsewhere("/v1/backends/mx-a"+last)))
			return
		}
		for _, word := range []string{"empties", "conflict", "unknown", "unshared", "late", "broken"} {
			done(op.ask("", reason(word)))
		}
		if last == "/undrain" || last == "/enable" {
			done(op.ask("", reason("held")))
		}
	case op.path == "/v1/backends/{pool}/{name}":
		done(op.ask("", "", elsewhere("/v1/backends/internet/none")))
	case strings.HasPrefix(op.path, zonesPath):
		done(op.ask("", "[]"), op.ask("", "", elsewhere(strings.Replace(op.target(), "example.com", "example.org", 1))))
		for _, err := range []error{ErrConflict, ErrNotShared, context.DeadlineExceeded, errors.New("broken")} {
			s.deps.DNS = documentedZone{zones: []DNSStatus{{Zone: "example.com", Mode: "serve"}}, err: err}
			done(op.ask("", ""))
		}
	default:
		i.singular(s, op, done)
	}
}

func (i *inspector) singular(s *Server, op operation, done func(...*http.Request)) {
	switch op.path {
	case "/readyz":
		done(op.ask("?pool=none", ""), op.ask("?pool=fax", ""))
	case "/metrics":
		s.deps.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeError(w, http.StatusServiceUnavailable, "busy") })
		done(op.ask("", ""))
		s.deps.Metrics = nil
		done(op.ask("", ""))
	case "/v1/config":
		done(op.ask("?diff=2", ""))
		s.deps.Reloader = documentedReloader{errors.New("broken")}
		done(op.ask("", ""))
	case "/v1/events":
		done(op.ask("?since=x", ""), op.ask("?after=2026-01-01T00:00:00Z", ""))
	case "/v1/events/stream":
		s.streams.Store(maxStreams)
		done(op.ask("?since=x", ""), op.ask("", ""))
	case "/v1/page/stream":
		s.pages.Store(maxPages)
		done(op.ask("", ""))
	case "/v1/transactions":
		done(op.ask("?limit=x", ""), op.ask("?limit=1", ""))
		s.deps.History = givesUp{}
		done(op.ask("", ""))
	case "/v1/route":
		done(op.ask("?to=bob@example.com&size=10MiB&8bit", ""), op.ask("?to=none@example.com", ""))
	case "/v1/reload":
		done(op.ask("", "[]"), op.ask("", `{"previous":true}`))
		s.deps.Reloader = documentedReloader{errors.New("weir.yaml:1:1: wrong")}
		done(op.ask("", ""))
	case "/v1/standby":
		done(op.ask("", "[]"), op.ask("", `{"off":true}`))
		for _, err := range []error{ErrConflict, context.DeadlineExceeded, errors.New("broken")} {
			s.deps.Controller = &controller{standby: func(bool, string) error { return err }}
			done(op.ask("", ""))
		}
	case "/v1/login":
		done(op.ask("", "[]"))
	}
}

type documentedProber struct{}

func (documentedProber) Probe(_ context.Context, spec backend.Spec, r ProbeRequest) (ProbeAnswer, error) {
	switch r.Depth {
	case "refused":
		return ProbeAnswer{}, fmt.Errorf("%w: no such depth", ErrRefused)
	case "broken":
		return ProbeAnswer{}, errors.New("busy")
	}
	return ProbeAnswer{Backend: spec.ID().String(), Stage: "rcpt", Dialogue: []ProbeLine{{AtMS: 0.1, From: "weir", Text: "QUIT"}}}, nil
}

type documentedReloader struct{ err error }

func (d documentedReloader) Reload(bool, string) ([]string, error) {
	return []string{"a: 1 → 2"}, d.err
}

func (d documentedReloader) Config(bool) (string, error) { return "listeners: []\n", d.err }

type documentedZone struct {
	zones []DNSStatus
	err   error
}

func (d documentedZone) DNS() []DNSStatus                                     { return slices.Clone(d.zones) }
func (d documentedZone) Freeze(context.Context, string, string, string) error { return d.err }
func (d documentedZone) Thaw(context.Context, string, string) error           { return d.err }
func (d documentedZone) Release(context.Context, string, string) error        { return d.err }

type documentedSources []SourceStatus

func (d documentedSources) Sources() []SourceStatus { return d }

type documentedCluster struct{ since time.Time }

func (d documentedCluster) Consul() ConsulStatus {
	return ConsulStatus{Address: "127.0.0.1:8500", Since: &d.since, Error: "refused", Unshared: []string{"drain of a/b"}}
}

func (d documentedCluster) Replicas() []Replica {
	return []Replica{{Name: "one", Self: true, Seen: d.since}}
}

func (d documentedCluster) Flags() Flags {
	return Flags{Unkept: "no space", Absent: []AbsentFlag{
		{ID: "fax/fax-z", Admin: "drain", By: "alice", Reason: "sold", Since: d.since, Until: &d.since}, {ID: "fax/fax-y", Admin: "disabled"},
	}}
}

// The document is served as it is, and says what version it is of.
func TestOpenAPIIsServed(t *testing.T) {
	s, _ := newServer()
	w := ask(s, "GET", "/v1/openapi.json")
	if w.Code != 200 || !bytes.Equal(w.Body.Bytes(), openAPI) || !strings.Contains(w.Body.String(), `"openapi": "3.1.0"`) {
		t.Errorf("%d, %d bytes", w.Code, w.Body.Len())
	}
	doc := document(t)
	if kinds := slices.Sorted(maps.Keys(doc.Components.SecuritySchemes)); len(kinds) != 2 {
		t.Errorf("security schemes %v", kinds)
	}
}
