package dashboard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"weir/internal/backend"
)

// status is the answer of /v1/status. What belongs to features that are not in
// use is present and empty, so that readers need not ask whether it is there.
type status struct {
	Version   string         `json:"version"`
	Ready     bool           `json:"ready"`
	Standby   bool           `json:"standby"`
	Verdict   string         `json:"verdict"`
	Pools     []poolStatus   `json:"pools"`
	Listeners []Listener     `json:"listeners"`
	DNS       []DNSStatus    `json:"dns"`
	Consul    consulStatus   `json:"consul"`
	Replicas  []Replica      `json:"replicas"`
	Discovery []SourceStatus `json:"discovery"`
	Absent    []AbsentFlag   `json:"absent"`           // flags of connectors that no source knows
	Unkept    string         `json:"unkept,omitempty"` // why a restart would forget flags
}

// consulStatus is a [ConsulStatus], or an empty object where there is no Consul.
type consulStatus struct{ ConsulStatus }

// MarshalJSON implements [json.Marshaler].
func (c consulStatus) MarshalJSON() ([]byte, error) {
	if c.Address == "" {
		return []byte("{}"), nil
	}
	c.Unshared = append([]string{}, c.Unshared...)
	text, err := json.Marshal(c.ConsulStatus)
	if err != nil {
		return nil, fmt.Errorf("writing the state of Consul: %w", err)
	}
	return text, nil
}

type poolStatus struct {
	Name          string          `json:"name"`
	Policy        string          `json:"policy"`
	Protocol      string          `json:"protocol"`
	Eligible      int             `json:"eligible"`
	Total         int             `json:"total"`
	Redundant     bool            `json:"redundant"`
	Panic         bool            `json:"panic"`
	MinRedundancy int             `json:"min_redundancy"`
	Deferring     *Deferring      `json:"deferring"` // null: weir itself defers none
	Backends      []backendStatus `json:"backends"`
}

type backendStatus struct {
	ID          string               `json:"id"`
	Name        string               `json:"name"`
	Address     string               `json:"address"`
	Weight      int                  `json:"weight"`
	Cost        int                  `json:"cost"`
	State       string               `json:"state"`
	Eligible    bool                 `json:"eligible"`
	Health      string               `json:"health"`
	Breaker     string               `json:"breaker"`
	Admin       string               `json:"admin"`
	Reason      string               `json:"reason"`
	Since       time.Time            `json:"since"`
	InFlight    int64                `json:"inflight"`
	Connections int64                `json:"connections"`
	Idle        int64                `json:"idle"`
	Messages    int64                `json:"messages"`
	Failures    int64                `json:"failures"`
	Ambiguous   int64                `json:"ambiguous"`
	LatencyMS   quantiles            `json:"latency_ms"`
	Stages      map[string]quantiles `json:"stages"` // those that were measured
	Probe       *probeStatus         `json:"probe"`  // null before the first has ended
	Sources     []string             `json:"sources"`
	Gone        bool                 `json:"gone,omitempty"`     // no source knows it any more
	AdminBy     string               `json:"admin_by,omitempty"` // who set admin
	AdminUntil  *time.Time           `json:"admin_until,omitempty"`
}

// quantiles are in milliseconds, since weir started; 0 when nothing was measured.
type quantiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

type probeStatus struct {
	At    time.Time `json:"at"`
	Depth string    `json:"depth"`
	OK    bool      `json:"ok"`
	Stage string    `json:"stage"`
	Error string    `json:"error"`
	MS    float64   `json:"ms"`
}

func (s *Server) serveStatus(w http.ResponseWriter, r *http.Request, _ caller) {
	writeTagged(w, r, "application/json", jsonOf(s.status()))
}

func (s *Server) status() status {
	f := s.facts()
	out := status{
		Version:   s.deps.Version,
		Ready:     f.unready == "",
		Standby:   s.standby.Load(),
		Verdict:   f.verdict(),
		Pools:     []poolStatus{},
		Listeners: []Listener{},
		DNS:       f.zones,
		Consul:    consulStatus{f.consul},
		Replicas:  append([]Replica{}, f.replicas...),
		Discovery: append([]SourceStatus{}, f.sources...),
		Absent:    append([]AbsentFlag{}, f.flags.Absent...),
		Unkept:    f.flags.Unkept,
	}
	for _, p := range f.snapshot.Pools {
		pool := statusOfPool(p)
		pool.Deferring = f.deferring[p.Name]
		out.Pools = append(out.Pools, pool)
	}
	if s.deps.Listeners != nil {
		out.Listeners = append(out.Listeners, s.deps.Listeners.Listeners()...)
	}
	return out
}

// facts reads everything that the verdict follows from, once.
func (s *Server) facts() facts {
	f := facts{now: s.now(), unready: s.unready(), snapshot: s.deps.Registry.Snapshot(), zones: s.zones()}
	if s.deps.Deferrals != nil {
		f.deferring = map[string]*Deferring{}
		for _, p := range f.snapshot.Pools {
			f.deferring[p.Name] = s.deps.Deferrals.Deferring(p.Name)
		}
	}
	if s.deps.Sources != nil {
		f.sources = s.deps.Sources.Sources()
	}
	if s.deps.Cluster != nil {
		f.consul, f.replicas, f.flags = s.deps.Cluster.Consul(), s.deps.Cluster.Replicas(), s.deps.Cluster.Flags()
	}
	if s.deps.Certificates != nil {
		f.certificates = s.deps.Certificates.Certificates()
	}
	return f
}

func statusOfPool(p *backend.Pool) poolStatus {
	out := poolStatus{
		Name:          p.Name,
		Policy:        p.Policy,
		Protocol:      p.Protocol,
		Eligible:      p.Eligible,
		Total:         len(p.Members),
		Redundant:     p.Redundant(),
		Panic:         p.Panic,
		MinRedundancy: p.MinRedundancy,
		Backends:      make([]backendStatus, 0, len(p.Members)),
	}
	for _, m := range p.Members {
		out.Backends = append(out.Backends, statusOfBackend(m))
	}
	return out
}

func statusOfBackend(m *backend.Member) backendStatus {
	out := backendStatus{
		ID:          m.ID().String(),
		Name:        m.Spec.Name,
		Address:     m.Address(),
		Weight:      m.Spec.Weight,
		Cost:        m.Spec.Cost,
		State:       m.State.String(),
		Eligible:    m.Eligible,
		Health:      m.Health.Health.String(),
		Breaker:     m.Health.Breaker.String(),
		Admin:       m.Admin.Admin.String(),
		Reason:      m.Reason,
		Since:       m.Since.UTC(),
		InFlight:    m.InFlight(),
		Connections: m.Traffic.Open.Load(),
		Idle:        m.Traffic.Idle.Load(),
		Messages:    m.Traffic.Messages.Load(),
		Failures:    m.Traffic.Failures.Load(),
		Ambiguous:   m.Traffic.Ambiguous.Load(),
		LatencyMS:   quantilesOf(&m.Traffic.Total),
		Stages:      make(map[string]quantiles, backend.Stages),
		Sources:     append([]string{}, m.Spec.Sources...),
		Gone:        m.Gone,
	}
	if m.Admin.Admin != backend.AdminEnabled {
		out.AdminBy, out.AdminUntil = m.Admin.By, optional(m.Admin.Until)
	}
	for stage := range backend.Stages {
		if q := quantilesOf(&m.Traffic.Stages[stage]); q != (quantiles{}) {
			out.Stages[stage.String()] = q
		}
	}
	if p := m.Probe(); !p.At.IsZero() {
		out.Probe = &probeStatus{
			At: p.At.UTC(), Depth: p.Depth, OK: p.OK, Stage: p.Stage.String(), Error: p.Error, MS: milliseconds(p.Took),
		}
	}
	return out
}

// optional is a time, or nothing for the zero one.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func quantilesOf(h *backend.Histogram) quantiles {
	return quantiles{P50: milliseconds(h.Quantile(0.5)), P99: milliseconds(h.Quantile(0.99))}
}

// milliseconds keeps microseconds as the decimals: more than was measured would
// only be noise in the JSON.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
