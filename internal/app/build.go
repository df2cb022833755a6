package app

import (
	"strings"

	"weir/balancer"
	"weir/config"
	"weir/dashboard"
	"weir/dashboard/metrics"
	"weir/health"
	"weir/internal/connector"
)

// healthPools is how the connectors of each pool are probed and judged.
func healthPools(cfg *config.Config, hostname string) []health.Pool {
	dial := dialers(cfg, hostname)
	pools := make([]health.Pool, len(cfg.Pools))
	for i := range cfg.Pools {
		h := cfg.Pools[i].Health
		pools[i] = health.Pool{Config: h, Prober: health.NewProber(h, dial[h.Pool])}
	}
	return pools
}

// newBalancer makes the data path.
func (a *App) newBalancer(cfg *config.Config, hostname string) (*balancer.Server, error) {
	relay := cfg.Balancer
	relay.Hostname = hostname
	stores, err := a.edge.of(cfg, hostname, a.state)
	if err != nil {
		return nil, err
	}
	a.secured = stores
	return balancer.New(relay, balancer.Deps{
		Registry:  a.registry,
		Observer:  a.health,
		Recorder:  recorder{a.log, a.metrics.Meter(), a.transactions},
		Materials: materials(cfg, hostname, stores),
		Fibers:    &a.sockets.fibers,
	})
}

// dialers returns one dialer for each pool, by its name.
func dialers(cfg *config.Config, hostname string) map[string]connector.Dialer {
	dialers := map[string]connector.Dialer{}
	for i := range cfg.Balancer.Pools {
		dialers[cfg.Balancer.Pools[i].Name] = DialerOf(cfg, i, hostname)
	}
	return dialers
}

// newMetrics makes what is read at /metrics.
func (a *App) newMetrics() *metrics.Metrics {
	return metrics.New(metrics.Deps{
		Version: a.opts.Version, Registry: a.registry, Events: a.events,
		Listeners: listenerStatus{a}, Sources: sourceStatus{a}, Cluster: clusterStatus{a}, Load: loadStatus{a}, Webhook: a.webhook, DNS: zoneStatus{a},
		Certificates: a.edge,
	})
}

// newDashboard makes the admin interface.
func (a *App) newDashboard(cfg *config.Config) *dashboard.Server {
	d := dashboard.New(dashboard.Deps{
		Version: a.opts.Version, Registry: a.registry, Events: a.events,
		Listeners: listenerStatus{a}, Sources: sourceStatus{a}, Cluster: clusterStatus{a}, Certificates: a.edge,
		Deferrals: a.metrics, Prober: a.prober, Controller: controller{a}, Reloader: reloader{a}, History: a.transactions, Router: router{a.balancer, a.listeners}, Metrics: a.metrics, BasePath: strings.TrimSuffix(cfg.Admin.BasePath, "/"), DNS: zoneStatus{a},
	})
	d.SetAccess(accessOf(cfg))
	return d
}

// accessOf is who may do what.
func accessOf(cfg *config.Config) dashboard.Access {
	access := dashboard.Access{Anonymous: dashboard.Role(cfg.Admin.Anonymous), Hosts: cfg.Admin.Hosts}
	for _, t := range cfg.Admin.Tokens {
		access.Tokens = append(access.Tokens, dashboard.Token{Name: t.Name, Role: dashboard.Role(t.Role), Secret: t.Secret})
	}
	return access
}
