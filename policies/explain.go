package policies

import "weir/internal/backend"

// Explanation says which connector a transaction would get, and why.
type Explanation struct {
	Listener string
	Route    string          // "routes[2]"; empty where the listener has a pool of its own
	Match    string          // the pattern by which the route was found: "*.example.com"
	Pools    []PoolExplained // in the order in which they are asked
	// Code and Reply are what the sender would be told at RCPT when no connector
	// is chosen; Code 0: one is.
	Code  int
	Reply string
}

// PoolExplained is one pool's part of an explanation.
type PoolExplained struct {
	Pool       string
	Cost       int // of the route's target
	Policy     string
	Affinity   string      // what it goes by; empty: none
	Used       bool        // the transaction begins here
	Why        string      // why it is used or not
	Candidates []Explained // those that are in, in the order in which they would be tried; then the others, by name
}

// Explained is one connector's part of an explanation.
type Explained struct {
	ID      backend.ID
	Address string
	Cost    int // tier
	Weight  int // in hundredths of a configured weight
	In      bool
	Why     string // why it is in or out, in words for people
}
