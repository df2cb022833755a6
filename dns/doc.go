// Package dns keeps DNS telling the same truth as weir's own choice of connectors:
// one that is ejected or drained leaves DNS, and comes back when it is well.
//
// A change passes through it so: the registry's snapshot and what the replicas
// think → the plan, a pure decision: what should be published, and what may be
// written now (damping, floor, votes) → a [Target], which writes it (dns/update by
// RFC 2136, dns/serve in the embedded server) → read back, and compared again.
//
// It never empties a set, never goes below the floor, never touches a record that
// is not its own, and in doubt leaves DNS as it is: a dead address only delays
// mail, an empty one bounces it (RFC 5321 section 5.1). It knows nothing of
// traffic and judges no connector.
package dns
