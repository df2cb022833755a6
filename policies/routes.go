package policies

import "net/netip"

// Route is an address space: the recipients whose mail goes to some pools.
type Route struct {
	Name      string   // for people, "routes[2]"
	Match     []string // recipient domains in lower case, as A-labels: "fax.example.com", "*.example.com" or "*"
	From      []string // senders: "a@example.com", "example.com", "*.example.com" or "<>"; none: anyone
	Listeners []string // none: any
	MaxSize   int64    // octets that a message may declare; 0: no limit
	To        []Target // by cost; at least one
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
	Targets []Target
}

// Routes finds a recipient's way. It never changes; a look-up costs the same
// however many routes there are.
type Routes struct{}

// NewRoutes makes the table of routes that config has checked.
func NewRoutes([]Route) *Routes { return &Routes{} }

// Find returns the way of a recipient and the route it was found by, or nil when
// no route matches.
func (r *Routes) Find(q *Query) (*Way, *Route) { return nil, nil }
