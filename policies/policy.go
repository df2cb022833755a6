package policies

import (
	"fmt"
	"net/netip"
)

// RoundRobin is the name of the smooth weighted round robin.
const RoundRobin = "round-robin"

// Request is what a policy may know of a transaction.
type Request struct {
	Client     netip.Addr
	From, Rcpt string // addresses without angle brackets; From is empty for the null sender
	Needs      Needs
}

// Policy orders the candidates of one pool. One value serves all transactions
// of its pool at the same time; what belongs to one transaction is in its
// Cursor, which nobody else touches.
type Policy interface {
	// Start begins an order for one transaction. It keeps neither the request
	// nor anything that it points to; the cursor keeps the candidates.
	Start(*Request, *Candidates, *Cursor)
	// Next returns the next candidate to try, each at most once, and nil when
	// there is none left. Candidates that cannot serve the request's needs are
	// left out; lower tiers come first.
	Next(*Cursor) *Candidate
}

// Cursor is a transaction's place in the order. Its zero value is exhausted;
// [Policy.Start] sets it, also anew.
type Cursor struct {
	candidates *Candidates
	needs      Needs
	ticket     uint64
	tier       int // index of the tier that is being tried
	step       int // members of that tier that were passed
	first      int // index of its first choice
	second     int // index of its second choice
}

// New returns the policy of that name, as the config spells it. Each pool has
// its own.
func New(name string) (Policy, error) {
	switch name {
	case RoundRobin:
		return &roundRobin{}, nil
	default:
		return nil, fmt.Errorf("unknown policy %q", name)
	}
}
