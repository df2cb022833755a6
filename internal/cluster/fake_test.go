package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// fakeConsul keeps what Consul keeps for us, with its rules of indexes, sessions
// and lock delay. Its servers are one; each client has its own agent, which can be
// cut off or frozen.
type fakeConsul struct {
	mu       sync.Mutex
	index    uint64
	keys     map[string]*api.KVPair
	sessions map[string]*fakeSession
	delayed  map[string]time.Time // keys under lock delay, until when
	services map[string]api.AgentServiceRegistration
	changed  chan struct{}
	serial   int
}

type fakeSession struct {
	entry api.SessionEntry
	timer *time.Timer
}

func newFakeConsul() *fakeConsul {
	f := &fakeConsul{changed: make(chan struct{})}
	f.restartEmpty()
	return f
}

// restartEmpty forgets everything, the index too.
func (f *fakeConsul) restartEmpty() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sessions {
		s.timer.Stop()
	}
	f.index = 0
	f.keys, f.sessions = map[string]*api.KVPair{}, map[string]*fakeSession{}
	f.delayed, f.services = map[string]time.Time{}, map[string]api.AgentServiceRegistration{}
	f.touch()
}

// touch makes a new index and wakes who waits. Called with mu held.
func (f *fakeConsul) touch() {
	f.index++
	close(f.changed)
	f.changed = make(chan struct{})
}

// put is somebody's plain write.
func (f *fakeConsul) put(key, value string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set(key, []byte(value), "")
}

func (f *fakeConsul) set(key string, value []byte, session string) {
	f.touch()
	pair := &api.KVPair{Key: key, Value: value, ModifyIndex: f.index, CreateIndex: f.index, Session: session}
	f.keys[key] = pair
}

// drop deletes a key as somebody would by hand.
func (f *fakeConsul) drop(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.keys, key)
	f.touch()
}

func (f *fakeConsul) get(key string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if pair := f.keys[key]; pair != nil {
		return string(pair.Value)
	}
	return ""
}

func (f *fakeConsul) registered() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.services)
}

// service0 returns the only service.
func (f *fakeConsul) service0(t testing.TB) api.AgentServiceRegistration {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.services) != 1 {
		t.Fatalf("%d services, want one", len(f.services))
	}
	return slices.Collect(maps.Values(f.services))[0]
}

// stop ends the timers, so that a test's bubble can end.
func (f *fakeConsul) stop() { f.restartEmpty() }

// end ends a session: what it holds is deleted and kept from others for a while.
func (f *fakeConsul) end(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.destroy(id)
}

func (f *fakeConsul) destroy(id string) {
	s := f.sessions[id]
	if s == nil {
		return
	}
	s.timer.Stop()
	delete(f.sessions, id)
	for key, pair := range f.keys {
		if pair.Session == id {
			delete(f.keys, key)
			f.delayed[key] = time.Now().Add(s.entry.LockDelay)
		}
	}
	f.touch()
}

// fakeAgent is one replica's way to Consul.
type fakeAgent struct {
	consul *fakeConsul
	mu     sync.Mutex
	cut    bool // connections are refused
	frozen bool // nothing is answered
	denied bool // 403
	edge   chan struct{}
}

func (f *fakeConsul) agent() *fakeAgent {
	return &fakeAgent{consul: f, edge: make(chan struct{})}
}

func (a *fakeAgent) client(t testing.TB) *api.Client {
	t.Helper()
	client, err := api.NewClient(&api.Config{Address: "consul.test:8500", HttpClient: &http.Client{Transport: a}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// set changes the agent's mood; calls that wait for an answer feel it at once.
func (a *fakeAgent) set(cut, frozen bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cut, a.frozen = cut, frozen
	close(a.edge)
	a.edge = make(chan struct{})
}

func (a *fakeAgent) mood() (cut, frozen, denied bool, edge <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cut, a.frozen, a.denied, a.edge
}

// RoundTrip answers as Consul's HTTP interface does.
func (a *fakeAgent) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(time.Millisecond) // virtual: without it, calls of several replicas would hardly ever overlap
	for {
		cut, frozen, denied, edge := a.mood()
		switch {
		case cut:
			return nil, errors.New("dial tcp 192.0.2.5:8500: connect: connection refused")
		case denied && r.Method == http.MethodGet && r.URL.Query().Has("recurse"):
			return answer(r, 404, 1, ""), nil // as measured: lists are filtered, not refused
		case denied:
			return answer(r, 403, 0, "Permission denied"), nil
		case frozen:
			select {
			case <-r.Context().Done():
				return nil, r.Context().Err()
			case <-edge:
				continue
			}
		}
		response, held := a.consul.serve(r)
		if response != nil {
			return response, nil
		}
		if err := held.wait(r.Context(), edge); err != nil {
			return nil, err
		}
	}
}

// held is a blocking query that has to wait.
type held struct {
	changed <-chan struct{}
	until   time.Time
}

func (h held) wait(ctx context.Context, edge <-chan struct{}) error {
	timer := time.NewTimer(time.Until(h.until))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-h.changed:
	case <-edge:
	case <-timer.C:
	}
	return nil
}

func answer(r *http.Request, code int, index uint64, body any) *http.Response {
	text, ok := body.(string)
	if !ok {
		data, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		text = string(data)
	}
	header := http.Header{}
	header.Set("X-Consul-Index", strconv.FormatUint(index, 10))
	header.Set("X-Consul-Knownleader", "true")
	header.Set("X-Consul-Lastcontact", "0")
	return &http.Response{StatusCode: code, Header: header, Body: io.NopCloser(strings.NewReader(text)), Request: r}
}

// serve answers a request, or says what a blocking one has to wait for.
func (f *fakeConsul) serve(r *http.Request) (*http.Response, held) {
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	body := requestBody(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch verb, rest, _ := strings.Cut(path, "/"); {
	case verb == "kv" && r.Method == http.MethodGet:
		return f.list(r, rest)
	case verb == "kv" && r.Method == http.MethodPut:
		return answer(r, 200, f.index, f.write(r, rest, body)), held{}
	case verb == "kv" && r.Method == http.MethodDelete:
		f.remove(r, rest)
		return answer(r, 200, f.index, true), held{}
	case verb == "txn":
		return f.txn(r, body), held{}
	case verb == "session":
		return f.session(r, rest, body), held{}
	case verb == "agent":
		return f.service(r, rest, body), held{}
	}
	panic("the fake knows no " + r.Method + " " + r.URL.Path)
}

func requestBody(r *http.Request) []byte {
	if r.Body == nil {
		return nil
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(data)) // served again after a wait
	return data
}
