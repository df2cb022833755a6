package integration

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
)

// dnsHealth finds out within half a second that a connector is gone or back. Hold-downs of a second stand behind it.
const dnsHealth = "{probe: ehlo, interval: 300ms, fast_interval: 100ms, timeout: 2s, rise: 2, fall: 2}"

// zoneLines are the `dns` section of one zone, with hold-downs and an interval that a test can wait for.
func zoneLines(zone, records, way string) []string {
	return []string{
		"  - zone: " + zone, "    ttl: 45s", "    records: [" + records + "]",
		"    hold_down: {out: 1s, in: 1s}", "    min_interval: 1s", "    " + way,
	}
}

// poolRecord is the name mx of a zone: the addresses of the pool.
const poolRecord = "{name: mx, type: A, pool: " + poolName + "}"

// publishAs starts n connectors and returns the pool's list of them, in which connector i is published as 192.0.2.(i+1).
// more is added to each, such as "cost: 10"; it may be shorter than n.
func (f *flock) publishAs(n int, more ...string) string {
	f.t.Helper()
	var list []string
	for i := range n {
		line := fmt.Sprintf("address: %q, name: %s, publish: 192.0.2.%d", f.connector(backendName(i)).Addr(), backendName(i), i+1)
		if i < len(more) && more[i] != "" {
			line += ", " + more[i]
		}
		list = append(list, "{"+line+"}")
	}
	return "backends: [" + strings.Join(list, ", ") + "]"
}

// askName asks a name server by "udp" or "tcp".
func askName(network, addr, name string, kind uint16) (*mdns.Msg, error) {
	reply, _, err := (&mdns.Client{Net: network, Timeout: 5 * time.Second}).Exchange(new(mdns.Msg).SetQuestion(name, kind), addr)
	return reply, err
}

// recordsIn are the records of an answer without their names, "TTL IN TYPE DATA", sorted.
func recordsIn(reply *mdns.Msg) (all []string) {
	for _, rr := range reply.Answer {
		all = append(all, strings.Join(strings.Fields(rr.String())[1:], " "))
	}
	slices.Sort(all)
	return all
}

// shown is what a name server shows of a name; nothing when it does not answer.
func shown(addr, name string, kind uint16) []string {
	reply, err := askName("udp", addr, name, kind)
	if err != nil {
		return nil
	}
	return recordsIn(reply)
}

// addressRecords are A records with the TTL of zoneLines, of 192.0.2.0/24 by their last number.
func addressRecords(last ...int) (want []string) {
	for _, n := range last {
		want = append(want, fmt.Sprintf("45 IN A 192.0.2.%d", n))
	}
	slices.Sort(want)
	return want
}

// waitShows waits until a name server shows just these records of a name.
func (w *weir) waitShows(addr, name string, kind uint16, want []string) {
	w.t.Helper()
	var got []string
	ok := poll(90*time.Second, func() bool {
		got = shown(addr, name, kind)
		return slices.Equal(got, want)
	})
	if !ok {
		w.t.Fatalf("%s shows %v as %s, want %v; weir says:\n%s", addr, got, name, want, w.ctl("dns").stdout)
	}
}

// serialAt is the serial that a name server shows; 0 when it shows none.
func serialAt(addr, zone string) uint32 {
	reply, err := askName("udp", addr, zone, mdns.TypeSOA)
	if err != nil || len(reply.Answer) != 1 {
		return 0
	}
	soa, is := reply.Answer[0].(*mdns.SOA)
	if !is {
		return 0
	}
	return soa.Serial
}

// zoneStatus is one zone in /v1/status, as far as tests look at it.
type zoneStatus struct {
	Zone       string  `json:"zone"`
	Mode       string  `json:"mode"`
	Leader     bool    `json:"leader"`
	Epoch      uint64  `json:"epoch"`
	Serial     uint32  `json:"serial"`
	LastError  string  `json:"last_error"`
	LagSeconds float64 `json:"lag_seconds"`
	Frozen     *struct {
		By       string `json:"by"`
		Reason   string `json:"reason"`
		Released bool   `json:"released"`
	} `json:"frozen"`
	Sets []struct {
		Name      string   `json:"name"`
		Type      string   `json:"type"`
		Published []string `json:"published"`
		Desired   []string `json:"desired"`
		Held      []struct {
			Record string `json:"record"`
			Why    string `json:"why"`
		} `json:"held"`
	} `json:"sets"`
	Writes map[string]int64 `json:"writes"`
}

// zone is what the status says of a zone.
func (w *weir) zone(name string) zoneStatus {
	w.t.Helper()
	code, body, err := w.get("/v1/status")
	if err != nil || code != 200 {
		w.t.Fatalf("/v1/status: code %d, %v", code, err)
	}
	var s struct {
		DNS []zoneStatus `json:"dns"`
	}
	if err := json.Unmarshal(body, &s); err != nil {
		w.t.Fatalf("decoding the zones of /v1/status: %v\n%s", err, body)
	}
	for _, z := range s.DNS {
		if z.Zone == name {
			return z
		}
	}
	w.t.Fatalf("/v1/status does not tell of the zone %s: %s", name, body)
	return zoneStatus{}
}

// waitSays waits until a command of weir's succeeds and says all of these words.
func (w *weir) waitSays(args []string, words ...string) {
	w.t.Helper()
	var last result
	ok := poll(ceiling, func() bool {
		last = w.ctl(args...)
		return last.code == 0 && !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(last.stdout, word) })
	})
	if !ok {
		w.t.Fatalf("weir %s: exit %d, %s%s; want the words %q", strings.Join(args, " "), last.code, last.stdout, last.stderr, words)
	}
}

// mustOrder is order for one that has to be obeyed.
func (w *weir) mustOrder(t *testing.T, name, verb string) {
	t.Helper()
	if code, answer := w.order(name, verb, map[string]any{"reason": "test"}); code != 200 {
		t.Fatalf("%s of %s: %d, %+v", verb, name, code, answer)
	}
}
