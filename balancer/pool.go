package balancer

import (
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/policies"
)

// pool is the data path's side of a pool: its policy, the connections that are
// kept for the next transaction, and the transactions that wait for a place.
type pool struct {
	PoolConfig
	srv    *Server
	policy *policies.Policy
	cache  policies.Cache
	dialer connector.Dialer

	next atomic.Pointer[pool]  // what a reload put in its place
	seen atomic.Pointer[sight] // what view has found last

	mu      sync.Mutex
	retired atomic.Bool                      // a reload has put it out of use; set under the lock
	idle    map[*backend.Backend][]*upstream // last in, first out
	waiting waiters
}

// newPool makes a pool. What its policy has learned is kept where only other
// things have changed; before is nil where there was no such pool.
func newPool(s *Server, cfg PoolConfig, dialer connector.Dialer, before *pool) (*pool, error) {
	var policy *policies.Policy
	if before != nil && before.choosing() == cfg.choosing() {
		policy = before.policy
	} else {
		var err error
		if policy, err = policies.New(cfg.choosing()); err != nil {
			return nil, err
		}
	}
	dialer.Buffers = s.buffers
	if dialer.TLS.Mode != connector.TLSOff && dialer.Sessions == nil {
		dialer.Sessions = tls.NewLRUClientSessionCache(maxTLSSessions)
	}
	return &pool{
		PoolConfig: cfg, srv: s, policy: policy, dialer: dialer,
		idle: map[*backend.Backend][]*upstream{},
	}, nil
}

// maxTLSSessions is how many connectors of a pool are remembered for resuming TLS.
const maxTLSSessions = 1024

// choosing is how the pool's connectors are chosen.
func (c *PoolConfig) choosing() policies.Options {
	return policies.Options{Policy: c.Policy, Hash: c.Hash, Affinity: c.Affinity, AffinityTTL: c.AffinityTTL}
}

// sight is a pool in a snapshot. Names are looked up once for each snapshot, as a
// transaction looks a dozen times and there may be hundreds of pools.
type sight struct {
	snapshot *backend.Snapshot
	pool     *backend.Pool
}

// view returns the pool as it is now: one without members, when a reload has
// removed it.
func (p *pool) view() *backend.Pool {
	now := p.srv.deps.Registry.Snapshot()
	if last := p.seen.Load(); last != nil && last.snapshot == now {
		return last.pool
	}
	found := now.Pool(p.Name)
	if found == nil {
		found = &backend.Pool{}
	}
	p.seen.Store(&sight{now, found})
	return found
}

// latest returns the pool of this name that is in use now. For one that was
// removed it is the last there was.
func (p *pool) latest() *pool {
	for next := p.next.Load(); next != nil; next = p.next.Load() {
		p = next
	}
	return p
}

// removed reports whether a reload has left no pool of this name.
func (p *pool) removed() bool {
	p = p.latest()
	return p.retired.Load() && p.next.Load() == nil
}

// replaced reports whether a reload has put another pool in its place, or none.
func (p *pool) replaced() bool { return p.next.Load() != nil || p.removed() }

// retire puts the pool out of use: it keeps no connection any more, and who waits
// goes on in the next pool, if there is one.
func (p *pool) retire(next *pool) {
	if next != nil {
		p.next.Store(next)
	}
	p.mu.Lock()
	p.retired.Store(true)
	p.mu.Unlock()
	p.tidy(time.Now())
}

// candidates returns what the pool offers now; calm is without those that are only
// used in panic.
func (p *pool) candidates(calm bool) *policies.Candidates { return p.cache.Of(p.view(), calm) }

// usable reports whether a connector may still get mail. Candidates are chosen
// from one snapshot, and a failover may come much later.
func (p *pool) usable(b *backend.Backend) bool { return p.member(b) != nil }

// member returns what is known of a connector that may get mail, else nil.
func (p *pool) member(b *backend.Backend) *backend.Member {
	m := memberOf(p.view(), b)
	if m == nil || !m.Eligible {
		return nil
	}
	return m
}

// memberOf returns what a snapshot of the pool knows of a connector; nil: nothing.
func memberOf(p *backend.Pool, b *backend.Backend) *backend.Member {
	m := p.Member(b.ID().Name)
	if m == nil || m.Backend != b {
		return nil
	}
	return m
}
