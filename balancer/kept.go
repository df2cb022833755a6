package balancer

import (
	"slices"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
)

// Connections that are kept for another transaction: of any client, or where the
// connector was told of one, of that client only (P32).

// welcome reports whether a connection may be used again. When its connector last
// had no room, it may have been this very connection that took it up (P18); and
// where new ones are not greeted any more, old ones must not hide that.
func (u *upstream) welcome() bool {
	m := u.member()
	return m != nil && m.Eligible && u.born.After(m.Health.FullAt)
}

// take returns a kept connection that is still fit for use and may carry mail of
// the client (P32), or nil. The caller has a place at b.
func (p *pool) take(b *backend.Backend, client *connector.Client, now time.Time) *upstream {
	for {
		u, serves := p.takeKept(b, client)
		if u == nil {
			return nil
		}
		b.Traffic.Idle.Add(-1)
		if serves && u.welcome() && u.fit(now) {
			return u
		}
		u.retire()
		if !serves {
			return nil
		}
	}
}

// takeKept takes out the connection that was last kept for such a client. Where
// there is none it takes out the oldest if, with the new one that must be made,
// there were more of them than the connector has places.
func (p *pool) takeKept(b *backend.Backend, client *connector.Client) (u *upstream, serves bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.idle[b]
	i := len(kept) - 1
	for i >= 0 && !kept[i].Serves(client) {
		i--
	}
	if serves = i >= 0; !serves {
		if limit := b.Limit(); len(kept) == 0 || limit <= 0 || b.InFlight()+int64(len(kept)) <= limit {
			return nil, false
		}
		i = 0
	}
	u = kept[i]
	p.idle[b] = slices.Delete(kept, i, i+1)
	return u, serves
}

// keep puts a connection back, or says goodbye where it has served enough.
func (p *pool) keep(u *upstream, now time.Time) {
	u.idleSince = now
	if !u.withinBudget(now) || !u.welcome() {
		u.quit()
		return
	}
	if out := p.putBack(u); out != nil {
		out.quit()
	}
}

// putBack keeps a connection and returns the one that must go for it, if there are
// enough: itself, or where each is for one client only the one that has idled
// longest, which is the least likely to be wanted again.
func (p *pool) putBack(u *upstream) (out *upstream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Both are looked at under the lock, or the last tidy could miss this one.
	over := u.only != nil && u.only.over.Load()
	if over || p.Reuse.MaxIdle == 0 || p.retired.Load() || p.srv.draining.Load() {
		return u
	}
	kept := p.idle[u.backend]
	if len(kept) >= p.Reuse.MaxIdle {
		if !u.Told() {
			return u
		}
		out = kept[0]
		kept = slices.Delete(kept, 0, 1)
		u.backend.Traffic.Idle.Add(-1)
	}
	p.idle[u.backend] = append(kept, u)
	u.backend.Traffic.Idle.Add(1)
	return out
}

// forgetKept says goodbye to what pools keep for this session alone, which is over.
func (s *session) forgetKept() {
	s.over.Store(true)
	for _, p := range s.front.pools {
		if p = p.latest(); p.Identity != connector.IdentityNone && p.Identity != connector.IdentityXFORWARD {
			p.forget(s)
		}
	}
}

func (p *pool) forget(s *session) {
	var gone []*upstream
	p.mu.Lock()
	for b, kept := range p.idle {
		p.idle[b] = slices.DeleteFunc(kept, func(u *upstream) bool {
			if u.only == s {
				gone = append(gone, u)
			}
			return u.only == s
		})
	}
	p.mu.Unlock()
	for _, u := range gone {
		u.backend.Traffic.Idle.Add(-1)
		u.quit()
	}
}

// tidy says goodbye to kept connections that have idled too long or were closed
// by their connector, and to all of a connector that may not get mail any more.
// It wakes who waits for a place, as there may be one now.
func (p *pool) tidy(now time.Time) {
	var gone []*upstream
	p.mu.Lock()
	closing := p.retired.Load() || p.srv.draining.Load()
	for b, kept := range p.idle {
		fit := kept[:0]
		for _, u := range kept {
			if !closing && u.welcome() && u.fit(now) {
				fit = append(fit, u)
			} else {
				gone = append(gone, u)
			}
		}
		clear(kept[len(fit):])
		p.idle[b] = fit
		if len(fit) == 0 {
			delete(p.idle, b)
		}
	}
	p.waiting.wakeAll()
	p.mu.Unlock()
	for _, u := range gone {
		u.backend.Traffic.Idle.Add(-1)
		u.quit()
	}
}
