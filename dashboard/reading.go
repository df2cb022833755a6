package dashboard

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"time"

	"weir/internal/events"
)

// reading is all that the page shows, at one moment.
type reading struct {
	status  status
	words   words
	traffic *Traffic // nil: not told
	events  []events.Event
	eventID uint64
	at      time.Time
	head    []byte // status without pools, as JSON
	pools   []byte // the pools without their connectors, as JSON
	rows    map[string]*backendStatus
}

// words are the verdict in parts.
type words struct {
	Senders []string `json:"senders"`
	Person  []string `json:"person"` // what needs one
}

// fullFrame is what a page begins with.
type fullFrame struct {
	Boot    string         `json:"boot"`
	At      int64          `json:"at"` // ms since 1970
	Status  *status        `json:"status"`
	Words   words          `json:"words"`
	Traffic *Traffic       `json:"traffic,omitempty"`
	Events  []events.Event `json:"events"` // the last ones, oldest first
}

// tickFrame is what differs from the frame before. What is left out is as it was.
type tickFrame struct {
	At        int64                   `json:"at"`
	Head      json.RawMessage         `json:"head,omitempty"`  // the status without pools
	Words     *words                  `json:"words,omitempty"` // with head
	Traffic   *Traffic                `json:"traffic,omitempty"`
	Pools     json.RawMessage         `json:"pools,omitempty"`     // all of them, without their connectors
	Rows      []*backendStatus        `json:"rows,omitempty"`      // new, or changed in what is no number
	Gone      []string                `json:"gone,omitempty"`      // ids
	Counts    map[string]counts       `json:"counts,omitempty"`    // by id
	Probes    map[string]*probeStatus `json:"probes,omitempty"`    // by id
	Latencies map[string]latencies    `json:"latencies,omitempty"` // by id
	Events    []events.Event          `json:"events,omitempty"`
}

// counts are the numbers that change with every message, in the order inflight,
// connections, idle, messages, failures, ambiguous: a busy pool of a thousand
// sends all of them each second.
type counts [6]int64

// latencies change seldom, since they are those of all time, in coarse steps.
type latencies struct {
	All    quantiles            `json:"latency_ms"`
	Stages map[string]quantiles `json:"stages"`
}

// reading reads everything, once.
func (s *Server) reading(before *reading) *reading {
	r := &reading{status: s.status(), at: s.now(), rows: map[string]*backendStatus{}}
	f := s.facts()
	senders, person := f.words(stamp) // the page has a clock of its own
	r.words = words{senders, append([]string{}, person...)}
	if teller, ok := s.deps.Metrics.(trafficTeller); ok {
		t := teller.Traffic()
		t.Routes = append([]RouteTraffic{}, t.Routes...)
		r.traffic = &t
	}
	r.readEvents(s.deps.Events, before)
	for i := range r.status.Pools {
		p := &r.status.Pools[i]
		for j := range p.Backends {
			r.rows[p.Backends[j].ID] = &p.Backends[j]
		}
	}
	head := r.status
	head.Pools = nil
	r.head = written(head)
	pools := slices.Clone(r.status.Pools)
	for i := range pools {
		pools[i].Backends = nil
	}
	r.pools = written(pools)
	return r
}

// readEvents keeps the newest events of those before and those since.
func (r *reading) readEvents(log *events.Log, before *reading) {
	var kept []events.Event
	if before != nil {
		kept, r.eventID = before.events, before.eventID
	}
	found, _ := log.Since(r.eventID)
	r.events = slices.Concat(kept, found)
	if n := len(r.events); n > 0 {
		r.eventID = r.events[n-1].ID
		r.events = r.events[max(0, n-feedEvents):]
	}
}

// written is the room's own value as JSON, which always encodes.
func written(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	return text
}

func (r *reading) full(boot string) fullFrame {
	return fullFrame{
		Boot: boot, At: r.at.UnixMilli(), Status: &r.status, Words: r.words, Traffic: r.traffic,
		Events: append([]events.Event{}, r.events...),
	}
}

// since is what differs from the reading before; all of it is in nobody's frame
// when there was none.
func (r *reading) since(before *reading) tickFrame {
	t := tickFrame{At: r.at.UnixMilli()}
	if before == nil {
		return t
	}
	if !bytes.Equal(r.head, before.head) {
		t.Head, t.Words = r.head, &r.words // the verdict is in the head
	}
	if !bytes.Equal(r.pools, before.pools) {
		t.Pools = r.pools
	}
	if r.traffic != nil && !reflect.DeepEqual(r.traffic, before.traffic) {
		t.Traffic = r.traffic
	}
	t.Events = slices.DeleteFunc(slices.Clone(r.events), func(e events.Event) bool { return e.ID <= before.eventID })
	t.compare(r.rows, before.rows)
	return t
}

// compare adds what differs between the rows.
func (t *tickFrame) compare(now, before map[string]*backendStatus) {
	t.Counts, t.Probes, t.Latencies = map[string]counts{}, map[string]*probeStatus{}, map[string]latencies{}
	for id, row := range now {
		old := before[id]
		if old == nil || !sameFacts(*row, *old) {
			t.Rows = append(t.Rows, row)
			continue
		}
		if c := countsOf(row); c != countsOf(old) {
			t.Counts[id] = c
		}
		if row.Probe != nil && (old.Probe == nil || *row.Probe != *old.Probe) {
			t.Probes[id] = row.Probe
		}
		if row.LatencyMS != old.LatencyMS || !maps.Equal(row.Stages, old.Stages) {
			t.Latencies[id] = latencies{row.LatencyMS, row.Stages}
		}
	}
	for id := range before {
		if now[id] == nil {
			t.Gone = append(t.Gone, id)
		}
	}
}

func countsOf(b *backendStatus) counts {
	return counts{b.InFlight, b.Connections, b.Idle, b.Messages, b.Failures, b.Ambiguous}
}

// sameFacts reports whether the rows differ in numbers at the most.
func sameFacts(a, b backendStatus) bool {
	for _, row := range []*backendStatus{&a, &b} {
		row.InFlight, row.Connections, row.Idle, row.Messages, row.Failures, row.Ambiguous = 0, 0, 0, 0, 0, 0
		row.Probe, row.LatencyMS, row.Stages = nil, quantiles{}, nil
	}
	return reflect.DeepEqual(a, b)
}
