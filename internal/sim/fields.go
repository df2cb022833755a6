package sim

import (
	"slices"
	"strings"
	"time"

	"weir/health"
	"weir/internal/backend"
	"weir/policies"
)

// Bounds of a scenario: what fits into memory and into somebody's patience.
const (
	maxMessages   = int64(1e9)
	maxConnectors = 10000
	maxReplicas   = 100
	maxPairs      = 200_000
	maxSenders    = 1_000_000
	maxRate       = 1e7
	maxLive       = 500_000 // messages under way at once, in a world
)

func policyNames() []string {
	return []string{policies.RoundRobin, policies.LeastConnections, policies.LeastLoad, policies.Maglev, policies.Random}
}

// fields is the table of a scenario.
func (s *Scenario) fields() []field {
	return []field{
		{"name", into(&s.Name, name)},
		{"about", into(&s.About, anyText)},
		{"seed", into(&s.Seed, seed)},
		{"messages", into(&s.Messages, count(1, maxMessages))},
		{"duration", into(&s.Duration, span)},
		{"replicas", into(&s.Replicas, count(1, maxReplicas))},
		{"policies", listOf(&s.Policies, word(policyNames()))},
		{"arrivals", sectionOf(s.arrivals.fields()...)},
		{"senders", sectionOf(
			field{"count", into(&s.senders.count, count(1, maxSenders))},
			field{"skew", into(&s.senders.skew, number(0, 10))},
		)},
		{"connectors", each(&s.groups, func() group { return group{weight: backend.DefaultWeight, count: 1} }, (*group).read)},
		{"events", each(&s.incidents, func() happening { return happening{} }, (*happening).read)},
		{"pool", sectionOf(s.pool.fields()...)},
	}
}

// each is the rule for a list of mappings.
func each[T any](dst *[]T, fresh func() T, read func(*T, *reader, value)) func(*reader, value) {
	return func(r *reader, v value) {
		for _, item := range r.items(v) {
			one := fresh()
			read(&one, r, item)
			*dst = append(*dst, one)
		}
	}
}

func (a *arrivals) fields() []field {
	return []field{
		{"process", func(r *reader, v value) {
			var process uint8
			into(&process, oneOf[uint8]([]string{"poisson", "constant"}))(r, v)
			a.regular = process == 1
		}},
		{"rate", into(&a.rate, number(0, maxRate))},
		{"changes", each(&a.changes, func() change { return change{} }, (*change).read)},
		{"bursts", each(&a.bursts, func() rush { return rush{} }, (*rush).read)},
	}
}

func (c *change) read(r *reader, v value) {
	given := r.section(v, []field{
		{"at", into(&c.at, duration)}, {"rate", into(&c.rate, number(0, maxRate))}, {"ramp", into(&c.ramp, flag)},
	})
	r.need(v, given, "at", "rate")
}

func (b *rush) read(r *reader, v value) {
	given := r.section(v, []field{{"at", into(&b.at, duration)}, {"messages", into(&b.messages, count(1, maxLive))}})
	r.need(v, given, "at", "messages")
}

// need reports keys that are missing. Where the value is no mapping, that was said.
func (r *reader) need(v value, given map[string]bool, keys ...string) {
	for _, key := range keys {
		if !given[key] && len(given) > 0 {
			r.report(v.node, join(v.path, key), faultf("write "+key+": …", "is missing"))
		}
	}
}

func (g *group) read(r *reader, v value) {
	given := r.section(v, []field{
		{"name", into(&g.name, name)},
		{"count", into(&g.count, count(1, maxConnectors))},
		{"weight", into(&g.weight, count(1, 1000))},
		{"cost", into(&g.cost, count(0, 1_000_000))},
		{"capacity", into(&g.capacity, count(0, 1_000_000))},
		{"latency", g.latency.read},
	})
	r.need(v, given, "name", "latency")
}

// defaultStage is how long a stage takes that a scenario with latencies by stage
// leaves out.
const defaultStage = time.Millisecond

func (l *latency) read(r *reader, v value) {
	if _, single := singleText(v); single {
		l.whole = true
		into(&l.total, distribution)(r, v)
		return
	}
	var fields []field
	for stage := range backend.Stages {
		if stage == backend.StageTLS {
			continue // not simulated
		}
		l.stages[stage] = dist{scale: float64(defaultStage)}
		fields = append(fields, field{stage.String(), into(&l.stages[stage], distribution)})
	}
	r.section(v, fields)
}

// stages is the rule for durations by stage.
func stages(dst *[backend.Stages]time.Duration) func(*reader, value) {
	var fields []field
	for stage := range backend.Stages {
		fields = append(fields, field{stage.String(), into(&dst[stage], span)})
	}
	return sectionOf(fields...)
}

func stageNames() []string {
	var names []string
	for stage := range backend.Stages {
		names = append(names, stage.String())
	}
	return names
}

func (h *happening) read(r *reader, v value) {
	given := r.section(v, []field{
		{"at", into(&h.at, duration)},
		{"do", into(&h.do, oneOf[action](actionNames()))},
		{"on", listOf(&h.on, name)},
		{"for", into(&h.lasts, span)},
		{"stagger", into(&h.stagger, span)},
		{"drain", into(&h.lead, span)},
		{"factor", into(&h.factor, number(0.001, 100_000))},
		{"stage", into(&h.stage, oneOf[backend.Stage](stageNames()))},
		{"share", into(&h.share, number(0, 1))},
		{"weight", into(&h.weight, count(1, 1000))},
	})
	if len(given) == 0 {
		return
	}
	r.need(v, given, "at", "do", "on")
	if given["do"] {
		h.check(r, v, given)
	}
}

// check compares what is given with what the action needs.
func (h *happening) check(r *reader, v value, given map[string]bool) {
	takes := map[action][]string{
		slow: {"factor"}, stuck: {"stage"}, deferring: {"stage", "share"}, reweigh: {"weight"}, restart: {"for"},
	}[h.do]
	what := actionNames()[h.do]
	for _, key := range takes {
		if !given[key] {
			r.report(v.node, join(v.path, key), faultf("write "+key+": …", "is missing; %s needs it", what))
		}
	}
	optional := []string{"at", "do", "on", "stagger"}
	if h.do != back && h.do != undrain {
		optional = append(optional, "for")
	}
	if h.do == restart {
		optional = append(optional, "drain")
	}
	for key := range given {
		if !slices.Contains(takes, key) && !slices.Contains(optional, key) {
			r.report(v.node, join(v.path, key), faultf("leave it out", "means nothing to %s", what))
		}
	}
	if h.do == stuck && given["stage"] && h.stage == backend.StageTLS || h.do == deferring && given["stage"] && !defers(h.stage) {
		r.report(v.node, join(v.path, "stage"), faultf("use one of mail, rcpt, data, final_dot", "%s cannot be at %s", what, h.stage))
	}
}

// defers reports whether a 4xx at the stage is simulated.
func defers(stage backend.Stage) bool {
	return stage == backend.StageMail || stage == backend.StageRcpt || stage == backend.StageData || stage == backend.StageFinalDot
}

// fields is the table of what is as in weir.yaml.
func (p *pool) fields() []field {
	keys := []string{"none", "client", "network", "sender"}
	h := &p.health
	b, e := &h.Breaker, &h.Ejection
	return []field{
		{"max_connections", into(&p.maxConnections, count(0, 1_000_000))},
		{"queue_timeout", into(&p.queueTimeout, span)},
		{"timeouts", stages(&p.timeouts)},
		{"affinity", into(&p.affinity, oneOf[policies.Key](keys))},
		{"affinity_ttl", into(&p.affinityTTL, span)},
		{"hash", into(&p.hash, hashKey)},
		{"slow_start", into(&h.SlowStart, duration)},
		{"health", sectionOf(
			field{"probe", into(&h.Probe, oneOf[health.Depth](health.DepthNames()))},
			field{"interval", into(&h.Interval, span)}, field{"timeout", into(&h.Timeout, span)},
			field{"fast_interval", into(&h.FastInterval, span)},
			field{"rise", into(&h.Rise, count(1, 1000))}, field{"fall", into(&h.Fall, count(1, 1000))},
			field{"jitter", into(&h.Jitter, number(0, 1))},
		)},
		{"breaker", sectionOf(
			field{"consecutive_failures", into(&b.ConsecutiveFailures, count(1, 1_000_000))},
			field{"failure_ratio", into(&b.FailureRatio, number(0.0001, 1))},
			field{"min_requests", into(&b.MinRequests, count(1, 1_000_000))},
			field{"window", into(&b.Window, span)}, field{"open_for", into(&b.OpenFor, span)}, field{"open_max", into(&b.OpenMax, span)},
			field{"stuck_after", stages(&b.StuckAfter)},
		)},
		{"ejection", sectionOf(
			field{"max_percent", into(&e.MaxPercent, count(0, 100))},
			field{"panic_percent", into(&p.panicPercent, count(0, 100))},
			field{"outlier_ratio", into(&e.OutlierRatio, ratioOrOff)},
		)},
	}
}

func hashKey(s string) (policies.Key, *fault) {
	key, bad := oneOf[policies.Key]([]string{"client", "network", "sender"})(s)
	return key + 1, bad
}

// listing is names as a text shows them.
func listing(names []string) string { return strings.Join(names, ", ") }
