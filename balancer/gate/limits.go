package gate

import (
	"net/netip"
	"time"
)

// Limits say who may come in at a listener, and how many. 0 is no limit. They are
// taken as they are: config checks them.
type Limits struct {
	Connections int  // inside at once
	PerIP       int  // inside at once, of one address or /64
	RatePerIP   Rate // connections of one address or /64

	// Of Allow and Deny the longest prefix decides that holds the address, and Deny
	// between equals. With Allow given, an address that is in neither is denied.
	Allow, Deny []netip.Prefix

	// Exempt are never refused or shed for Connections, PerIP or RatePerIP, and no
	// offence of theirs counts. They take places all the same.
	Exempt []netip.Prefix

	// Tarpit is for how long an offender's connection and each reply on it is held
	// back; 0: not at all, and nobody's offences are remembered.
	Tarpit time.Duration
}

// Rate is a number of events in a time. As many may come at once, and then one
// more for each Per/Events that passes. Without either there is no limit.
type Rate struct {
	Events int
	Per    time.Duration
}

// interval is the time that one event takes up; 0: there is no limit.
func (r Rate) interval() time.Duration {
	if r.Events <= 0 || r.Per <= 0 {
		return 0
	}
	return max(r.Per/time.Duration(r.Events), 1)
}

// rules are limits in the form in which they are asked.
type rules struct {
	Limits
	entry    prefixes[bool] // true: denied
	exempt   prefixes[bool]
	interval time.Duration
}

func newRules(l Limits) *rules {
	r := &rules{Limits: l, interval: l.RatePerIP.interval()}
	for _, p := range l.Allow {
		r.entry.add(p, false)
	}
	for _, p := range l.Deny {
		r.entry.add(p, true)
	}
	for _, p := range l.Exempt {
		r.exempt.add(p, true)
	}
	return r
}

// admits reports whether the lists let this address in. What has no address, as
// behind a socket in the file system, cannot be told apart: it is let in and spared.
func (r *rules) admits(addr netip.Addr) bool {
	if !addr.IsValid() {
		return true
	}
	denied, found := r.entry.longest(addr)
	if !found {
		return len(r.Allow) == 0
	}
	return !denied
}

// spares reports whether the limits do not hold for this address.
func (r *rules) spares(addr netip.Addr) bool {
	if !addr.IsValid() {
		return true
	}
	_, found := r.exempt.longest(addr)
	return found
}
