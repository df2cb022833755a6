package main

import (
	"context"
	"encoding/json"
	"time"

	"weir/dashboard"
)

// view is what the commands read of /v1/status.
type view struct {
	Ready     bool                     `json:"ready"`
	Standby   bool                     `json:"standby"`
	Verdict   string                   `json:"verdict"`
	Pools     []poolView               `json:"pools"`
	Discovery []dashboard.SourceStatus `json:"discovery"`
	Consul    dashboard.ConsulStatus   `json:"consul"`
	Replicas  []dashboard.Replica      `json:"replicas"`
	Absent    []dashboard.AbsentFlag   `json:"absent"`
	Unkept    string                   `json:"unkept"`
	DNS       []dashboard.DNSStatus    `json:"dns"`
	Listeners []dashboard.Listener     `json:"listeners"`
}

type poolView struct {
	Name          string          `json:"name"`
	Policy        string          `json:"policy"`
	Protocol      string          `json:"protocol"`
	Eligible      int             `json:"eligible"`
	Total         int             `json:"total"`
	Redundant     bool            `json:"redundant"`
	Panic         bool            `json:"panic"`
	MinRedundancy int             `json:"min_redundancy"`
	Backends      []connectorView `json:"backends"`

	Deferring *dashboard.Deferring `json:"deferring"`

	raw json.RawMessage
}

type connectorView struct {
	ID         string                 `json:"id"`
	Name       string                 `json:"name"`
	Address    string                 `json:"address"`
	Weight     int                    `json:"weight"`
	Cost       int                    `json:"cost"`
	State      string                 `json:"state"`
	Eligible   bool                   `json:"eligible"`
	Health     string                 `json:"health"`
	Breaker    string                 `json:"breaker"`
	Admin      string                 `json:"admin"`
	Reason     string                 `json:"reason"`
	Since      time.Time              `json:"since"`
	InFlight   int64                  `json:"inflight"`
	Messages   int64                  `json:"messages"`
	Failures   int64                  `json:"failures"`
	Ambiguous  int64                  `json:"ambiguous"`
	LatencyMS  latencyView            `json:"latency_ms"`
	Stages     map[string]latencyView `json:"stages"`
	Probe      *probeView             `json:"probe"`
	Sources    []string               `json:"sources"`
	Gone       bool                   `json:"gone"`
	AdminUntil *time.Time             `json:"admin_until"`

	raw json.RawMessage
}

type latencyView struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

type probeView struct {
	At    time.Time `json:"at"`
	Depth string    `json:"depth"`
	OK    bool      `json:"ok"`
	Stage string    `json:"stage"`
	Error string    `json:"error"`
	MS    float64   `json:"ms"`
}

// UnmarshalJSON keeps the pool as it came too, for programs that ask for it.
func (p *poolView) UnmarshalJSON(text []byte) error {
	type bare poolView
	p.raw = append(json.RawMessage(nil), text...)
	return json.Unmarshal(text, (*bare)(p))
}

// UnmarshalJSON keeps the connector as it came too.
func (c *connectorView) UnmarshalJSON(text []byte) error {
	type bare connectorView
	c.raw = append(json.RawMessage(nil), text...)
	return json.Unmarshal(text, (*bare)(c))
}

// status asks for how everything stands, and returns it as it came too.
func (c *client) status(ctx context.Context) (*view, json.RawMessage, error) {
	var raw json.RawMessage
	if err := c.get(ctx, "/v1/status", &raw); err != nil {
		return nil, nil, err
	}
	v := new(view)
	if err := c.decode(raw, v); err != nil {
		return nil, nil, err
	}
	return v, raw, nil
}
