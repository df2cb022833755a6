package app

import (
	"weir/balancer"
	"weir/health"
	"weir/internal/connector"
)

// newMonitor makes the room that probes and judges.
func (a *App) newMonitor(hostname string) *health.Monitor {
	dialers := a.dialers(hostname)
	pools := make([]health.Pool, len(a.cfg.Pools))
	for i := range a.cfg.Pools {
		cfg := a.cfg.Pools[i].Health
		pools[i] = health.Pool{Config: cfg, Prober: health.NewProber(cfg, dialers[cfg.Pool])}
	}
	return health.New(a.registry, a.events, pools)
}

// newBalancer makes the data path.
func (a *App) newBalancer(hostname string) (*balancer.Server, error) {
	cfg := a.cfg.Balancer
	cfg.Hostname = hostname
	return balancer.New(cfg, balancer.Deps{
		Registry: a.registry,
		Observer: a.health,
		Recorder: recorder{a.log},
		Dialers:  a.dialers(hostname),
	})
}

// dialers returns one dialer for each pool, by its name.
func (a *App) dialers(hostname string) map[string]connector.Dialer {
	dialers := map[string]connector.Dialer{}
	for _, p := range a.cfg.Balancer.Pools {
		dialers[p.Name] = connector.Dialer{Hostname: hostname, Timeouts: connector.Timeouts(p.Timeouts)}
	}
	return dialers
}
