package app

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"weir/config"
	"weir/dashboard"
	"weir/discovery"
	"weir/discovery/consul"
	"weir/discovery/dns"
	"weir/discovery/file"
	"weir/internal/backend"
	"weir/internal/events"
)

// dnsHold is how long an empty answer of DNS is held back: as long as Consul's, by default.
const dnsHold = time.Minute

// feeds returns the sources of all pools, those of a pool in order of precedence:
// what stands in the config or a file was written for weir, the others are merged
// with it.
func feeds(cfg *config.Config, client *api.Client) []discovery.Feed {
	var list []discovery.Feed
	for i := range cfg.Pools {
		p := &cfg.Pools[i]
		if len(p.Static) > 0 {
			list = append(list, discovery.StaticFeed(p.Name, p.Static))
		}
		if p.File != "" {
			source := file.Source{Path: p.File, Pool: p.Name, Parse: config.ParseBackends}
			list = append(list, feed("file", p, p.File, source, 0))
		}
		if p.DNS != nil {
			made := dns.Config{
				Pool: p.Name, SRV: p.DNS.SRV, Host: p.DNS.Host, Port: p.DNS.Port,
				Resolver: p.DNS.Resolver, Refresh: p.DNS.Refresh,
			}
			list = append(list, feed("dns", p, made, dns.New(made), dnsHold))
		}
		if p.Consul != nil {
			made := consul.Config{Pool: p.Name, Service: p.Consul.Service, Tag: p.Consul.Tag, Datacenter: p.Consul.Datacenter}
			list = append(list, feed("consul", p, made, consul.New(made, client), cfg.Consul.EmptyHold))
		}
	}
	return list
}

// feed is a source that is asked; what it said last is kept when it may be away.
func feed(name string, p *config.Pool, made any, source discovery.Source, hold time.Duration) discovery.Feed {
	return discovery.Feed{
		Name: name, Key: fmt.Sprintf("%+v", made), Pools: []string{p.Name}, Source: source, Hold: hold, Keep: hold > 0,
	}
}

// newDiscovery makes the manager of all sources. What they last said is kept in
// the state directory, when there is one.
func (a *App) newDiscovery(cfg *config.Config) *discovery.Manager {
	dir := ""
	if a.state != "" {
		dir = filepath.Join(a.state, "discovery")
	}
	m := discovery.NewManager(a.registry, discovery.Options{
		Dir: dir, Changed: a.sourceChanged, Members: a.membersChanged, Failed: a.sourceFailed,
	})
	m.Reload(feeds(cfg, a.consul))
	return m
}

// sourceChanged tells how much a source's word is worth now. What stands in the
// config is always fresh, and no news.
func (a *App) sourceChanged(s discovery.Status) {
	if s.Source != discovery.StaticName {
		a.events.Append(events.Event{Kind: "discovery", Pool: s.Pool, To: string(s.State), Why: s.Why, By: s.Source})
	}
}

// membersChanged tells which connectors came and went, a line each unless that
// would drown everything else.
func (a *App) membersChanged(pool string, joined, left []backend.Spec) {
	a.tellMembers(pool, "joined", joined)
	a.tellMembers(pool, "left", left)
}

func (a *App) tellMembers(pool, word string, specs []backend.Spec) {
	const bound = 50
	for i, spec := range specs {
		e := events.Event{Kind: "discovery", Pool: pool, Backend: spec.Name, To: word, Why: "at " + spec.Address, By: strings.Join(spec.Sources, ", ")}
		switch {
		case e.By == discovery.StaticName && word == "joined":
			continue
		case i == bound:
			e.Backend, e.Why = "", fmt.Sprintf("and %d more", len(specs)-bound)
		case i > bound:
			return
		}
		a.events.Append(e)
	}
}

func (a *App) sourceFailed(feed string, err error) {
	a.log.error("discovery").Str("source", feed).Str("why", err.Error()).Send()
}

// sourceStatus tells the dashboard of the sources.
type sourceStatus struct{ app *App }

// Sources implements the dashboard's interface.
func (s sourceStatus) Sources() []dashboard.SourceStatus {
	var list []dashboard.SourceStatus
	for _, st := range s.app.discovery.Status() {
		out := dashboard.SourceStatus{
			Source: st.Source, Pool: st.Pool, State: string(st.State), Since: st.Since.UTC(),
			Why: st.Why, Connectors: st.Connectors, FromDisk: st.FromDisk,
		}
		if !st.Until.IsZero() {
			until := st.Until.UTC()
			out.Until = &until
		}
		list = append(list, out)
	}
	return list
}
