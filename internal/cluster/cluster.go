package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"weir/internal/backend"
)

// Config is what a replica must know of itself.
type Config struct {
	Cluster   string // replicas of one cluster share the keys under weir/CLUSTER/
	Hostname  string
	Version   string
	Dir       string       // where the state file and the replica's name are kept; empty: nowhere
	NoDir     string       // why there is no Dir although one is wanted, in words; empty: none is
	Register  bool         // as a service in Consul
	Advertise []netip.Addr // this replica's own addresses, for DNS
	Port      int          // of the first listener, for the registration
}

// Event is an edge in what this room owns.
type Event struct {
	// Kind is backend (a flag that changed a connector's state, From and To),
	// flag (one that did not, or that concerns sharing), pool, consul, leader,
	// replica or state (the state file).
	Kind    string
	Pool    string
	Backend string
	From    string
	To      string
	Why     string
	By      string
}

// Deps is what a replica needs of others.
type Deps struct {
	Registry *backend.Registry
	Client   *api.Client // nil: this replica is alone, flags live in the state file
	// Event is told of every edge, from several goroutines and never with a lock
	// held; nil: nobody is. It must not block for long.
	Event func(Event)
}

// Cluster is one replica's part in what all share. Make it with [New].
type Cluster struct {
	cfg    Config
	deps   Deps
	client *api.Client
	prefix string // of all keys, with the slash
	link   *link
	book   *book
	peers  *peers
	lease  lease

	ordering sync.Mutex    // one order at a time
	expiry   chan struct{} // wakes expire: there is a new end
	renewal  chan struct{} // wakes keepSession
	showing  chan struct{} // wakes showViews
	roll     chan struct{} // wakes keepRegistered

	mu         sync.Mutex
	name       string // of this replica
	session    string // empty: none
	standby    bool
	advertise  []netip.Addr
	port       int
	registered registration // as the catalogue knows this replica; zero: it does not
}

// New reads the state file and applies its flags to the registry, so that nothing
// is served before. A file that cannot be read is set aside, with an event; that
// never stops the start. It fails only for a name that cannot be part of a key.
func New(cfg Config, deps Deps) (*Cluster, error) {
	if cfg.Cluster == "" || strings.ContainsAny(cfg.Cluster, "/?#% ") {
		return nil, fmt.Errorf("naming the cluster: %q cannot be part of a Consul key: use letters, digits, hyphens and dots", cfg.Cluster)
	}
	if deps.Event == nil {
		deps.Event = func(Event) {}
	}
	c := &Cluster{
		cfg: cfg, deps: deps, client: deps.Client, advertise: cfg.Advertise, port: cfg.Port,
		prefix:  "weir/" + cfg.Cluster + "/",
		link:    newLink(),
		peers:   newPeers(),
		expiry:  make(chan struct{}, 1),
		renewal: make(chan struct{}, 1),
		showing: make(chan struct{}, 1),
		roll:    make(chan struct{}, 1),
		lease:   lease{now: time.Now},
	}
	name, trouble := replicaName(cfg.Dir, cfg.Hostname)
	c.name = name
	if trouble != nil {
		c.troubled(trouble)
	}
	c.book = newBook(deps.Registry, stateFile{cfg.Dir})
	c.announce(c.book.load(time.Now()))
	return c, nil
}

// Name returns this replica's name, HOSTNAME-xxxx. It changes when another replica
// that is alive has the same.
func (c *Cluster) Name() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.name
}

// Reload changes this replica's own addresses and the port of its first listener.
func (c *Cluster) Reload(advertise []netip.Addr, port int) {
	c.mu.Lock()
	c.advertise, c.port = slices.Clone(advertise), port
	c.mu.Unlock()
	wake(c.showing)
	wake(c.roll)
}

func (c *Cluster) addresses() []netip.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.advertise
}

// Run watches, renews and shows until ctx is done; then it takes this replica out
// of Consul, which releases the leadership. It should end after the data path has:
// the others count what is in flight here by what it shows.
func (c *Cluster) Run(ctx context.Context) error {
	var running sync.WaitGroup
	running.Go(func() { c.expire(ctx) })
	if c.client != nil {
		running.Go(func() { c.watchFlags(ctx) })
		running.Go(func() { c.watchViews(ctx) })
		running.Go(func() { c.keepSession(ctx) })
		running.Go(func() { c.showViews(ctx) })
		if c.cfg.Register {
			running.Go(func() { c.keepRegistered(ctx) })
		}
	}
	running.Wait()
	if c.client != nil {
		c.leave(context.WithoutCancel(ctx))
	}
	c.announce(c.book.save())
	return nil
}

// Standby takes this replica out of Consul's catalogue and out of the election, or
// brings it back. It keeps watching, and the others see that it stands by.
func (c *Cluster) Standby(on bool) {
	c.mu.Lock()
	c.standby = on
	c.mu.Unlock()
	if on {
		c.lost("standing by")
	}
	for _, ch := range []chan struct{}{c.renewal, c.showing, c.roll} {
		wake(ch)
	}
}

func (c *Cluster) standingBy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.standby
}

// Status is how this replica stands with Consul.
type Status struct {
	Consul     bool // there is one in the config; else most of the rest is empty
	Reachable  bool
	Since      time.Time // of Reachable
	Error      string    // why it is not, in words for people
	Registered bool
	Leader     bool
	Standby    bool
	Unshared   []backend.ID // flags that the others have not been told, in order

	Unkept string // why a restart would forget flags, in words, Consul or not; empty: it would not
}

// Status tells how this replica stands with Consul now.
func (c *Cluster) Status() Status {
	if c.client == nil {
		return Status{Standby: c.standingBy(), Unkept: c.unkept()}
	}
	s := Status{Consul: true, Unshared: c.book.unshared(), Unkept: c.unkept()}
	s.Reachable, s.Since, s.Error = c.link.state()
	_, s.Leader = c.Leading()
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Registered, s.Standby = c.registered.name != "", c.standby
	return s
}

// unkept says why flags are not on disk though they should be; empty: they are.
func (c *Cluster) unkept() string {
	if err := c.book.unsaved(); err != nil {
		return err.Error()
	}
	return c.cfg.NoDir
}

// report keeps what one activity found of Consul, and tells when that makes Consul
// another one than before.
func (c *Cluster) report(activity string, err error) {
	if errors.Is(err, context.Canceled) {
		return // our own doing
	}
	from, to, why := c.link.report(activity, err, time.Now())
	if from != to {
		c.deps.Event(Event{Kind: "consul", From: from, To: to, Why: why})
	}
}

func (c *Cluster) troubled(err error) {
	c.deps.Event(Event{Kind: "state", To: "trouble", Why: err.Error()})
}

// wake leaves a token in a channel of capacity 1.
func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
