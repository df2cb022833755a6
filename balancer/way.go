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
	if needs == (policies.Needs{}) {
		return true // as most do, and pools may be large
	}
	c := policies.Candidate{Capabilities: m.Health.Capabilities}
	return c.Serves(needs)
}

// anybody reports whether any connector that the listener can reach may get mail.
func (f *front) anybody() bool {
	return slices.ContainsFunc(f.pools, func(p *pool) bool { return p.view().Eligible > 0 })
}

// nobodyAnywhere ends a transaction for which there is nobody whatever its
// recipients are.
func (t *transaction) nobodyAnywhere() {
	for _, p := range t.s.front.pools {
		t.noteUnable(p)
	}
	t.end(noConnector, Deferred)
}

// answerGroup has every recipient of the group answered. The first that has a way
// fixes the transaction's. Where nobody is accepted on that, others are asked for on
// their own: a pool that has nobody, or refuses its recipients, keeps back nobody
// else's. DATA goes with the last way only.
func (t *transaction) answerGroup(withData bool) {
	limit := t.now.Add(totalRcpt)
	t.catchUp()
	for {
		elsewhere := t.route()
		switch {
		case t.verdict.Code != 0 || len(t.wanted) == 0:
		case t.takesOne():
			t.envelopeOfOne(limit)
		default:
			t.envelope(withData && !elsewhere, limit)
		}
		t.answerWanted()
		if !elsewhere {
			return
		}
		if len(t.wanted) == 0 || !t.free() || t.anyAccepted() {
			break // these are held to the way that there is
		}
	}
	for i := range t.group {
		if r := &t.group[i]; !r.answered {
			t.answer(r, otherWay)
		}
	}
}

// catchUp has a transaction that nothing holds yet go by the listener as a reload has
// left it since MAIL: its pools may be gone, and others there. Whether the session
// must be under TLS is looked at between transactions only.
func (t *transaction) catchUp() {
	s := t.s
	if t.way != nil || len(t.asked) > 0 || !t.free() {
		return
	}
	if f := s.listener.front.Load(); f.TLS == s.front.TLS {
		s.front = f
	}
}

// route sorts the recipients that have no answer yet: those that the transaction's
// connector is to answer are wanted, those that have no way are answered here. It
// reports whether there are others, who go elsewhere.
func (t *transaction) route() (elsewhere bool) {
	t.wanted = t.wanted[:0]
	for i := range t.group {
		r := &t.group[i]
		switch {
		case r.answered:
		case t.s.front.routes != nil && t.s.pinned.Load() == nil && !t.sameWay(r):
			elsewhere = elsewhere || !r.answered
		case !t.need(r):
			t.answer(r, otherNeeds)
		default:
			t.wanted = append(t.wanted, i)
		}
	}
	return elsewhere
}

// answerWanted fixes the answers of those that were wanted: the connector's, or the
// verdict. Of a later way there may be another one.
func (t *transaction) answerWanted() {
	for _, i := range t.wanted {
		r := &t.group[i]
		if t.verdict.Code != 0 && !r.answered {
			r.reply.CopyFrom(&t.verdict)
			r.byConnector = t.verdictByConnector
		}
		r.answered = true
	}
}

// free reports whether nothing holds the transaction to its way: nobody was
// accepted on it.
func (t *transaction) free() bool { return len(t.accepted) == 0 && t.s.pinned.Load() == nil }

// afresh has a transaction that is free begin anew, on this way: what came of the
// one before says nothing of it. What the message itself did to connectors does
// (P14a), and stays.
func (t *transaction) afresh(way *policies.Way) {
	t.settleFailure()
	if t.at != nil {
		t.letGo()
	}
	t.choice = choice{way: way, places: t.places[:0], asked: t.asked[:0], noted: t.noted[:0]}
	t.req.Needs = t.needs()
	t.verdict.Reset()
	t.verdictByConnector, t.lastFault, t.patience = false, fault{}, patience{}
	t.rec.Backend = ""
	if way != nil {
		t.rec.Pool = way.Targets[0].Pool
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

// sameWay reports whether a recipient goes the transaction's way, which is its own
// where it is the first, or nobody before it was accepted.
func (t *transaction) sameWay(r *recipient) bool {
	way, _ := t.s.front.routes.Find(&policies.Query{
		Listener: t.s.front.Name, From: t.mail.From, Rcpt: r.To, Size: t.mail.Size, Client: t.s.client.Addr(),
	})
	switch {
	case way == nil:
		t.answer(r, noRoute)
		return false
	case t.way == way:
	case t.way == nil || len(t.wanted) == 0 && t.free():
		t.afresh(way)
	default:
		return false
	}
	return true
}

// answer answers one recipient in weir's own words.
func (t *transaction) answer(r *recipient, w words) {
	r.reply, r.answered = smtp.NewReply(w.Code, w.Enhanced, w.Text+" (weir "+t.id+")"), true
}
