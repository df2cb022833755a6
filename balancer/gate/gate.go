package gate

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Gate is the door of one listener. S is what its caller knows a session by. It may
// be used by many at once. Every now that it is given is to be of one clock.
type Gate[S any] struct {
	epoch time.Time
	rules atomic.Pointer[rules]

	mu        sync.Mutex
	inside    int        // visits, and those who knock
	knocking  int        // connections whose proxy has yet to say for whom it speaks
	shedding  int        // visits that are to go and have not yet gone
	clients   table[int] // visits, where there are any
	crowd     *crowd[S]  // visits but for those that are exempt or being shed
	rates     *ledger    // nil: no rate was ever asked for
	offenders *ledger    // nil: no tarpit was ever asked for
}

// Entry is what Enter has decided.
type Entry[S any] struct {
	Visit   *Visit[S]     // nil: refused
	Refusal Refusal       // where it is
	Delay   time.Duration // for so long the greeting is held back, for an offender

	// Sheds is set when another session is to make room, and Shed is its owner: it is
	// told [Refuse](MadeRoom) and closed, at once where it is at a boundary. Its Leave
	// is still to come.
	Sheds bool
	Shed  S
}

// New makes a gate that nobody has passed.
func New[S any](l Limits, now time.Time) *Gate[S] {
	g := &Gate[S]{epoch: now, clients: newTable[int](), crowd: newCrowd[S]()}
	g.Limit(l)
	return g
}

// Limit sets other limits, from here on. Who is inside stays and is counted on, as
// are past connections and offences; who was exempt on entering stays so.
func (g *Gate[S]) Limit(l Limits) {
	r := newRules(l)
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.interval > 0 && g.rates == nil {
		g.rates = newLedger(ratePlaces)
	}
	if r.Tarpit > 0 && g.offenders == nil {
		g.offenders = newLedger(offenderPlaces)
	}
	g.rules.Store(r)
}

// The places in the ledgers, of 16 octets each.
const (
	ratePlaces     = 1 << 16
	offenderPlaces = 1 << 14
)

// Inside is how many places are taken: by visits, those that are being shed among
// them, and by those who knock.
func (g *Gate[S]) Inside() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside
}

// Enter asks for a client that has connected from addr. The time it takes does not
// depend on how many are inside.
func (g *Gate[S]) Enter(owner S, addr netip.Addr, now time.Time) Entry[S] {
	return g.enter(owner, addr, true, now)
}

// EnterUnknown asks for a client of which the proxy at addr does not say the address.
// It counts as that proxy, but what is exempt there is not exempt here: it may be anybody.
func (g *Gate[S]) EnterUnknown(owner S, addr netip.Addr, now time.Time) Entry[S] {
	return g.enter(owner, addr, false, now)
}

func (g *Gate[S]) enter(owner S, addr netip.Addr, known bool, now time.Time) Entry[S] {
	addr = addr.Unmap().WithZone("")
	r := g.rules.Load()
	if !r.admits(addr) {
		return Entry[S]{Refusal: Refuse(Denied)}
	}
	v := &Visit[S]{gate: g, owner: owner, spared: known && r.spares(addr)}
	var from key
	if addr.IsValid() {
		v.client, from = keys(addr)
	}
	at := now.Sub(g.epoch)

	g.mu.Lock()
	defer g.mu.Unlock()
	entry := Entry[S]{Visit: v}
	if !v.spared {
		if refusal := g.personal(r, v.client, at); refusal.refused() {
			return Entry[S]{Refusal: refusal}
		}
		victim, room := g.makeRoom(r, from)
		if !room {
			return Entry[S]{Refusal: Refuse(TooMany)}
		}
		if victim != nil {
			g.shed(victim)
			entry.Sheds, entry.Shed = true, victim.owner
		}
		g.crowd.add(v, from)
		entry.Delay = g.delay(r, v.client, at)
	}
	g.inside++
	g.clients[v.client.family][v.client.bits]++
	return entry
}

// personal asks the limits that one client is under. To be refused by them is an
// offence of its own, if a small one.
func (g *Gate[S]) personal(r *rules, client key, at time.Duration) (no Refusal) {
	switch {
	case r.interval > 0 && !g.rates.charge(client, at, r.interval, r.RatePerIP.Per):
		no = Refuse(TooOften)
	case r.PerIP > 0 && g.clients.get(client) >= r.PerIP:
		no = Refuse(TooManyPerIP)
	default:
		return Refusal{}
	}
	g.offend(client, at, refusalWeighs)
	return no
}

// makeRoom reports whether there is room for one more of that network, and who has
// to go for it. Nobody goes for one whose network would then be the heavier one.
func (g *Gate[S]) makeRoom(r *rules, from key) (victim *Visit[S], room bool) {
	limit := r.Connections
	switch {
	case limit <= 0 || g.inside-g.shedding < limit:
		return nil, true
	case g.shedding >= slack(limit):
		return nil, false // those who were to go are slow to go
	case g.crowd.count(from)+1 >= g.crowd.heaviest:
		return nil, false
	}
	return g.crowd.victim(), true
}

// slack is how many visits there may be above the limit, while as many are being shed.
func slack(limit int) int { return max(limit/8, 16) }

func (g *Gate[S]) shed(v *Visit[S]) {
	g.crowd.remove(v)
	v.shed = true
	g.shedding++
}
