package integration

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"weir/internal/faulty"
)

// routed is weir that goes by routes, before pools of one or more connectors each.
type routed struct {
	*flock
	o     opts
	addrs map[string]string // of listeners, by name
}

// newRouted starts a connector c0 for the pool internet and n for each further pool, and weir with the routes, which
// are given as flow maps. Further listeners go by routes, too.
func newRouted(t *testing.T, routes []string, pools map[string]int, listeners ...string) *routed {
	t.Helper()
	r := &routed{flock: &flock{t: t}, addrs: map[string]string{}}
	r.o = opts{routed: true, backends: []string{r.connector("c0").Addr()}, top: routeLines(routes), health: quietHealth, timeouts: shortTimeouts}
	for name, n := range pools {
		r.o.pools += r.poolOf(name, n)
	}
	for _, name := range listeners {
		r.addrs[name] = freeAddr(t)
		r.o.more = append(r.o.more, fmt.Sprintf("{name: %s, address: %q, routes: true, tls: {mode: off}}", name, r.addrs[name]))
	}
	r.front(r.o)
	r.addrs["inbound"] = r.smtp
	r.waitEligible(poolName, 1)
	for name, n := range pools {
		r.waitEligible(name, n)
	}
	return r
}

func routeLines(routes []string) []string {
	lines := []string{"routes:"}
	for _, one := range routes {
		lines = append(lines, "  - "+one)
	}
	return lines
}

// explained is what tests look at in the answer of /v1/route.
type explained struct {
	Listener string   `json:"listener"`
	To       []string `json:"to"`
	Route    string   `json:"route"`
	Match    string   `json:"match"`
	Backend  string   `json:"backend"`
	Code     int      `json:"code"`
	Reply    string   `json:"reply"`
	Pools    []struct {
		Pool       string `json:"pool"`
		Cost       int    `json:"cost"`
		Policy     string `json:"policy"`
		Affinity   string `json:"affinity"`
		Used       bool   `json:"used"`
		Why        string `json:"why"`
		Candidates []struct {
			ID     string `json:"id"`
			In     bool   `json:"in"`
			Why    string `json:"why"`
			Weight int    `json:"weight"`
			Cost   int    `json:"cost"`
		} `json:"candidates"`
	} `json:"pools"`
}

// explain asks /v1/route; fields are given as name, value, name, value …
func (w *weir) explain(fields ...string) (e explained) {
	w.t.Helper()
	query := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		if fields[i+1] != "" {
			query.Set(fields[i], fields[i+1])
		}
	}
	code, text, err := w.get("/v1/route?" + query.Encode())
	if err == nil && code == 200 {
		err = json.Unmarshal(text, &e)
	}
	if err != nil || code != 200 {
		w.t.Fatalf("/v1/route?%s: %d, %v: %s", query.Encode(), code, err, text)
	}
	return e
}

// sends is one transaction with one recipient up to its answers, on a connection of its own: the reply that decided
// it, and the connector that has it.
func (r *routed) sends(listener, from, size, to string) (rep reply, at *faulty.Server) {
	r.t.Helper()
	c, err := dialSMTP(r.addrs[listener])
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.quit()
	mail := "MAIL FROM:<" + from + ">"
	if size != "" {
		mail += " SIZE=" + size
	}
	before := r.heardRcpt(to)
	if rep = r.must(c, "%s", mail); rep.code != 250 {
		return rep, nil
	}
	rep = r.must(c, "RCPT TO:<%s>", to)
	after := r.heardRcpt(to)
	for _, s := range r.c {
		if after[s.Name()] > before[s.Name()] {
			at = s
		}
	}
	return rep, at
}

// heardRcpt counts a recipient at each connector, by its name.
func (r *routed) heardRcpt(to string) map[string]int {
	n := map[string]int{}
	for _, s := range r.c {
		n[s.Name()] = s.Heard("RCPT TO:<" + to + ">")
	}
	return n
}

// nameOf is a connector's bare name, of pool/name.
func nameOf(id string) string {
	_, name, _ := strings.Cut(id, "/")
	return name
}
