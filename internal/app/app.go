package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/consul/api"

	"weir/balancer"
	"weir/config"
	"weir/dashboard"
	"weir/dashboard/metrics"
	"weir/discovery"
	"weir/health"
	"weir/internal/backend"
	"weir/internal/cluster"
	"weir/internal/events"
	past "weir/internal/history"
	"weir/internal/webhook"
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
	opts   Options
	log    *logger
	state  string      // the state directory; empty: nothing is kept
	consul *api.Client // nil: there is none

	noState string // why there is no state directory though the config names one; empty: it does not, or there is

	registry     *backend.Registry
	events       *events.Log
	cluster      *cluster.Cluster
	discovery    *discovery.Manager
	health       *health.Monitor
	balancer     *balancer.Server
	prober       *prober
	edge         *edge
	secured      map[string]*edgeStore // what build has made, for start to watch
	zones        []*zone
	transactions *past.Ring
	webhook      *webhook.Sender
	dashboard    *dashboard.Server
	metrics      *metrics.Metrics
	sockets      *sockets
	running      services

	current   atomic.Pointer[config.Config] // what is in force
	reloading sync.Mutex                    // one reload at a time; guards source and stepped
	source    []byte                        // the file that current was read from
	stepped   int                           // the kept config that --previous went back to; 0: the file was read since

	standing sync.Mutex // guards stopping, and what standby does
	stopping bool       // nothing brings this replica back any more

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
		opts: opts, log: newLogger(cfg.Log, opts.Stderr), source: cfg.Source,
		events: events.NewLog(eventsKept),
		ready:  make(chan struct{}), failed: make(chan error, 1), abort: make(chan struct{}),
	}
	a.current.Store(cfg)
	var err error
	// Sockets first: a second weir on this machine must not touch the state of the first.
	a.sockets, err = bind(context.Background(), cfg)
	if err != nil {
		return nil, err
	}
	if err := a.build(cfg); err != nil {
		a.sockets.close()
		return nil, err
	}
	return a, nil
}

// config is what is in force now.
func (a *App) config() *config.Config { return a.current.Load() }

// build makes the rooms, from the spine upwards.
func (a *App) build(cfg *config.Config) error {
	hostname, err := hostnameOf(cfg)
	if err != nil {
		return err
	}
	a.openState(cfg.StateDir)
	a.edge = newEdge(a.events)
	a.registry = backend.NewRegistry(poolsOf(cfg.Pools, nil))
	if cfg.Consul != nil {
		if a.consul, err = ConsulClient(cfg.Consul); err != nil {
			return err
		}
	}
	if a.cluster, err = a.newCluster(cfg, hostname); err != nil {
		return fmt.Errorf("joining the cluster: %w", err)
	}
	a.transactions, a.webhook = past.NewRing(cfg.History), a.newWebhook(cfg)
	a.discovery = a.newDiscovery(cfg)
	a.metrics = a.newMetrics()
	a.health = health.New(a.registry, a.events, healthPools(cfg, hostname))
	if a.balancer, err = a.newBalancer(cfg, hostname); err != nil {
		return fmt.Errorf("making the balancer: %w", err)
	}
	a.prober = newProber(cfg.Pools, dialers(cfg, hostname))
	if a.zones, err = a.newZones(cfg); err != nil {
		return err
	}
	a.dashboard = a.newDashboard(cfg)
	return a.secureAdmin(cfg.Admin)
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

// Registry returns what is known of all connectors.
func (a *App) Registry() *backend.Registry { return a.registry }

// Events returns the log of transitions.
func (a *App) Events() *events.Log { return a.events }

// Ready is closed when senders are served.
func (a *App) Ready() <-chan struct{} { return a.ready }

// ListenerAddr returns where a listener listens, which tells the port when the
// config left it to the system; nil when there is no such listener.
func (a *App) ListenerAddr(name string) net.Addr { return a.sockets.addr(name) }

// DNSAddr returns where the embedded DNS server answers that the config has listen
// on an address; nil when there is none.
func (a *App) DNSAddr(address string) net.Addr {
	if d, ok := a.sockets.dns[address]; ok {
		return d.streams.Addr()
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
