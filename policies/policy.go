package policies

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"weir/internal/backend"
)

// The names of the policies, as the config spells them.
const (
	RoundRobin       = "round-robin"
	LeastConnections = "least-connections"
	LeastLoad        = "least-load"
	Maglev           = "maglev"
	Random           = "random"
)

// Request is what a policy may know of a transaction.
type Request struct {
	Client     netip.Addr
	From, Rcpt string // addresses without angle brackets; From is empty for the null sender
	Needs      Needs
	Now        time.Time // when the choice is made
}

// Key says by what of a transaction connectors are told apart, for affinity and
// for maglev.
type Key uint8

// The keys.
const (
	KeyNone    Key = iota
	KeyClient      // the client's exact address
	KeyNetwork     // its /24, or /64 of IPv6
	KeySender      // the reverse-path; a bounce, which has none, goes by its recipient
)

// Options are how a pool's connectors are chosen.
type Options struct {
	Policy      string
	Hash        Key           // what maglev goes by; any but KeyNone
	Affinity    Key           // KeyNone: none
	AffinityTTL time.Duration // above 0 with an affinity: kept so long after its last use
	// Seed makes what is random the same each time, and says where a round begins;
	// 0: another one each time, and rounds of round-robin at their beginning.
	Seed uint64
}

// Policy puts the candidates of one pool in order. One value serves all
// transactions of its pool at the same time; what belongs to one transaction is
// in its [Cursor], which nobody else touches.
type Policy struct {
	chooser  chooser
	hash     Key       // what the chooser goes by
	affinity *affinity // nil: there is none
	tickets  atomic.Uint64
}

// chooser is what makes a policy: whom of a tier a transaction tries first, and
// whom when that fails. The others follow in the order of the ring.
type chooser interface {
	// first returns an index of t.Members, which are not empty.
	first(t *Tier, cur *Cursor) int
	// second returns another one than cur.first. It is asked after the first was
	// passed, and only where there are two.
	second(t *Tier, cur *Cursor) int
}

// New returns the policy of that name, as the config spells it. Each pool has
// its own.
func New(o Options) (*Policy, error) {
	p := &Policy{}
	seed := mix(o.Seed)
	if o.Seed == 0 {
		seed = rand.Uint64()
	}
	switch o.Policy {
	case RoundRobin:
		p.chooser = roundRobin{}
	case LeastConnections:
		p.chooser = leastConnections{}
	case LeastLoad:
		p.chooser = leastLoad{}
	case Random:
		p.chooser = random{}
	case Maglev:
		if o.Hash == KeyNone {
			return nil, errors.New("policy maglev goes by a hash: name one")
		}
		p.chooser, p.hash = &maglev{}, o.Hash
	default:
		return nil, fmt.Errorf("unknown policy %q: there are %s, %s, %s, %s and %s",
			o.Policy, RoundRobin, LeastConnections, LeastLoad, Maglev, Random)
	}
	if o.Policy != RoundRobin || o.Seed != 0 {
		p.tickets.Store(seed) // replicas that start together do not go in step
	}
	if o.Affinity != KeyNone {
		if o.AffinityTTL <= 0 {
			return nil, errors.New("an affinity needs a lifetime above 0")
		}
		p.affinity = newAffinity(o.Affinity, o.AffinityTTL, seed)
	}
	return p, nil
}

// Start begins an order for one transaction. It keeps neither the request nor
// anything that it points to; the cursor keeps the candidates.
func (p *Policy) Start(r *Request, c *Candidates, cur *Cursor) {
	p.begin(r, c, cur, p.tickets.Add(1)-1)
	if p.affinity != nil {
		cur.preferred = p.affinity.use(r)
	}
}

// Preview begins the order that the next transaction like this one would get,
// and changes nothing.
func (p *Policy) Preview(r *Request, c *Candidates, cur *Cursor) {
	p.begin(r, c, cur, p.tickets.Load())
	cur.preferred = p.Preferred(r)
}

func (p *Policy) begin(r *Request, c *Candidates, cur *Cursor, ticket uint64) {
	*cur = Cursor{candidates: c, needs: r.Needs, now: r.Now, ticket: ticket}
	if p.hash != KeyNone {
		var ok bool
		if cur.key, ok = p.hash.hash(0, r); !ok {
			cur.key = mix(ticket) // nothing to go by: spread
		}
	}
}

// Settled is told which connector has got the envelope of a transaction: the
// next ones that affinity counts as alike prefer it.
func (p *Policy) Settled(r *Request, b *backend.Backend) {
	if p.affinity != nil {
		p.affinity.settle(r, b)
	}
}

// Preferred returns the name of the connector that affinity remembers for
// transactions like this one, candidate or not; empty: none. It does not count as a
// use.
func (p *Policy) Preferred(r *Request) string {
	if p.affinity == nil {
		return ""
	}
	return p.affinity.find(r)
}
