package policies

import (
	"net/netip"
	"slices"
)

// Route is an address space: the recipients whose mail goes to some pools.
type Route struct {
	Name      string   // for people, "routes[2]"
	Match     []string // recipient domains as [Domain] gives them: "fax.example.com", "*.example.com" (any depth, not itself) or "*"
	From      []string // senders: "a@example.com", "example.com", "*.example.com" or "<>", in lower case; none: anyone
	Listeners []string // none: any
	MaxSize   int64    // octets that a message may declare; 0: no limit
	To        []Target // at least one
}

// Target is a pool that a route leads to.
type Target struct {
	Pool string
	Cost int // never negative; the lowest is asked first
}

// Query is what a route is chosen by.
type Query struct {
	Listener   string
	From, Rcpt string // addresses without angle brackets
	Size       int64  // declared octets; 0: none
	Client     netip.Addr
}

// Way is where a recipient's mail goes. Two recipients whose ways are the same
// pointer can share a transaction.
type Way struct {
	Targets []Target // by cost; of equal ones, in the order of the config
}

// Routes finds a recipient's way. It never changes; a look-up costs the same
// however many routes there are, and allocates only for names that are not
// ASCII.
//
// The most specific pattern goes first: the domain itself, then "*." patterns
// from the longest to the shortest, then "*". Among the routes of one pattern,
// those with a condition go before those without: by the sender's address, by
// its domain, by "*." of it; then those that take the smaller messages; then in
// the order of the config. A route whose conditions do not hold is passed over.
type Routes struct {
	spaces   map[string]space // by the domain of the pattern
	any      *ranking         // of "*"
	routes   []rule           // in the order of the config
	hostname []byte           // folded
	bySender bool             // some route asks for the sender
}

// space is what is known of a domain: routes for itself, and for what is below it.
type space struct{ exact, below *ranking }

// Find returns the way of a recipient and the route it was found by, or nil when
// no route matches. A recipient without a domain is looked up by the hostname's;
// <postmaster> then always has a way while there is any route (RFC 5321 section
// 4.5.1): at the worst that of the first one.
func (r *Routes) Find(q *Query) (*Way, *Route) {
	found, _ := r.find(q)
	if found == nil {
		return nil, nil
	}
	return found.way, found.route
}

// Pattern returns the pattern that [Routes.Find] finds the way by; empty where
// none matches.
func (r *Routes) Pattern(q *Query) string {
	found, at := r.find(q)
	switch domain := string(r.domain(nil, q.Rcpt)); {
	case found == nil || at == atNone:
		return ""
	case at == atAny:
		return "*"
	case at == 0:
		return domain
	default:
		return "*." + domain[at:]
	}
}

// Where a pattern was found when it was none of the domain's own.
const (
	atAny  = -1 - iota // "*"
	atNone             // no pattern: a way had to be found
)

// find returns a rule, and the place in the folded domain from where the
// pattern has it; 0 is the domain itself.
func (r *Routes) find(q *Query) (*rule, int) {
	var domainRoom [256]byte
	var senderRoom [320]byte
	c := conditions{query: q}
	if r.bySender {
		c.sender, c.domain = foldSender(senderRoom[:0], q.From)
	}
	domain := r.domain(domainRoom[:0], q.Rcpt)
	if found := r.spaces[string(domain)].exact.first(&c); found != nil {
		return found, 0
	}
	for i := range dots(domain) {
		if found := r.spaces[string(domain[i:])].below.first(&c); found != nil {
			return found, i
		}
	}
	if found := r.any.first(&c); found != nil {
		return found, atAny
	}
	if isPostmaster(q.Rcpt) && len(r.routes) > 0 {
		return r.refuge(&c), atNone
	}
	return nil, atAny
}

// domain folds the recipient's domain into room.
func (r *Routes) domain(room []byte, rcpt string) []byte {
	_, domain, ok := cutAddress(rcpt)
	if !ok {
		return r.hostname
	}
	return foldDomain(room, domain)
}

// refuge is the first route that may take a message when no pattern matches.
func (r *Routes) refuge(c *conditions) *rule {
	for i := range r.routes {
		if one := &r.routes[i]; len(one.route.From) == 0 && one.takes(c) {
			return one
		}
	}
	return &r.routes[0]
}

// conditions is what routes of one pattern are told apart by.
type conditions struct {
	query          *Query
	sender, domain []byte // folded; the null sender is "<>", and has no domain
}

// rule is a route with the way that it leads.
type rule struct {
	route *Route
	way   *Way
}

// takes reports whether the conditions hold that are not the sender's.
func (r *rule) takes(c *conditions) bool {
	return (r.route.MaxSize == 0 || c.query.Size <= r.route.MaxSize) &&
		(len(r.route.Listeners) == 0 || slices.Contains(r.route.Listeners, c.query.Listener))
}

// ranking holds the routes of one pattern, so that the first that fits is the
// most specific. A nil one has none.
type ranking struct {
	senders map[string]senders // by address or domain; nil when no route asks for the sender
	anyone  rules
}

// senders is what is known of a sender's address or domain.
type senders struct{ exact, below rules }

type rules []*rule

func (k *ranking) first(c *conditions) *rule {
	if k == nil {
		return nil
	}
	if k.senders != nil {
		if found := k.bySender(c); found != nil {
			return found
		}
	}
	return k.anyone.first(c)
}

func (k *ranking) bySender(c *conditions) *rule {
	if found := k.senders[string(c.sender)].exact.first(c); found != nil {
		return found
	}
	if len(c.domain) == 0 {
		return nil
	}
	if found := k.senders[string(c.domain)].exact.first(c); found != nil {
		return found
	}
	for i := range dots(c.domain) {
		if found := k.senders[string(c.domain[i:])].below.first(c); found != nil {
			return found
		}
	}
	return nil
}

func (all rules) first(c *conditions) *rule {
	for _, one := range all {
		if one.takes(c) {
			return one
		}
	}
	return nil
}
