package balancer

import (
	"context"
	"errors"

	"weir/internal/backend"
)

// disabled is why a connector must be left at once: an operator wants it so.
type disabled struct{ by string }

// Error names who has disabled it.
func (d *disabled) Error() string {
	if d.by == "" {
		return "disabled"
	}
	return "disabled by " + d.by
}

// fault is what leaving becomes for the transaction. It says nothing against the
// connector.
func (d *disabled) fault(kind faultKind, stage backend.Stage) fault {
	return fault{kind: kind, stage: stage, why: d.Error(), ordered: true}
}

// reasonToLeave returns why a member must be left at once, or nil.
func reasonToLeave(m *backend.Member) *disabled {
	if m.State != backend.StateDisabled {
		return nil
	}
	return &disabled{by: m.Admin.By}
}

// disabled returns why a connector must be left at once, or nil.
func (p *pool) disabled(b *backend.Backend) *disabled {
	m := memberOf(p.view(), b)
	if m == nil {
		return nil
	}
	return reasonToLeave(m)
}

// expel takes everything away from connectors that were disabled since a
// snapshot, and returns the present one. Whoever turns to such a connector only
// after this has looked sees it in the registry by itself.
func (s *Server) expel(since *backend.Snapshot) *backend.Snapshot {
	now := s.deps.Registry.Snapshot()
	out := map[*backend.Backend]*disabled{}
	for _, p := range now.Pools {
		if since.Pool(p.Name) == p {
			continue
		}
		for _, m := range p.Members {
			if why := reasonToLeave(m); why != nil && m.InFlight() > 0 {
				out[m.Backend] = why
			}
		}
	}
	if len(out) > 0 {
		s.eachSession(func(sess *session) { sess.expel(out) })
	}
	s.wakePinned()
	return now
}

// expel cuts the session off from the connectors that are out.
func (s *session) expel(out map[*backend.Backend]*disabled) {
	if d := s.dialling.Load(); d != nil && out[d.backend] != nil {
		d.cancel(out[d.backend])
	}
	if u := s.upstream.Load(); u != nil && out[u.backend] != nil {
		u.expel(out[u.backend])
		s.interrupt() // it may be waiting for its sender
	}
}

// expel breaks the connection under whoever uses it, who finds the reason in it.
func (u *upstream) expel(why *disabled) {
	if u.out.CompareAndSwap(nil, why) {
		u.Abort()
	}
}

// dialling is a connection on its way.
type dialling struct {
	backend *backend.Backend
	cancel  context.CancelCauseFunc
}

// dialling begins to dial a connector, in a context that ends when the connector
// is disabled. The caller ends it by hangUp.
func (t *transaction) dialling(b *backend.Backend) (ctx context.Context, hangUp func()) {
	ctx, cancel := context.WithCancelCause(t.s.srv.base)
	t.s.dialling.Store(&dialling{b, cancel})
	if why := t.pool.disabled(b); why != nil {
		cancel(why)
	}
	return ctx, func() {
		t.s.dialling.Store(nil)
		cancel(nil)
		t.tick()
	}
}

// expelledBy returns why dialling was ended, if a disabled connector is why.
func expelledBy(ctx context.Context) *disabled {
	var why *disabled
	errors.As(context.Cause(ctx), &why)
	return why
}

// expelled reports whether the transaction must leave the connector it is at.
func (t *transaction) expelled() bool { return t.at != nil && t.at.out.Load() != nil }

// moveOut leaves a disabled connector while it is the sender that is waited for,
// and brings the next one to where this was.
func (t *transaction) moveOut() {
	f := t.at.out.Load().fault(faultLost, t.rec.Stage)
	c := t.content
	switch {
	case t.verdict.Code != 0:
		t.leave(&f) // the message's fate is known
	case c != nil:
		if t.at.sent > 0 {
			c.moves++
		}
		c.until = t.tick().Add(totalBody)
		c.recover(&f)
	default:
		t.leave(&f)
		if len(t.accepted) > 0 {
			t.reach(goalEnvelope, false, t.tick().Add(totalData)) // DATA may be under way
		}
	}
}
