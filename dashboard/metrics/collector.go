package metrics

import (
	"runtime"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"weir/internal/backend"
)

// collector reads everything at a scrape. Its series are not described
// beforehand, which the client library allows ("unchecked"): each name below
// stands in one place only.
type collector struct{ *Metrics }

// Describe implements [prometheus.Collector].
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (c collector) Collect(ch chan<- prometheus.Metric) {
	snapshot := c.deps.Registry.Snapshot()
	c.transitions.follow(c.deps.Events)
	c.transitions.forget(snapshot)
	c.meter.forget(snapshot)
	out := sink{ch: ch, descs: map[string]*prometheus.Desc{}}
	for _, p := range snapshot.Pools {
		c.pool(out, p)
	}
	c.counted(out)
	c.listeners(out)
	c.shared(out)
	c.zones(out)
	c.certificates(out)
	c.process(out)
}

func (c collector) pool(out sink, p *backend.Pool) {
	out.gauge("weir_pool_eligible", "Connectors of the pool that may get mail now.", float64(p.Eligible), label{"pool", p.Name})
	out.gauge("weir_pool_redundant", "1 while as many connectors are eligible as min_redundancy asks for.", truth(p.Redundant()), label{"pool", p.Name})
	if c.deps.Load != nil {
		out.gauge("weir_queue_waiting", "Senders that wait for a place at one of the pool's connectors.",
			float64(c.deps.Load.Waiting(p.Name)), label{"pool", p.Name})
	}
	for _, m := range p.Members {
		member(out, m, label{"pool", p.Name}, label{"backend", m.Spec.Name})
	}
}

func member(out sink, m *backend.Member, pool, name label) {
	idle := m.Traffic.Idle.Load()
	open := max(m.Traffic.Open.Load()-idle, 0) // they are counted one after the other
	out.gauge("weir_backend_inflight", "Transactions that the connector has on its hands.", float64(m.InFlight()), pool, name)
	for _, c := range [...]struct {
		state string
		n     int64
	}{{"open", open}, {"idle", idle}} {
		out.gauge("weir_backend_connections", "Connections to the connector, by whether they carry a transaction (open) or wait for one (idle).",
			float64(c.n), pool, name, label{"state", c.state})
	}
	out.gauge("weir_backend_up", "1 while the connector's probes pass.", truth(m.Health.Health == backend.HealthUp), pool, name)
	out.gauge("weir_backend_stuck", "1 while the connector is ejected because it took mail and then went silent.", truth(m.Health.Stuck), pool, name)
	for state := backend.StateStarting; state <= backend.StateDisabled; state++ {
		out.gauge("weir_backend_state", "1 for the state that the connector is in, 0 for the others.",
			truth(m.State == state), pool, name, label{"state", state.String()})
	}
	if probe := m.Probe(); !probe.At.IsZero() {
		out.gauge("weir_probe_seconds", "Time that the connector's last probe took.", probe.Took.Seconds(), pool, name)
	}
	out.counter("weir_ambiguous_total", "Messages of which nobody knows whether the connector took them.",
		m.Traffic.Ambiguous.Load(), pool, name)
}

// counted shows what was counted as it happened.
func (c collector) counted(out sink) {
	c.transitions.each(func(t transition, n int64) {
		out.counter("weir_backend_transitions_total", "Changes of the connector's state, by the new one.",
			n, label{"pool", t.pool}, label{"backend", t.backend}, label{"to", t.to})
	})
	c.meter.mu.RLock()
	defer c.meter.mu.RUnlock()
	for key, r := range c.meter.routes {
		for i := range r.outcomes {
			out.since("weir_transactions_total", "Transactions that ended, by how. pool and backend are empty for one that got to none.",
				r.outcomes[i].Load(), label{"listener", key.listener}, label{"pool", key.pool}, label{"backend", key.backend}, label{"outcome", outcomes[i]})
		}
	}
	for name, p := range c.meter.pools {
		if name == "" {
			continue
		}
		out.counter("weir_replays_total", "Moves of a transaction to another connector.", p.replays.Load(), label{"pool", name})
		for stage := range p.stages {
			out.histogram("weir_transaction_seconds", "Time that transactions spent in each stage they passed.",
				&p.stages[stage], label{"pool", name}, label{"stage", backend.Stage(stage).String()})
		}
	}
	for name, l := range c.meter.listeners {
		for giver := range l.replies {
			for class := lowestClass; class <= highestClass; class++ {
				out.counter("weir_replies_total", "Replies that ended a transaction, by whose they are and their first digit.",
					l.replies[giver][class].Load(), label{"listener", name}, label{"by", giverNames[giver]}, label{"class", strconv.Itoa(class) + "xx"})
			}
		}
	}
}

func (c collector) listeners(out sink) {
	if c.deps.Listeners == nil {
		return
	}
	for _, l := range c.deps.Listeners.Listeners() {
		out.gauge("weir_sessions", "Sessions with senders.", float64(l.Sessions), label{"listener", l.Name})
		out.gauge("weir_sessions_limit", "Sessions that the listener takes at most; 0: any number.", float64(l.Limit), label{"listener", l.Name})
	}
}

// shared shows what weir knows from others, and of the other replicas.
func (c collector) shared(out sink) {
	if c.deps.Sources != nil {
		list := c.deps.Sources.Sources()
		for i := range list {
			s := &list[i]
			out.gauge("weir_discovery_stale", "1 while a source's word on a pool may not be the present truth.",
				truth(s.Stale()), label{"source", s.Source}, label{"pool", s.Pool})
		}
	}
	leader := true // nobody else would do what a leader does
	if c.deps.Cluster != nil {
		if consul := c.deps.Cluster.Consul(); consul.Address != "" {
			leader = consul.Leader
			out.gauge("weir_consul_reachable", "1 while Consul answers.", truth(consul.Reachable))
			out.gauge("weir_consul_unshared_flags", "Operators' flags that the other replicas have not been told of.", float64(len(consul.Unshared)))
		}
	}
	out.gauge("weir_leader", "1 on the replica that does what only one may do.", truth(leader))
}

// zones shows the zones that weir keeps. Only the replica that writes one knows of
// its lag.
func (c collector) zones(out sink) {
	if c.deps.DNS == nil {
		return
	}
	list := c.deps.DNS.DNS()
	for i := range list {
		z := &list[i]
		zone := label{"zone", z.Zone}
		for result, n := range z.Writes {
			out.counter("weir_dns_updates_total", "Attempts to write the zone, by how they ended.", n, zone, label{"result", result})
		}
		out.gauge("weir_dns_lag_seconds", "Time for which the zone has not been what it should be.", z.LagSeconds, zone)
		out.gauge("weir_dns_frozen", "1 while somebody's word keeps the zone from being written.", truth(z.Frozen != nil), zone)
		out.gauge("weir_dns_error", "1 while something is wrong with keeping the zone.", truth(z.LastError != ""), zone)
	}
}

func (c collector) certificates(out sink) {
	if c.deps.Certificates == nil {
		return
	}
	for _, cert := range c.deps.Certificates.Certificates() {
		out.gauge("weir_certificate_expiry_timestamp_seconds", "When a certificate ends that senders are shown, in seconds since 1970.",
			float64(cert.NotAfter.Unix()), label{"name", cert.Name})
	}
}

func (c collector) process(out sink) {
	if c.deps.Load != nil {
		out.gauge("weir_replay_memory_bytes", "Memory that replay buffers, and the wide windows of larger messages, hold.", float64(c.deps.Load.ReplayMemory()))
		out.counter("weir_unbuffered_messages_total", "Messages that were relayed without a copy, for want of replay_memory.", c.deps.Load.Unbuffered())
	}
	if c.deps.Webhook != nil {
		out.counter("weir_webhook_dropped_total", "Events that were not posted, because the receiver did not take them in time.", c.deps.Webhook.Dropped())
	}
	for i, result := range [...]string{"refused", "applied"} {
		out.counter("weir_config_reloads_total", "Reloads of the config, by whether it was applied.", c.reloads[i].Load(), label{"result", result})
	}
	out.gauge("weir_config_last_reload_successful", "1 unless the last reload was refused.", truth(c.lastReload.Load()))
	out.gauge("weir_build_info", "Which weir this is; always 1.", 1, label{"version", c.deps.Version}, label{"goversion", runtime.Version()})
}

// sink takes the series of one scrape. Those of one name share its description,
// which is dear to make.
type sink struct {
	ch    chan<- prometheus.Metric
	descs map[string]*prometheus.Desc
}

type label struct{ name, value string }

func (s sink) gauge(name, help string, value float64, labels ...label) {
	s.put(prometheus.GaugeValue, name, help, value, labels)
}

func (s sink) counter(name, help string, value int64, labels ...label) {
	s.put(prometheus.CounterValue, name, help, float64(value), labels)
}

// since is counter for what need not be shown before it has happened once: there
// are many of these, and most never do.
func (s sink) since(name, help string, value int64, labels ...label) {
	if value > 0 {
		s.counter(name, help, value, labels...)
	}
}

func (s sink) put(kind prometheus.ValueType, name, help string, value float64, labels []label) {
	desc, values := s.describe(name, help, labels)
	metric, err := prometheus.NewConstMetric(desc, kind, value, values...)
	s.send(desc, metric, err)
}

func (s sink) histogram(name, help string, h *histogram, labels ...label) {
	desc, values := s.describe(name, help, labels)
	metric, err := h.metric(desc, values...)
	s.send(desc, metric, err)
}

// describe returns the description of a series, and its labels' values.
func (s sink) describe(name, help string, labels []label) (*prometheus.Desc, []string) {
	desc := s.descs[name]
	if desc == nil {
		names := make([]string, len(labels))
		for i, l := range labels {
			names[i] = l.name
		}
		desc = prometheus.NewDesc(name, help, names, nil)
		s.descs[name] = desc
	}
	values := make([]string, len(labels))
	for i, l := range labels {
		values[i] = strings.ToValidUTF8(l.value, "?")
	}
	return desc, values
}

func (s sink) send(desc *prometheus.Desc, metric prometheus.Metric, err error) {
	if err != nil {
		metric = prometheus.NewInvalidMetric(desc, err)
	}
	s.ch <- metric
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
