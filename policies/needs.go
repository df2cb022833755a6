package policies

import "weir/internal/backend"

// Needs is what a transaction asks of a connector (P31).
type Needs struct {
	Ext  backend.Extension // all of them must be offered
	Size int64             // octets declared by the sender (RFC 1870); 0: none declared
}

// Ability says whether a pool can serve some needs.
type Ability struct {
	Now  bool // a candidate can: go on
	Ever bool // a member can, though perhaps not now; a temporary answer is right

	// What no member can serve, when Ever is false: the extensions that are
	// missing, or else the size.
	Missing backend.Extension
	TooBig  bool
}

// serves reports whether a connector with these capabilities can serve the
// needs. One whose EHLO nobody has seen yet is believed to be able: the relay
// finds out when it connects, and a wrong "never" would bounce mail.
func serves(c backend.Capabilities, n Needs) bool {
	return !c.Known || c.Has(n.Ext) && fits(c, n.Size)
}

// fits takes a limit of 0 for none (RFC 1870 section 3).
func fits(c backend.Capabilities, size int64) bool {
	return c.Size == 0 || size <= c.Size || !c.Has(backend.ExtSize)
}

// Able says whether the pool can serve the needs now, in general, or never.
// In general counts every member, as it was last seen healthy (P30).
func (c *Candidates) Able(n Needs) Ability {
	for _, t := range c.Tiers {
		for i := range t.Members {
			if t.Members[i].Serves(n) {
				return Ability{Now: true, Ever: true}
			}
		}
	}
	return c.general(n)
}

// general judges by all members. A pool without members rules nothing out.
func (c *Candidates) general(n Needs) Ability {
	members := c.pool.Members
	var offered backend.Extension
	extended := false // somebody offers all the extensions, if not the size
	for i := range members {
		caps := members[i].Health.Capabilities
		if serves(caps, n) {
			return Ability{Ever: true}
		}
		offered |= caps.Ext
		extended = extended || caps.Has(n.Ext)
	}
	switch missing := n.Ext &^ offered; {
	case len(members) == 0:
		return Ability{Ever: true}
	case extended:
		return Ability{TooBig: true}
	case missing != 0:
		return Ability{Missing: missing}
	default:
		return Ability{Missing: n.Ext} // each is offered by somebody, but not by one and the same
	}
}
