package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"weir/config"
	"weir/dashboard"
	"weir/discovery"
	"weir/health"
	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/events"
)

// Reload reads the config file again and brings it into force, wholly or not at
// all. With previous it takes the config that was in force before the present
// one, each time one further back; the file stays as it is. It returns what has
// changed, a line each; the error holds every mistake. Reloads come one after the
// other.
func (a *App) Reload(previous bool, by string) (changes []string, err error) {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	changes, err = a.reload(previous)
	a.metrics.Reloaded(err == nil)
	if err != nil {
		a.log.error("reload").Str("by", by).Strs("why", strings.Split(err.Error(), "\n")).Send()
		a.events.Append(events.Event{Kind: "config", To: "refused", Why: firstLine(err.Error()), By: by})
		return nil, err
	}
	a.log.info("reload").Str("by", by).Strs("changes", changes).Send()
	a.events.Append(events.Event{Kind: "config", To: "reloaded", Why: summaryOf(changes), By: by})
	return changes, nil
}

func (a *App) reload(previous bool) ([]string, error) {
	select {
	case <-a.ready:
	default:
		return nil, errors.New("weir is still starting: reload it when it is ready")
	}
	data, from, err := a.nextConfig(previous)
	if err != nil {
		return nil, err
	}
	changes, err := a.take(data)
	if err != nil && previous {
		return nil, fmt.Errorf("going back to %s: %w", from.path, err)
	}
	if err != nil {
		return nil, err
	}
	a.source, a.stepped = data, from.number
	if !previous { // what was gone back to is kept already, in its place
		a.keepConfig()
	}
	return changes, nil
}

// take brings the text of a config into force.
func (a *App) take(data []byte) ([]string, error) {
	next, warnings, err := config.Parse(a.config().Path, data)
	if err != nil {
		return nil, err
	}
	if keys := config.NeedsRestart(a.config(), next); len(keys) > 0 {
		return nil, fmt.Errorf("nothing was changed, because these need a restart: %s", strings.Join(keys, ", "))
	}
	changes := config.Diff(a.config(), next)
	if len(changes) > 0 {
		if err := a.adopt(next); err != nil {
			return nil, err
		}
	}
	a.edge.read()
	for _, w := range warnings {
		a.log.warn("config").Str("why", w.String()).Send()
	}
	return changes, nil
}

// nextConfig returns the text of the config to bring into force; with previous,
// also which of the kept ones that is.
func (a *App) nextConfig(previous bool) (data []byte, from entry, err error) {
	if a.config().Path == "" {
		return nil, entry{}, errors.New("this weir was started without a config file: there is nothing to read again")
	}
	if !previous {
		data, err = config.ReadFile(a.config().Path)
		return data, entry{}, err
	}
	if a.state == "" {
		return nil, entry{}, errors.New("earlier configs are not kept, because there is no state_dir that can be written")
	}
	from, data, err = a.history().before(a.source, a.stepped)
	return data, from, err
}

// keepConfig remembers what is in force, for a later --previous.
func (a *App) keepConfig() {
	if a.state == "" || a.source == nil {
		return
	}
	if err := a.history().keep(a.source); err != nil {
		a.log.warn("config").Str("why", err.Error()).Send()
	}
}

// adopt brings a checked config into force. What can fail comes first: sockets, then
// names; after that every room takes its part. No mail comes by the new config before
// its pools have connectors.
func (a *App) adopt(next *config.Config) error {
	hostname, err := hostnameOf(next)
	if err != nil {
		return err
	}
	stores, err := a.edge.of(next, hostname, a.state)
	if err != nil {
		return err
	}
	fresh, err := a.sockets.open(context.Background(), next.Balancer.Listeners)
	if err != nil {
		return err
	}
	old := a.config()
	// Until all rooms have followed, the pools of both configs are there.
	a.registry.SetPools(poolsOf(next.Pools, old.Pools))
	a.watch(hostname, next, without(old, next))
	a.awaitMembers(next, old)
	relay := next.Balancer
	relay.Hostname = hostname
	if err := a.balancer.Reload(relay, materials(next, hostname, stores)); err != nil {
		closeAll(fresh)
		a.watch(hostname, old)
		a.registry.SetPools(poolsOf(old.Pools, nil))
		return fmt.Errorf("changing the data path: %w", err)
	}
	a.current.Store(next)
	a.secure(stores)
	a.watch(hostname, next)
	a.dashboard.SetAccess(accessOf(next))
	a.log.set(next.Log)
	a.transactions.Resize(next.History)
	a.webhook.Set(targetOf(next))
	a.registry.SetPools(poolsOf(next.Pools, nil))
	a.moveSockets(fresh, next)
	a.cluster.Reload(next.Advertise, a.firstPort(next))
	return nil
}

// watch has the pools of these configs filled and probed, and no others.
func (a *App) watch(hostname string, cfgs ...*config.Config) {
	var pools []config.Pool
	var judged []health.Pool
	var sources []discovery.Feed
	dial := map[string]connector.Dialer{}
	for _, cfg := range cfgs {
		pools = append(pools, cfg.Pools...)
		judged = append(judged, healthPools(cfg, hostname)...)
		sources = append(sources, feeds(cfg, a.consul)...)
		maps.Copy(dial, dialers(cfg, hostname))
	}
	a.prober.set(pools, dial)
	a.health.Reload(judged)
	a.discovery.Reload(sources)
}

// without is a config with those of its pools that another one lacks.
func without(cfg, other *config.Config) *config.Config {
	rest := *cfg
	rest.Pools, rest.Balancer.Pools = nil, nil
	for i := range cfg.Pools {
		if !hasPool(other, cfg.Pools[i].Name) {
			rest.Pools = append(rest.Pools, cfg.Pools[i])
			rest.Balancer.Pools = append(rest.Balancer.Pools, cfg.Balancer.Pools[i])
		}
	}
	return &rest
}

func hasPool(cfg *config.Config, name string) bool {
	return slices.ContainsFunc(cfg.Pools, func(p config.Pool) bool { return p.Name == name })
}

// longestFill bounds how long a reload waits, whatever startup_wait is: who asked for it
// at the admin server gets an answer within half a minute.
const longestFill = 20 * time.Second

// awaitMembers waits until the new pools have connectors, as far as their sources
// know of any, but no longer than startup_wait or [longestFill]. It does not wait for
// verdicts: where there is nobody else, connectors without one are used.
func (a *App) awaitMembers(next, old *config.Config) {
	var names []string
	for _, p := range without(next, old).Pools {
		names = append(names, p.Name)
	}
	if len(names) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(next.StartupWait, longestFill))
	defer cancel()
	go a.cancelOnAbort(ctx, cancel)
	if err := a.discovery.Await(ctx, names); err != nil {
		a.log.warn("reload").Strs("pools", names).Str("why", "not every source of these new pools has answered in time: "+
			"until it has, their mail may be answered 451").Send()
	}
}

// moveSockets serves the new sockets and closes those that no listener has any
// more. Sessions stay with the balancer, which knows what becomes of them.
func (a *App) moveSockets(fresh map[string]socket, next *config.Config) {
	names := map[string]bool{}
	for _, l := range next.Balancer.Listeners {
		names[l.Name] = true
	}
	for name, ln := range fresh {
		a.serveListener(name, ln.Listener)
	}
	a.sockets.replace(fresh, names)
}

// poolsOf is what the registry must know of these pools, and of those of others
// that are not among them.
func poolsOf(pools, others []config.Pool) []backend.PoolConfig {
	var list []backend.PoolConfig
	known := map[string]bool{}
	for i := range pools {
		list = append(list, pools[i].PoolConfig)
		known[pools[i].Name] = true
	}
	for i := range others {
		if !known[others[i].Name] {
			list = append(list, others[i].PoolConfig)
		}
	}
	return list
}

// firstLine is the first of many mistakes, for an event.
func firstLine(text string) string {
	first, rest, more := strings.Cut(text, "\n")
	if !more {
		return first
	}
	return fmt.Sprintf("%s (and %d more)", first, 1+strings.Count(rest, "\n"))
}

func summaryOf(changes []string) string {
	const shown = 3
	switch n := len(changes); {
	case n == 0:
		return "nothing has changed"
	case n > shown:
		return fmt.Sprintf("%s; and %d more", strings.Join(changes[:shown], "; "), n-shown)
	default:
		return strings.Join(changes, "; ")
	}
}

// reloader lets the dashboard reload.
type reloader struct{ *App }

// Config implements [dashboard.Reloader].
func (r reloader) Config(diff bool) (string, error) {
	if diff {
		return config.RenderChanged(r.config()), nil
	}
	return config.Render(r.config()), nil
}

var _ dashboard.Reloader = reloader{}
