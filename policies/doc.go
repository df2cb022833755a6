// Package policies decides in which order the connectors of a pool are tried.
//
// It owns the candidates: [NewCandidates] is the one place that turns a pool's
// snapshot into tiers of connectors that may be tried, and that can say of each
// other one why it is out. And it owns the policies, one file each, that put
// the candidates in order.
//
// A transaction passes through it so: the relay builds (or keeps) the
// [Candidates] of its pool's snapshot, asks [Candidates.Able] whether anybody
// can serve what the sender asked for, calls [Policy.Start] once, and then
// [Policy.Next] until an attempt succeeds. Failover is nothing but the next
// Next. Nothing here allocates for each transaction.
//
// The package never dials, waits, counts or keeps a place at a connector, and
// knows nothing of time: eligibility was derived by the registry, limits are
// asked for by the relay ([backend.Backend.Acquire]).
package policies
