package config

import (
	"crypto/tls"
	"net/netip"
	"time"

	"weir/balancer"
	"weir/health"
	"weir/internal/backend"
	"weir/internal/connector"
	"weir/policies"
)

// draft is what the file says, laid over the defaults, while it is checked.
type draft struct {
	Config    // all but listeners, routes and pools, which build makes of those below
	listeners []listener
	defaults  pool      // pool_defaults over the built-in ones
	pools     []*pool   // in the file's order
	origins   [][]place // of each route's patterns; see [decoder.checkRoutes]
}

// listener is one listener, and what only the file knows of it.
type listener struct {
	balancer.ListenerConfig
	path   string
	routes bool     // the key itself; once it is checked: the listener goes by routes
	accept []string // domains, and "@" with the path of a file of them
	edge   Edge
}

// pool is one pool for all rooms together.
type pool struct {
	path     string
	tls      PoolTLS
	open     bool // the key relay
	facts    backend.PoolConfig
	relay    balancer.PoolConfig
	health   health.Config
	backends []backend.Spec
	consul   *PoolConsul
	dns      *PoolDNS
	file     string
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

// newDraft holds the defaults of the interface contract.
func newDraft() *draft {
	return &draft{
		Config: Config{
			StateDir:        "/var/lib/weir",
			Log:             Log{Level: "info", Format: "json"},
			StartupWait:     10 * time.Second,
			ShutdownTimeout: 10 * time.Minute,
			Balancer:        balancer.Config{Cluster: "default", ReplayMemory: 256 * mib},
			Admin:           Admin{Address: "127.0.0.1:8025", Anonymous: "operate", BasePath: "/"},
			History:         100_000,
		},
		defaults: newPool(),
	}
}

func newListener() listener {
	return listener{edge: Edge{MinVersion: tls.VersionTLS12}, ListenerConfig: balancer.ListenerConfig{
		TLS:    balancer.TLSStartTLS,
		Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		Limits: balancer.Limits{Connections: 20000, Recipients: 1000, MessageSize: 50 * mib, Errors: 20},
		Timeouts: balancer.ListenerTimeouts{
			Command: 5 * time.Minute, Data: 3 * time.Minute, Greeting: 5 * time.Minute,
		},
		MaxHops: 50,
	}}
}

func newPool() pool {
	return pool{
		tls:   PoolTLS{Mode: connector.TLSOpportunistic},
		facts: backend.PoolConfig{Protocol: "smtp", Policy: policies.LeastLoad, MinRedundancy: 2},
		relay: balancer.PoolConfig{
			Hash: policies.KeyNetwork, AffinityTTL: time.Hour,
			ReplayBuffer: 256 * kib,
			Reuse:        balancer.Reuse{Idle: 5 * time.Second, Messages: 100, Age: 5 * time.Minute, MaxIdle: 16},
			Timeouts: balancer.Timeouts{
				backend.StageConnect:  5 * time.Second,
				backend.StageTLS:      30 * time.Second,
				backend.StageBanner:   30 * time.Second,
				backend.StageEHLO:     30 * time.Second,
				backend.StageMail:     time.Minute,
				backend.StageRcpt:     time.Minute,
				backend.StageData:     time.Minute,
				backend.StageBody:     time.Minute,
				backend.StageFinalDot: 9*time.Minute + 30*time.Second,
			},
			QueueTimeout: 5 * time.Second,
		},
		health: health.Config{
			Probe: health.DepthEnvelope, To: "postmaster",
			Interval: 5 * time.Second, Timeout: 15 * time.Second, FastInterval: time.Second,
			Rise: 2, Fall: 3, Jitter: 0.2,
			Breaker:   newBreaker(),
			Ejection:  health.EjectionConfig{MaxPercent: 50, OutlierRatio: 3},
			SlowStart: 30 * time.Second,
		},
	}
}

func newBreaker() health.BreakerConfig {
	return health.BreakerConfig{
		ConsecutiveFailures: 5, FailureRatio: 0.5, MinRequests: 20, Window: 30 * time.Second,
		OpenFor: 5 * time.Second, OpenMax: 5 * time.Minute,
		StuckAfter: [backend.Stages]time.Duration{
			backend.StageConnect:  2 * time.Second,
			backend.StageBanner:   10 * time.Second,
			backend.StageEHLO:     5 * time.Second,
			backend.StageMail:     10 * time.Second,
			backend.StageRcpt:     10 * time.Second,
			backend.StageData:     5 * time.Second,
			backend.StageBody:     30 * time.Second,
			backend.StageFinalDot: time.Minute,
		},
	}
}

// build takes the checked draft apart into what each room is told.
func (w *draft) build() *Config {
	cfg := w.Config
	for i := range w.listeners {
		l := &w.listeners[i]
		cfg.Balancer.Listeners = append(cfg.Balancer.Listeners, l.ListenerConfig)
		cfg.Edges, cfg.accepted = append(cfg.Edges, l.edge), append(cfg.accepted, l.accept)
	}
	for i := range w.routes {
		cfg.Balancer.Routes = append(cfg.Balancer.Routes, w.routes[i].build(i))
	}
	for _, p := range w.pools {
		p.relay.Name, p.health.Pool = p.facts.Name, p.facts.Name
		p.relay.Policy, p.relay.LMTP = p.facts.Policy, p.facts.Protocol == lmtp
		p.health.AskRelay = p.hidesClients() && !p.open
		static := make([]backend.Spec, len(p.backends)) // pools may share the list of pool_defaults
		for i, spec := range p.backends {
			spec.Pool = p.facts.Name
			static[i] = spec
		}
		cfg.Balancer.Pools = append(cfg.Balancer.Pools, p.relay)
		cfg.Pools = append(cfg.Pools, Pool{
			PoolConfig: p.facts, TLS: p.tls, Relay: p.open, Health: p.health, Static: static, Consul: p.consul, DNS: p.dns, File: p.file,
		})
	}
	for i := range w.zones {
		cfg.DNS = append(cfg.DNS, w.zones[i].build(&w.Balancer))
	}
	return &cfg
}

// draftOf is the draft that cfg was built from, for showing it.
func draftOf(cfg *Config) *draft {
	w := &draft{Config: *cfg}
	for i := range cfg.Balancer.Listeners {
		l := cfg.Balancer.Listeners[i]
		w.listeners = append(w.listeners, listener{ListenerConfig: l, routes: l.Pool == "", accept: cfg.accepted[i], edge: cfg.Edges[i]})
	}
	for i, p := range cfg.Pools {
		w.pools = append(w.pools, &pool{
			tls: p.TLS, open: p.Relay, facts: p.PoolConfig, relay: cfg.Balancer.Pools[i], health: p.Health,
			backends: p.Static, consul: p.Consul, dns: p.DNS, file: p.File,
		})
	}
	return w
}
