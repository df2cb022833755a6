package balancer

import (
	"slices"

	"weir/internal/backend"
	"weir/internal/smtp"
	"weir/policies"
)

// place is a pool on a transaction's way.
type place struct {
	pool  *pool
	cost  int  // of the route's target
	calm  bool // without those that are only used in panic: another pool has somebody better
	sound bool // somebody can take the message who is not only used in panic
}

func (p *place) candidates() *policies.Candidates { return p.pool.candidates(p.calm) }

// places appends the pools of a way to dst, in the order in which they are asked:
// by cost, but those with nobody except in panic come last. A listener with a pool
// of its own has no ways.
func (f *front) places(way *policies.Way, needs policies.Needs, dst []place) []place {
	if way == nil {
		if p := f.pools[0].latest(); f.routes == nil && !p.removed() {
			dst = append(dst, place{pool: p})
		}
		return dst
	}
	for _, to := range way.Targets {
		if p := f.all[to.Pool].latest(); !p.removed() {
			dst = append(dst, place{pool: p, cost: to.Cost})
		}
	}
	if len(dst) > 1 {
		dst = rank(dst, needs)
	}
	return dst
}

// rank puts places that are in order of cost into the order of asking.
func rank(list []place, needs policies.Needs) []place {
	sound := 0
	for i := range list {
		p := &list[i]
		if p.sound = hasSound(p.pool.view(), needs); p.sound {
			sound++
		}
	}
	slices.SortStableFunc(list, func(a, b place) int { return rankOf(a) - rankOf(b) })
	for i := range max(sound-1, 0) {
		if p := list[i]; p.pool.view().Panic {
			list[i].calm = true
			list = append(list, place{pool: p.pool, cost: p.cost})
		}
	}
	slices.SortStableFunc(list[sound:], func(a, b place) int { return a.cost - b.cost })
	return list
}

func rankOf(p place) int {
	if p.sound {
		return 0
	}
	return 1
}

// hasSound reports whether somebody in the pool can serve the needs who is not
// only used in panic.
func hasSound(p *backend.Pool, needs policies.Needs) bool {
	for _, m := range p.Members {
		if !m.Eligible || m.State == backend.StateEjected {
			continue
		}
		if serves(m, needs) {
			return true
		}
	}
	return false
}

func serves(m *backend.Member, needs policies.Needs) bool {
	c := policies.Candidate{Capabilities: m.Health.Capabilities}
	return c.Serves(needs)
}

// anybody reports whether any connector that the listener can reach may get mail.
func (f *front) anybody() bool {
	return slices.ContainsFunc(f.pools, func(p *pool) bool { return p.view().Eligible > 0 })
}

// route sorts the group's recipients: those that the transaction's connector is to
// answer are wanted, the others are answered here. The first that has a way fixes
// the transaction's.
func (t *transaction) route() {
	t.wanted = t.wanted[:0]
	for i := range t.group {
		r := &t.group[i]
		switch {
		case r.own:
		case t.s.front.routes != nil && t.s.pinned.Load() == nil && !t.sameWay(r):
		case !t.need(r):
			t.answer(r, otherNeeds)
		default:
			t.wanted = append(t.wanted, i)
		}
	}
}

// takesOne reports whether a transaction on this way takes one recipient (P35): an
// LMTP connector would answer the end of the content for each, and a sender hears
// only one answer.
func (t *transaction) takesOne() bool {
	f, lmtp := t.s.front, func(p *pool) bool { return p.latest().LMTP }
	switch u := t.s.pinned.Load(); {
	case u != nil:
		return lmtp(u.pool)
	case t.way == nil:
		return lmtp(f.pools[0])
	}
	return slices.ContainsFunc(t.way.Targets, func(to policies.Target) bool { return lmtp(f.all[to.Pool]) })
}

func (t *transaction) sameWay(r *recipient) bool {
	way, _ := t.s.front.routes.Find(&policies.Query{
		Listener: t.s.front.Name, From: t.mail.From, Rcpt: r.To, Size: t.mail.Size, Client: t.s.client.Addr(),
	})
	switch {
	case way == nil:
		t.answer(r, noRoute)
		return false
	case t.way == nil:
		t.way = way
		t.rec.Pool = way.Targets[0].Pool
	case t.way != way:
		t.answer(r, otherWay)
		return false
	}
	return true
}

// answer answers one recipient in weir's own words.
func (t *transaction) answer(r *recipient, w words) {
	r.reply, r.own = smtp.NewReply(w.Code, w.Enhanced, w.Text+" (weir "+t.id+")"), true
}
