package balancer

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"weir/policies"
)

// setup is what a config makes of the data path. It never changes: a reload
// replaces it, with whatever is in it that stays as it is.
type setup struct {
	pools     map[string]*pool
	listeners []*listener // in the order of the config
	fronts    []*front    // of each listener
	list      []policies.Route
	hostname  string
	routes    *policies.Routes // the table of both
}

func (u *setup) listener(name string) *listener {
	for _, l := range u.listeners {
		if l.name == name {
			return l
		}
	}
	return nil
}

// tidyInterval is half the shortest time that a connection may idle.
func (u *setup) tidyInterval() time.Duration {
	interval := time.Second
	for _, p := range u.pools {
		if idle := p.Reuse.Idle; idle > 0 {
			interval = min(interval, max(idle/2, 10*time.Millisecond))
		}
	}
	return interval
}

// Reload puts another config into force, and what it is made of by other rooms.
// Nothing changes when it fails: that is when a name has no match, or when weir
// is shutting down.
//
// What is the same in both configs is not touched: connections kept for reuse,
// queues, sockets and counters stay. Transactions at a connector of a pool that
// has changed, or is gone, end as they began; who waits for a place goes on in
// the new pool. Sessions stay, and go by the new settings from their next MAIL
// on; those of a listener that is gone are told 421 at their next boundary. The
// caller begins to serve new listeners and new addresses, and closes the socket
// of an old address.
func (s *Server) Reload(cfg Config, made Materials) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if s.draining.Load() {
		return errors.New("the service is shutting down, its settings do not change any more")
	}
	next, err := s.arrange(cfg, made, s.setup.Load())
	if err != nil {
		return err
	}
	s.budget.limit.Store(cfg.ReplayMemory)
	s.apply(next)
	return nil
}

// arrange makes a setup of a config, with what it has in common with the one
// before, and changes nothing.
func (s *Server) arrange(cfg Config, made Materials, before *setup) (*setup, error) {
	next := &setup{pools: map[string]*pool{}}
	for _, pc := range cfg.Pools {
		dialer, ok := made.Dialers[pc.Name]
		if !ok {
			return nil, fmt.Errorf("pool %s has no dialer", pc.Name)
		}
		p := before.pools[pc.Name]
		if p == nil || p.PoolConfig != pc || !p.dialer.Same(&dialer) {
			var err error
			if p, err = newPool(s, pc, dialer, p); err != nil {
				return nil, fmt.Errorf("making pool %s: %w", pc.Name, err)
			}
		}
		next.pools[pc.Name] = p
	}
	if err := next.addRoutes(&cfg, before); err != nil {
		return nil, err
	}
	token := "(weir/" + cfg.Cluster + ")"
	for _, lc := range cfg.Listeners {
		f := &front{ListenerConfig: lc, tls: made.TLS[lc.Name], all: next.pools, hostname: cfg.Hostname, token: token}
		if f.tls == nil && (lc.TLS == TLSRequired || lc.TLS == TLSImplicit) {
			return nil, fmt.Errorf("listener %s has no certificates", lc.Name)
		}
		if err := f.find(next); err != nil {
			return nil, fmt.Errorf("listener %s: %w", lc.Name, err)
		}
		l := before.listener(lc.Name)
		if l == nil {
			l = newListener(lc.Name)
		} else if old := l.front.Load(); f.same(old) {
			f = old
		}
		f.complete()
		next.listeners, next.fronts = append(next.listeners, l), append(next.fronts, f)
	}
	return next, nil
}

// addRoutes takes the routes in; the table of equal ones is kept.
func (u *setup) addRoutes(cfg *Config, before *setup) error {
	for i := range cfg.Routes {
		for _, to := range cfg.Routes[i].To {
			if u.pools[to.Pool] == nil {
				return fmt.Errorf("%s: no pool %q", cfg.Routes[i].Name, to.Pool)
			}
		}
	}
	u.list, u.hostname, u.routes = cfg.Routes, cfg.Hostname, before.routes
	if u.routes == nil || u.hostname != before.hostname || !reflect.DeepEqual(u.list, before.list) {
		u.routes = policies.NewRoutes(u.list, u.hostname)
	}
	return nil
}

// find has the listener find the pools that it can reach.
func (f *front) find(u *setup) error {
	if f.AuthPool != "" && u.pools[f.AuthPool] == nil {
		return fmt.Errorf("no pool %q to relay AUTH to", f.AuthPool)
	}
	if f.Pool != "" {
		p := u.pools[f.Pool]
		if p == nil {
			return fmt.Errorf("no pool %q", f.Pool)
		}
		f.pools = []*pool{p}
		return nil
	}
	f.routes = u.routes
	for i := range u.list {
		r := &u.list[i]
		if len(r.Listeners) > 0 && !slices.Contains(r.Listeners, f.Name) {
			continue
		}
		for _, to := range r.To {
			if p := u.pools[to.Pool]; !slices.Contains(f.pools, p) {
				f.pools = append(f.pools, p)
			}
		}
	}
	if len(f.pools) == 0 {
		return errors.New("it has no pool, and no route is for it")
	}
	return nil
}

// apply puts a setup into force. New transactions go by it before old pools are
// closed, so that nobody is sent into one.
func (s *Server) apply(next *setup) {
	old := s.setup.Swap(next)
	for i, l := range next.listeners {
		l.front.Store(next.fronts[i])
		l.gate.Limit(next.fronts[i].gateLimits())
	}
	if old == nil {
		return
	}
	for _, l := range old.listeners {
		if next.listener(l.name) == nil {
			l.removed.Store(true)
			l.close()
		}
	}
	s.eachSession(func(sess *session) {
		if sess.leaving() {
			sess.wake()
		}
	})
	for name, p := range old.pools {
		if next.pools[name] != p {
			p.retire(next.pools[name])
		}
	}
	s.wakePinned()
	select {
	case s.reloaded <- struct{}{}:
	default:
	}
}
