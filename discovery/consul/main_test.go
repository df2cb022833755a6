package consul

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"go.uber.org/goleak"

	"weir/discovery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// agent is a Consul agent without a network: what a test sets is what it says.
// Its queries block as Consul's do, so it lives in a bubble of virtual time.
type agent struct {
	mu      sync.Mutex
	changed chan struct{} // closed at each change
	state
	asked []string // path and query of each request
}

type state struct {
	body        string
	index       uint64
	header      map[string]string // over what is usual
	leader      string
	frozen      bool
	err         error  // of the connection
	code        int    // 0: 200
	text        string // with the code
	never       bool   // queries do not block
	streams     bool   // those that block are answered from a stream, which knows no leader
	leaderErr   int    // a code for /v1/status/leader
	accessor    string // of /v1/acl/token/self; empty: 403
	leaderMiss  int    // so many questions for the leader get no answer
	leaderAsked int
}

func newAgent() *agent {
	return &agent{changed: make(chan struct{}), state: state{body: "[]", index: 10, leader: "10.0.0.1:8300"}}
}

// set changes what the agent says, and raises the index unless the test did.
func (a *agent) set(change func(*state)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.index
	change(&a.state)
	if a.index == before {
		a.index++
	}
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *agent) client(t *testing.T) *api.Client {
	t.Helper()
	c, err := api.NewClient(&api.Config{Address: "127.0.0.1:8500", HttpClient: &http.Client{Transport: Transport(a)}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// RoundTrip implements [http.RoundTripper].
func (a *agent) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	a.asked = append(a.asked, r.URL.RequestURI())
	a.mu.Unlock()
	switch r.URL.Path {
	case "/v1/status/leader":
		return a.answerLeader(r)
	case "/v1/acl/token/self":
		return a.answerToken(r)
	}
	wait, err := time.ParseDuration(r.URL.Query().Get("wait"))
	if err != nil {
		wait = 0
	}
	index, err := strconv.ParseUint(r.URL.Query().Get("index"), 10, 64)
	if err != nil {
		index = 0
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		a.mu.Lock()
		s, changed := a.state, a.changed
		a.mu.Unlock()
		s.streams = s.streams && r.URL.Query().Has("index")
		over := s.never || index == 0 || s.index != index || s.code != 0 || s.err != nil
		if over && !s.frozen {
			return s.answer(r)
		}
		select {
		case <-changed:
		case <-timeout.C:
			index = 0
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

func (s *state) answer(r *http.Request) (*http.Response, error) {
	if s.err != nil {
		return nil, s.err
	}
	if s.code != 0 {
		return respond(r, s.code, s.text, nil), nil
	}
	header := map[string]string{
		"X-Consul-Index": strconv.FormatUint(s.index, 10), "X-Consul-Knownleader": strconv.FormatBool(s.leader != ""),
		"X-Consul-Lastcontact": "0", "X-Consul-Default-Acl-Policy": "allow",
	}
	if s.leader == "" && !r.URL.Query().Has("stale") {
		return respond(r, http.StatusInternalServerError, "No cluster leader", nil), nil
	}
	if s.streams {
		header["X-Consul-Query-Backend"], header["X-Consul-Knownleader"] = api.QueryBackendStreaming, "false"
	}
	maps.Copy(header, s.header)
	if s.streams {
		delete(header, "X-Consul-Results-Filtered-By-Acls")
	}
	return respond(r, http.StatusOK, s.body, header), nil
}

func (a *agent) answerLeader(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	a.leaderAsked++
	s := a.state
	a.mu.Unlock()
	if s.frozen || s.leaderAsked <= s.leaderMiss {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if s.err != nil {
		return nil, s.err
	}
	if s.leaderErr != 0 {
		return respond(r, s.leaderErr, "no", nil), nil
	}
	return respond(r, http.StatusOK, strconv.Quote(s.leader), nil), nil
}

func (a *agent) answerToken(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.accessor == "" {
		return respond(r, http.StatusForbidden, "Permission denied", nil), nil
	}
	return respond(r, http.StatusOK, `{"AccessorID":"`+a.accessor+`"}`, nil), nil
}

func respond(r *http.Request, code int, body string, header map[string]string) *http.Response {
	resp := &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
	for k, v := range header {
		resp.Header.Set(k, v)
	}
	return resp
}

// queries returns the values of a parameter in the questions for the service,
// in order.
func (a *agent) queries(t *testing.T, key string) []string {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []string
	for _, uri := range a.asked {
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(u.Path, "/v1/health/service/") {
			list = append(list, u.Query().Get(key))
		}
	}
	return list
}

// follow runs a source of the agent's service "smtp" until the test ends.
func follow(t *testing.T, a *agent) <-chan discovery.Set {
	t.Helper()
	return followWith(t, a.client(t))
}

func followWith(t *testing.T, client *api.Client) <-chan discovery.Set {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	sets, done := make(chan discovery.Set), make(chan error, 1)
	go func() { done <- New(Config{Pool: "p", Service: "smtp"}, client).Run(ctx, sets) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return sets
}

// next returns the next set, which must come within the time.
func next(t *testing.T, sets <-chan discovery.Set, within time.Duration) discovery.Set {
	t.Helper()
	select {
	case set := <-sets:
		if set.Pool != "p" || set.Source != sourceName {
			t.Errorf("set of pool %q by %q", set.Pool, set.Source)
		}
		return set
	case <-time.After(within):
		t.Fatalf("no set within %v", within)
		return discovery.Set{}
	}
}

// quiet fails if a set comes within the time.
func quiet(t *testing.T, sets <-chan discovery.Set, during time.Duration) {
	t.Helper()
	select {
	case set := <-sets:
		t.Fatalf("an idle set: %+v", set)
	case <-time.After(during):
	}
}

// instances returns the body that tells of these instances, NAME=IP:PORT by
// NAME, all passing.
func instances(t *testing.T, names ...string) string {
	t.Helper()
	list := []map[string]any{}
	for i, name := range names {
		list = append(list, map[string]any{
			"Node":    map[string]any{"Node": "node-" + name, "Address": "10.0.0." + strconv.Itoa(i+1)},
			"Service": map[string]any{"ID": name, "Service": "smtp", "Port": 25, "Weights": map[string]int{"Passing": 100}},
			"Checks":  []map[string]any{{"CheckID": "serfHealth", "Status": "passing"}},
		})
	}
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(list); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func namesOf(set discovery.Set) string {
	var list []string
	for _, s := range set.Specs {
		list = append(list, s.Name)
	}
	return strings.Join(list, " ")
}
