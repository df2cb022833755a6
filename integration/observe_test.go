package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// logLine is one decoded line of weir's log. It stays a map, because tests ask for single fields and the contract
// may grow.
type logLine map[string]any

func parseLogLine(text []byte) (logLine, bool) {
	var line logLine
	text = bytes.TrimSpace(text)
	if len(text) == 0 || text[0] != '{' || json.Unmarshal(text, &line) != nil {
		return nil, false
	}
	return line, true
}

// str is a field as text; "" when absent.
func (l logLine) str(field string) string {
	switch v := l[field].(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// num is a field as a number; 0 when absent.
func (l logLine) num(field string) int {
	v, _ := l[field].(float64)
	return int(v)
}

// msg is the line's kind: transaction, backend, session …
func (l logLine) msg() string { return l.str("msg") }

// logged returns the lines so far for which pred holds.
func (w *weir) logged(pred func(logLine) bool) []logLine {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []logLine
	for _, l := range w.lines {
		if pred(l) {
			out = append(out, l)
		}
	}
	return out
}

// transactions are the log lines of transactions that have ended.
func (w *weir) transactions() []logLine {
	return w.logged(func(l logLine) bool { return l.msg() == "transaction" })
}

// transactionsFrom are those whose envelope sender contains s; test messages carry their id there.
func (w *weir) transactionsFrom(s string) []logLine {
	return w.logged(func(l logLine) bool { return l.msg() == "transaction" && strings.Contains(l.str("from"), s) })
}

// backendLines are the state changes logged so far.
func (w *weir) backendLines() []logLine {
	return w.logged(func(l logLine) bool { return l.msg() == "backend" })
}

// status is /v1/status, as far as tests look at it.
type status struct {
	Version   string          `json:"version"`
	Ready     bool            `json:"ready"`
	Verdict   string          `json:"verdict"`
	Standby   bool            `json:"standby"`
	Pools     []poolStatus    `json:"pools"`
	Discovery []sourceStatus  `json:"discovery"`
	Consul    consulStatus    `json:"consul"`
	Replicas  []replicaStatus `json:"replicas"`
}

type poolStatus struct {
	Name     string          `json:"name"`
	Policy   string          `json:"policy"`
	Eligible int             `json:"eligible"`
	Total    int             `json:"total"`
	Backends []backendStatus `json:"backends"`
}

type backendStatus struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Address  string   `json:"address"`
	Weight   int      `json:"weight"`
	Cost     int      `json:"cost"`
	State    string   `json:"state"`
	Health   string   `json:"health"`
	Admin    string   `json:"admin"`
	AdminBy  string   `json:"admin_by"`
	Reason   string   `json:"reason"`
	Inflight int      `json:"inflight"`
	Messages int      `json:"messages"`
	Failures int      `json:"failures"`
	Sources  []string `json:"sources"`
	// Ambiguous is a count in one reading of the contract and a list in another: kept as it came.
	Ambiguous json.RawMessage `json:"ambiguous"`
}

// sourceStatus is one source of connectors.
type sourceStatus struct {
	Source     string `json:"source"`
	Pool       string `json:"pool"`
	State      string `json:"state"`
	Why        string `json:"why"`
	Connectors int    `json:"connectors"`
	FromDisk   bool   `json:"from_disk"`
}

type consulStatus struct {
	Reachable  bool     `json:"reachable"`
	Error      string   `json:"error"`
	Registered bool     `json:"registered"`
	Unshared   []string `json:"unshared"`
}

type replicaStatus struct {
	Name   string `json:"name"`
	Self   bool   `json:"self"`
	Leader bool   `json:"leader"`
	Agrees bool   `json:"agrees"`
}

// source is what is said of a pool's source whose name begins so.
func (s status) source(pool, prefix string) sourceStatus {
	for _, src := range s.Discovery {
		if src.Pool == pool && strings.HasPrefix(src.Source, prefix) {
			return src
		}
	}
	return sourceStatus{}
}

// names are the connectors of a pool.
func (s status) names(pool string) (names []string) {
	for _, p := range s.Pools {
		if p.Name == pool {
			for _, b := range p.Backends {
				names = append(names, b.Name)
			}
		}
	}
	return names
}

// status asks for /v1/status.
func (w *weir) status() status {
	w.t.Helper()
	code, body, err := w.get("/v1/status")
	if err != nil || code != 200 {
		w.t.Fatalf("/v1/status: code %d, %v", code, err)
	}
	var s status
	if err := json.Unmarshal(body, &s); err != nil {
		w.t.Fatalf("decoding /v1/status: %v\n%s", err, body)
	}
	return s
}

// backend is one connector's status; the zero value when there is no such connector.
func (s status) backend(pool, name string) backendStatus {
	for _, p := range s.Pools {
		if p.Name != pool {
			continue
		}
		if i := slices.IndexFunc(p.Backends, func(b backendStatus) bool { return b.Name == name }); i >= 0 {
			return p.Backends[i]
		}
	}
	return backendStatus{}
}

// eligible is the number of connectors of a pool that take mail.
func (s status) eligible(pool string) int {
	for _, p := range s.Pools {
		if p.Name == pool {
			return p.Eligible
		}
	}
	return 0
}

// waitState waits until a connector shows one of the states.
func (w *weir) waitState(pool, name string, states ...string) {
	w.t.Helper()
	var last backendStatus
	ok := poll(60*time.Second, func() bool {
		last = w.status().backend(pool, name)
		return slices.Contains(states, last.State)
	})
	if !ok {
		w.t.Fatalf("%s/%s is %q (%s), want %v; the end of the log:\n%s", pool, name, last.State, last.Reason, states, w.tail(4000))
	}
}

// waitEligible waits until n connectors of the pool take mail.
func (w *weir) waitEligible(pool string, n int) {
	w.t.Helper()
	if !poll(60*time.Second, func() bool { return w.status().eligible(pool) == n }) {
		w.t.Fatalf("pool %s has not come to %d eligible: %+v", pool, n, w.status().Pools)
	}
}

// waitSource waits until a pool's source is in a state, and says so with words; each is part of why.
func (w *weir) waitSource(source, state string, words ...string) {
	w.t.Helper()
	var last sourceStatus
	ok := poll(90*time.Second, func() bool {
		last = w.status().source(poolName, source)
		return last.State == state && !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(last.Why, word) })
	})
	if !ok {
		w.t.Fatalf("source %s is %q (%q), want %q and the words %q; the end of the log:\n%s", source, last.State, last.Why, state, words, w.tail(4000))
	}
}

// waitNames waits until the pool has these connectors and no others.
func (w *weir) waitNames(names ...string) {
	w.t.Helper()
	var last []string
	ok := poll(60*time.Second, func() bool {
		last = w.status().names(poolName)
		slices.Sort(last)
		return slices.Equal(last, names)
	})
	if !ok {
		w.t.Fatalf("the connectors are %q, want %q; the end of the log:\n%s", last, names, w.tail(4000))
	}
}

// rssKB is weir's resident memory, from /proc.
func (w *weir) rssKB() int {
	w.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.pid()))
	if err != nil {
		w.t.Fatalf("reading weir's memory: %v", err)
	}
	for l := range strings.Lines(string(text)) {
		var kb int
		if n, _ := fmt.Sscanf(l, "VmRSS: %d kB", &kb); n == 1 {
			return kb
		}
	}
	w.t.Fatal("no VmRSS in /proc")
	return 0
}

// openFiles is the number of weir's file descriptors: what a leaked connection shows in.
func (w *weir) openFiles() int {
	w.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", w.pid()))
	if err != nil {
		w.t.Fatalf("counting weir's descriptors: %v", err)
	}
	return len(entries)
}
