package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"weir/balancer"
	"weir/config"
	"weir/dashboard"
	"weir/discovery"
	"weir/health"
	"weir/internal/backend"
	"weir/internal/events"
)

// eventsKept is how many transitions are kept for the timeline: days of a quiet
// site, an hour of a very restless one.
const eventsKept = 10_000

// Options are what the process brings beside the config.
type Options struct {
	Stderr   io.Writer // where the log goes; nil: nowhere
	Version  string    // for the log and the status
	Warnings []string  // of the config, for the log
}

// App is one weir, from its sockets to its log.
type App struct {
	cfg  *config.Config
	opts Options
	log  *logger

	registry  *backend.Registry
	events    *events.Log
	discovery *discovery.Manager
	health    *health.Monitor
	balancer  *balancer.Server
	dashboard *dashboard.Server
	sockets   *sockets

	ready  chan struct{} // closed when senders are served
	failed chan error    // the first service that ended by itself
	abort  chan struct{} // closed by Abort
	once   sync.Once     // closes abort
}

// New makes all rooms and opens all sockets; nothing is served, dialled or
// logged yet. The caller owes one [App.Run], which closes the sockets. The error
// names every listener whose address cannot be had, with the remedy.
func New(cfg *config.Config, opts Options) (*App, error) {
	a := &App{
		cfg: cfg, opts: opts, log: newLogger(cfg.Log, opts.Stderr),
		events: events.NewLog(eventsKept),
		ready:  make(chan struct{}), failed: make(chan error, 1), abort: make(chan struct{}),
	}
	if err := a.build(); err != nil {
		return nil, err
	}
	var err error
	a.sockets, err = bind(context.Background(), cfg.Balancer.Listeners, cfg.Admin.Address)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// build makes the rooms, from the spine upwards.
func (a *App) build() error {
	hostname, err := hostnameOf(a.cfg)
	if err != nil {
		return err
	}
	pools := make([]backend.PoolConfig, len(a.cfg.Pools))
	for i := range a.cfg.Pools {
		pools[i] = a.cfg.Pools[i].PoolConfig
	}
	a.registry = backend.NewRegistry(pools)
	a.discovery = discovery.NewManager(a.registry, feeds(a.cfg.Pools), a.sourceFailed)
	a.health = a.newMonitor(hostname)
	a.balancer, err = a.newBalancer(hostname)
	if err != nil {
		return fmt.Errorf("making the balancer: %w", err)
	}
	a.dashboard = dashboard.New(dashboard.Deps{
		Version: a.opts.Version, Registry: a.registry, Events: a.events, Listeners: listenerStatus{a},
		Prober: newProber(a.cfg.Pools, a.dialers(hostname)), Operate: a.cfg.Admin.Anonymous == "operate",
	})
	return nil
}

// hostnameOf returns the name that weir goes by: the machine's own when the
// config names none.
func hostnameOf(cfg *config.Config) (string, error) {
	if name := cfg.Balancer.Hostname; name != "" {
		return name, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("asking for the machine's name (the key hostname would give one): %w", err)
	}
	return name, nil
}

// feeds returns the sources of all pools.
func feeds(pools []config.Pool) []discovery.Feed {
	var list []discovery.Feed
	for _, p := range pools {
		list = append(list, discovery.Feed{
			Name: discovery.StaticName, Pools: []string{p.Name},
			Source: discovery.Static{Pool: p.Name, Specs: p.Static},
		})
	}
	return list
}

func (a *App) sourceFailed(feed string, err error) {
	a.log.error("discovery").Str("source", feed).Str("why", err.Error()).Send()
}

// Registry returns what is known of all connectors.
func (a *App) Registry() *backend.Registry { return a.registry }

// Events returns the log of transitions.
func (a *App) Events() *events.Log { return a.events }

// Ready is closed when senders are served.
func (a *App) Ready() <-chan struct{} { return a.ready }

// ListenerAddr returns where a listener listens, which tells the port when the
// config left it to the system; nil when there is no such listener.
func (a *App) ListenerAddr(name string) net.Addr {
	if ln := a.sockets.smtp[name]; ln != nil {
		return ln.Addr()
	}
	return nil
}

// AdminAddr returns where the admin server listens; nil when there is none.
func (a *App) AdminAddr() net.Addr {
	if a.sockets.admin == nil {
		return nil
	}
	return a.sockets.admin.Addr()
}

// Abort ends a stop that is under way, or the whole of weir, without waiting
// for anybody. It may be called often, from anywhere.
func (a *App) Abort() { a.once.Do(func() { close(a.abort) }) }

// listenerStatus tells the dashboard of the listeners.
type listenerStatus struct{ app *App }

func (l listenerStatus) Listeners() []dashboard.Listener {
	stats := l.app.balancer.Sessions()
	list := make([]dashboard.Listener, len(stats))
	for i, s := range stats {
		list[i] = dashboard.Listener{Name: s.Name, Sessions: s.Sessions, Limit: s.Limit}
		if addr := l.app.ListenerAddr(s.Name); addr != nil {
			list[i].Address = addr.String()
		}
	}
	return list
}
