package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"weir/balancer"
	"weir/config"
	"weir/dashboard"
	"weir/internal/certs"
	"weir/internal/connector"
	"weir/internal/events"
)

// endsSoon is how long before its end a certificate needs a person.
const endsSoon = 14 * 24 * time.Hour

// sessionsKept is how many TLS sessions are remembered of each pool's connectors.
const sessionsKept = 256

// edge is the TLS of all listeners: one store for all that have equal settings, so
// that a sender's ticket from one of them is good at the others.
type edge struct {
	events *events.Log

	mu     sync.Mutex
	stores []*edgeStore
	warned map[string]bool // what was told by one store, and is true of others too
}

type edgeStore struct {
	*certs.Store
	settings config.Edge
	running  *service // nil: not yet
}

func newEdge(log *events.Log) *edge { return &edge{events: log, warned: map[string]bool{}} }

// of returns the stores for a config, by listener: those that are there already
// where the settings are the same. Nothing changes before [App.secure].
func (e *edge) of(cfg *config.Config, hostname, state string) (map[string]*edgeStore, error) {
	e.mu.Lock()
	known := slices.Clone(e.stores)
	e.mu.Unlock()
	all := map[string]*edgeStore{}
	for i, l := range cfg.Balancer.Listeners {
		if l.TLS == balancer.TLSOff {
			continue
		}
		settings := cfg.Edges[i]
		same := func(s *edgeStore) bool { return reflect.DeepEqual(s.settings, settings) }
		if at := slices.IndexFunc(known, same); at >= 0 {
			all[l.Name] = known[at]
			continue
		}
		store, err := certs.New(certs.Config{
			Certificates: settings.Certificates, MinVersion: settings.MinVersion, ClientCA: settings.ClientCA,
			TicketKeys: settings.TicketKeys, StateDir: state, Hostname: hostname, Tell: e.tell,
		})
		if err != nil {
			return nil, fmt.Errorf("listener %q: reading what TLS needs: %w", l.Name, err)
		}
		known = append(known, &edgeStore{Store: store, settings: settings})
		all[l.Name] = known[len(known)-1]
	}
	return all, nil
}

// tell makes an event of what a store has to say. What several of them warn of,
// such as the certificate that they share, is told once.
func (e *edge) tell(said certs.Event) {
	if said.Kind == certs.Warning {
		e.mu.Lock()
		told := e.warned[said.Text]
		e.warned[said.Text] = true
		e.mu.Unlock()
		if told {
			return
		}
	}
	e.events.Append(events.Event{Kind: "certificate", To: string(said.Kind), Why: said.Text, By: "tls"})
}

// secure takes the stores of a config into use and forgets those of others. The
// files of all of them are watched from now on.
func (a *App) secure(stores map[string]*edgeStore) {
	a.edge.mu.Lock()
	defer a.edge.mu.Unlock()
	old := a.edge.stores
	a.edge.stores = nil
	for _, name := range slices.Sorted(maps.Keys(stores)) {
		s := stores[name]
		if slices.Contains(a.edge.stores, s) {
			continue
		}
		a.edge.stores = append(a.edge.stores, s)
		if s.running == nil {
			s.running = a.spawn(context.Background(), "certificates", s.Run)
			a.running.add(s.running)
		}
	}
	for _, s := range old {
		if !slices.Contains(a.edge.stores, s) && s.running != nil {
			s.running.cancel()
		}
	}
}

// read has all files looked at now. What is wrong with them is told as an event.
func (e *edge) read() {
	for _, s := range e.inUse() {
		_ = s.Reload()
	}
}

func (e *edge) inUse() []*edgeStore {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.stores)
}

// Certificates implements [dashboard.Certificates].
func (e *edge) Certificates() []dashboard.Certificate {
	first := map[string]certs.Expiry{}
	for _, s := range e.inUse() {
		for _, c := range s.Expiry() {
			if have, ok := first[c.Name]; !ok || c.NotAfter.Before(have.NotAfter) {
				first[c.Name] = c
			}
		}
	}
	var all []dashboard.Certificate
	for _, name := range slices.Sorted(maps.Keys(first)) {
		c := first[name]
		all = append(all, dashboard.Certificate{Name: name, NotAfter: c.NotAfter, Soon: c.Soon(time.Now(), endsSoon)})
	}
	return all
}

// materials are what the data path is given beside its config.
func materials(cfg *config.Config, hostname string, stores map[string]*edgeStore) balancer.Materials {
	made := balancer.Materials{Dialers: dialers(cfg, hostname), TLS: map[string]*tls.Config{}}
	for name, d := range made.Dialers {
		d.Sessions = tls.NewLRUClientSessionCache(sessionsKept)
		made.Dialers[name] = d
	}
	for name, s := range stores {
		made.TLS[name] = s.TLSConfig()
	}
	return made
}

// DialerOf is how a pool's connectors are dialled, by the relay and by probes.
func DialerOf(cfg *config.Config, i int, hostname string) connector.Dialer {
	p := &cfg.Balancer.Pools[i]
	return connector.Dialer{
		Hostname: hostname, Timeouts: connector.Timeouts(p.Timeouts),
		LMTP: p.LMTP, TLS: cfg.Pools[i].TLS.Security(), Identity: p.Identity,
	}
}
