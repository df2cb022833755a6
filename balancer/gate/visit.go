package gate

import "time"

// Visit is one connection inside. Its methods may be called by many at once; after
// Leave they do nothing.
type Visit[S any] struct {
	links[Visit[S]]
	gate   *Gate[S]
	owner  S
	client key
	spared bool // exempt from limits, on entering

	network *network[S] // nil: not to be shed
	idle    bool        // at a boundary
	shed    bool        // is to go
	left    bool
}

// Boundary tells that the session now waits outside of any transaction, or does not
// any more. On entering it does.
func (v *Visit[S]) Boundary(at bool) {
	g := v.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	n := v.network
	if n == nil || v.idle == at {
		return
	}
	n.of(v.idle).remove(v)
	v.idle = at
	n.of(v.idle).push(v)
}

// Leave tells that the connection is closed.
func (v *Visit[S]) Leave() {
	g := v.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if v.left {
		return
	}
	v.left = true
	g.inside--
	if n := g.clients.get(v.client); n > 1 {
		g.clients.set(v.client, n-1)
	} else {
		g.clients.drop(v.client)
	}
	if v.network != nil {
		g.crowd.remove(v)
	}
	if v.shed {
		g.shedding--
	}
}

// An Offence is something that honest senders do not do.
type Offence time.Duration

// The offences, by the time for which each is held against a client. Together it is
// at most mostHeld.
const (
	TooManyErrors Offence = Offence(20 * time.Minute) // P24
	EarlyTalker   Offence = Offence(20 * time.Minute) // P26
	refusalWeighs Offence = Offence(time.Minute)      // per-ip and rate
)

// A client is an offender while more than offender is held against it.
const (
	offender = 10 * time.Minute
	mostHeld = 30 * time.Minute
)

// Offend holds an offence against the client, for some minutes and after the
// connection's end too.
func (v *Visit[S]) Offend(o Offence, now time.Time) {
	g := v.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if !v.spared && !v.left {
		g.offend(v.client, now.Sub(g.epoch), o)
	}
}

// Delay is for how long the next reply is to be held back; 0 for those who are no
// offenders. It costs next to nothing where there is no tarpit.
func (v *Visit[S]) Delay(now time.Time) time.Duration {
	g := v.gate
	r := g.rules.Load()
	if r.Tarpit <= 0 || v.spared {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.delay(r, v.client, now.Sub(g.epoch))
}

func (g *Gate[S]) offend(client key, at time.Duration, o Offence) {
	if g.rules.Load().Tarpit > 0 {
		g.offenders.add(client, at, time.Duration(o), mostHeld)
	}
}

func (g *Gate[S]) delay(r *rules, client key, at time.Duration) time.Duration {
	if r.Tarpit > 0 && g.offenders.debt(client, at) > offender {
		return r.Tarpit
	}
	return 0
}
