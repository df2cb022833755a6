package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/dashboard"
)

// How well a pool serves, the worst first.
const (
	nobody = iota // it has no eligible connector
	inPanic
	thin // fewer than min_redundancy
	well
)

func (p *poolView) rank() int {
	switch {
	case p.Eligible == 0 && !p.Panic:
		return nobody
	case p.Panic:
		return inPanic
	case !p.Redundant:
		return thin
	default:
		return well
	}
}

// status is the whole of it, or a pool, or one connector.
func (s screen) status(v *view, pool *poolView, one *connectorView, now time.Time) string {
	var b strings.Builder
	switch {
	case !s.tty:
		s.plainStatus(&b, v, pool, one)
	case one != nil:
		s.columns(&b, "", [][]cell{heads(), s.row(one, now)})
		b.WriteString("\n")
		s.details(&b, one, now)
	case pool != nil:
		s.pool(&b, pool, now)
	default:
		b.WriteString(s.in(v.paint(), oneLine(v.Verdict)) + "\n")
		for _, p := range v.worstFirst() {
			b.WriteString("\n")
			s.pool(&b, p, now)
		}
		if rest := s.rest(v, now); rest != "" {
			b.WriteString("\n" + rest)
		}
	}
	return b.String()
}

func (v *view) worstFirst() []*poolView {
	var pools []*poolView
	for i := range v.Pools {
		pools = append(pools, &v.Pools[i])
	}
	slices.SortStableFunc(pools, func(a, b *poolView) int { return a.rank() - b.rank() })
	return pools
}

func (v *view) paint() paint {
	worst := well
	for i := range v.Pools {
		worst = min(worst, v.Pools[i].rank())
	}
	switch {
	case worst == nobody:
		return red
	case worst < well || !v.Ready || v.Verdict != "mail flows":
		return yellow
	default:
		return green
	}
}

func (s screen) pool(b *strings.Builder, p *poolView, now time.Time) {
	text := fmt.Sprintf("%d of %d eligible, %s", p.Eligible, p.Total, p.Policy)
	if p.Protocol != "" && p.Protocol != "smtp" {
		text += ", " + p.Protocol
	}
	remark := map[int]string{
		nobody: "nobody takes mail: senders are told to come back later", inPanic: "panic: ejected connectors are used",
		thin: fmt.Sprintf("min_redundancy is %d", p.MinRedundancy),
	}[p.rank()]
	if remark != "" {
		text += "; " + s.in(map[bool]paint{true: red, false: yellow}[p.rank() == nobody], remark)
	}
	if p.Deferring != nil {
		text += "; " + s.in(yellow, p.deferred(now))
	}
	b.WriteString(s.in(bold, p.Name) + ": " + text + "\n")
	if len(p.Backends) == 0 {
		return
	}
	rows := [][]cell{heads()}
	for i := range p.Backends {
		rows = append(rows, s.row(&p.Backends[i], now))
	}
	s.columns(b, "  ", rows)
}

// deferred says what weir itself deferred of a pool, by the clock of this place.
func (p *poolView) deferred(now time.Time) string {
	layout := "15:04"
	if now.Sub(p.Deferring.Since) >= 24*time.Hour {
		layout = "2006-01-02 15:04"
	}
	return fmt.Sprintf("%s deferred by weir since %s", count(int(p.Deferring.Messages), "message"), p.Deferring.Since.Local().Format(layout))
}

func heads() []cell {
	return []cell{
		{text: "CONNECTOR"},
		{text: "STATE"},
		{text: "IN FLIGHT", right: true},
		{text: "MESSAGES", right: true},
		{text: "FAILURES", right: true},
		{text: "P50", right: true},
		{text: "P99", right: true},
		{text: "LAST PROBE"},
		{text: "SINCE", right: true},
		{text: "REASON"},
	}
}

func (s screen) row(c *connectorView, now time.Time) []cell {
	state, reason := c.State, c.Reason
	if c.Gone {
		reason = strings.TrimSuffix("gone from its sources; "+reason, "; ")
	}
	return []cell{
		{text: c.Name},
		{text: state, paint: statePaint(state)},
		{text: strconv.FormatInt(c.InFlight, 10), right: true},
		{text: strconv.FormatInt(c.Messages, 10), right: true},
		{text: strconv.FormatInt(c.Failures, 10), right: true},
		{text: took(c.LatencyMS.P50), right: true},
		{text: took(c.LatencyMS.P99), right: true},
		lastProbe(c.Probe, now),
		{text: age(now.Sub(c.Since)), right: true},
		{text: reason},
	}
}

func statePaint(state string) paint {
	switch state {
	case "up":
		return green
	case "starting", "recovering":
		return yellow
	case "drain", "disabled":
		return cyan
	default:
		return red
	}
}

func lastProbe(p *probeView, now time.Time) cell {
	switch {
	case p == nil:
		return cell{text: "none yet"}
	case p.OK:
		return cell{text: fmt.Sprintf("ok in %s, %s ago", took(p.MS), age(now.Sub(p.At)))}
	default:
		return cell{text: fmt.Sprintf("failed at %s, %s ago", p.Stage, age(now.Sub(p.At))), paint: red}
	}
}

// details is what one connector has besides its row.
func (s screen) details(b *strings.Builder, c *connectorView, now time.Time) {
	rows := [][]cell{
		{{text: "called"}, {text: c.ID}},
		{{text: "address"}, {text: fmt.Sprintf("%s, weight %d, cost %d", c.Address, c.Weight, c.Cost)}},
		{{text: "facts"}, {text: fmt.Sprintf("health %s, breaker %s, admin %s", c.Health, c.Breaker, c.Admin)}},
	}
	if len(c.Sources) > 0 {
		rows = append(rows, []cell{{text: "known from"}, {text: strings.Join(c.Sources, ", ")}})
	}
	if c.Ambiguous > 0 {
		rows = append(rows, []cell{{text: "ambiguous"}, {text: fmt.Sprintf("%d that may have been delivered twice", c.Ambiguous)}})
	}
	if c.Probe != nil {
		text := fmt.Sprintf("%s at %s", c.Probe.Depth, c.Probe.At.Local().Format(time.DateTime))
		if c.Probe.Error != "" {
			text += ": " + c.Probe.Error
		}
		rows = append(rows, []cell{{text: "last probe"}, {text: text}})
	}
	for _, stage := range stagesOf(c) {
		rows = append(rows, []cell{{text: stage}, {text: fmt.Sprintf("p50 %s, p99 %s", took(c.Stages[stage].P50), took(c.Stages[stage].P99))}})
	}
	if c.AdminUntil != nil {
		rows = append(rows, []cell{{text: "ends"}, {text: "by itself in " + age(c.AdminUntil.Sub(now))}})
	}
	s.columns(b, "", rows)
}

// rest tells of sources, Consul and replicas, as far as there is something to
// tell.
func (s screen) rest(v *view, now time.Time) string {
	var b strings.Builder
	if v.Standby {
		b.WriteString(s.in(yellow, "this replica is on standby; weir standby --off ends it") + "\n")
	}
	for _, d := range v.Discovery {
		if d.State != "fresh" || d.FromDisk {
			b.WriteString(s.in(yellow, oneLine(sourceWords(&d, now))) + "\n")
		}
	}
	if v.Consul.Address != "" {
		words, well := consulWords(&v.Consul, now)
		b.WriteString(s.in(map[bool]paint{false: yellow}[well], oneLine(words)) + "\n")
	}
	if v.Unkept != "" {
		b.WriteString(s.in(yellow, oneLine("drain flags are not kept on disk: "+v.Unkept)) + "\n")
	}
	for i := range v.Absent {
		b.WriteString(s.in(cyan, oneLine(absentWords(&v.Absent[i], now))) + "\n")
	}
	for i := range v.DNS {
		if words, well := zoneWords(&v.DNS[i], now); !well {
			b.WriteString(s.in(yellow, oneLine("zone "+v.DNS[i].Zone+": "+words)) + "\n")
		}
	}
	if len(v.Replicas) > 1 {
		for i := range v.Replicas {
			words, well := replicaWords(&v.Replicas[i], now)
			b.WriteString(s.in(map[bool]paint{false: yellow}[well], oneLine(words)) + "\n")
		}
	}
	return b.String()
}

func sourceWords(d *dashboard.SourceStatus, now time.Time) string {
	text := fmt.Sprintf("source %s of pool %s: %s for %s, %s", d.Source, d.Pool, d.State, age(now.Sub(d.Since)), count(d.Connectors, "connector"))
	if d.FromDisk {
		text += " from the disk"
	}
	if d.Why != "" {
		text += ": " + d.Why
	}
	return text
}

func consulWords(c *dashboard.ConsulStatus, now time.Time) (words string, well bool) {
	words = "consul at " + c.Address + ": reachable"
	if !c.Reachable {
		words = "consul at " + c.Address + ": not reachable"
		if c.Since != nil {
			words += " for " + age(now.Sub(*c.Since))
		}
	}
	if c.Registered {
		words += ", registered"
	}
	if c.Leader {
		words += ", leader"
	}
	if c.Error != "" {
		words += ": " + c.Error
	}
	if len(c.Unshared) > 0 {
		words += "; the other replicas have not been told of " + listed(c.Unshared)
	}
	return words, c.Reachable && len(c.Unshared) == 0
}

func replicaWords(r *dashboard.Replica, now time.Time) (words string, well bool) {
	words = "replica " + r.Name + ": "
	switch {
	case r.Self:
		words += "this one"
	case !r.Live:
		words += "silent for " + age(now.Sub(r.Seen))
	default:
		words += "seen " + age(now.Sub(r.Seen)) + " ago"
	}
	words += ", version " + r.Version
	if r.Leader {
		words += ", leader"
	}
	if r.Standby {
		words += ", on standby"
	}
	if r.Live && !r.Agrees && !r.Self {
		words += "; it sees other connectors eligible than this one does"
	}
	return words, r.Live && r.Agrees || r.Self
}

// absentWords tells of a flag that waits for its connector.
func absentWords(f *dashboard.AbsentFlag, now time.Time) string {
	text := fmt.Sprintf("flag on %s, which no source knows: %s for %s", f.ID, f.Admin, age(now.Sub(f.Since)))
	if f.By != "" {
		text += " by " + f.By
	}
	if f.Until != nil {
		text += ", ends in " + age(f.Until.Sub(now))
	}
	if f.Reason != "" {
		text += ": " + f.Reason
	}
	return text
}
