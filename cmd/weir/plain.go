package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"weir/dashboard"
	"weir/internal/backend"
)

// plainStatus is the status for programs that read lines: fields separated by
// tabs, and no ages, which would make every line a new one.
func (s screen) plainStatus(b *strings.Builder, v *view, pool *poolView, one *connectorView) {
	switch {
	case one != nil:
		plainConnector(b, one)
	case pool != nil:
		plainPool(b, pool)
	default:
		line(b, v.Verdict)
		for _, p := range v.worstFirst() {
			plainPool(b, p)
		}
		plainRest(b, v)
	}
}

// line writes fields; what stands between them must not be in them.
func line(b *strings.Builder, fields ...any) {
	for i, f := range fields {
		if i > 0 {
			b.WriteByte('\t')
		}
		b.WriteString(oneLine(fmt.Sprint(f)))
	}
	b.WriteByte('\n')
}

func plainPool(b *strings.Builder, p *poolView) {
	line(b, "pool", p.Name, fmt.Sprintf("%d/%d", p.Eligible, p.Total), [...]string{"nobody", "panic", "thin", "ok"}[p.rank()], p.Policy)
	for i := range p.Backends {
		plainConnector(b, &p.Backends[i])
	}
}

func plainConnector(b *strings.Builder, c *connectorView) {
	probe := "-"
	if c.Probe != nil {
		probe = "ok"
		if !c.Probe.OK {
			probe = c.Probe.Error
		}
	}
	line(b, "connector", c.ID, c.Address, c.State, c.InFlight, c.Messages, c.Failures,
		c.LatencyMS.P50, c.LatencyMS.P99, probe, c.Since.UTC().Format(time.RFC3339), orDash(c.Reason))
}

func plainRest(b *strings.Builder, v *view) {
	if v.Standby {
		line(b, "standby")
	}
	for _, d := range v.Discovery {
		if d.State != "fresh" || d.FromDisk {
			line(b, "source", d.Source, d.Pool, d.State, d.Since.UTC().Format(time.RFC3339), d.Connectors, d.Why)
		}
	}
	if c := &v.Consul; c.Address != "" {
		state := map[bool]string{true: "reachable", false: "unreachable"}[c.Reachable]
		line(b, "consul", c.Address, state, map[bool]string{true: "leader", false: "-"}[c.Leader], strings.Join(c.Unshared, ","), c.Error)
	}
	if v.Unkept != "" {
		line(b, "unkept", v.Unkept)
	}
	for i := range v.Absent {
		f := &v.Absent[i]
		until := "-"
		if f.Until != nil {
			until = f.Until.UTC().Format(time.RFC3339)
		}
		line(b, "absent", f.ID, f.Admin, f.Since.UTC().Format(time.RFC3339), until, orDash(f.By), orDash(f.Reason))
	}
	for i := range v.DNS {
		if z := &v.DNS[i]; zoneState(z) != "ok" {
			plainZone(b, &dashboard.DNSStatus{
				Zone: z.Zone, Mode: z.Mode, Leader: z.Leader, Frozen: z.Frozen, Epoch: z.Epoch, Serial: z.Serial,
				LastWrite: z.LastWrite, LagSeconds: z.LagSeconds, LastError: z.LastError,
			})
		}
	}
	if len(v.Replicas) > 1 {
		for _, r := range v.Replicas {
			line(b, "replica", r.Name, r.Seen.UTC().Format(time.RFC3339), r.Version,
				map[bool]string{true: "leader", false: "-"}[r.Leader], map[bool]string{true: "standby", false: "-"}[r.Standby],
				map[bool]string{true: "agrees", false: "differs"}[r.Agrees || r.Self],
				map[bool]string{true: "live", false: "silent"}[r.Live || r.Self])
		}
	}
}

// oneLine keeps what others say from breaking lines and fields, and from
// commanding the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

// stagesOf returns the stages that were measured, in the order in which a
// transaction passes them.
func stagesOf(c *connectorView) []string {
	var names []string
	for stage := range backend.Stages {
		if _, ok := c.Stages[stage.String()]; ok {
			names = append(names, stage.String())
		}
	}
	for _, other := range slices.Sorted(maps.Keys(c.Stages)) {
		if !slices.Contains(names, other) {
			names = append(names, other)
		}
	}
	return names
}
