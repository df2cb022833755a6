// Package policies decides in which order the connectors of a pool are tried.
//
// It owns the candidates: [NewCandidates] is the one place that turns a pool's
// snapshot into tiers of connectors that may be tried, and that can say of each
// other one why it is out. It owns the policies, one file each, that put the
// candidates in order, and the affinity that goes before them. And it owns the
// [Routes], which say what pools a recipient's mail may go to.
//
// A transaction passes through it so: the relay builds (or keeps) the
// [Candidates] of its pool's snapshot, asks [Candidates.Able] whether anybody
// can serve what the sender asked for, calls [Policy.Start] once, and then
// [Policy.Next] until an attempt succeeds, and [Policy.Settled] when a connector
// has answered. Failover is nothing but the next Next. Cost comes first, then
// what the transaction needs, then affinity, then the policy. Nothing here
// allocates for each transaction.
//
// The package never dials, waits, counts or keeps a place at a connector, and
// has no clock: requests tell the time. Eligibility was derived by the registry,
// limits are asked for by the relay ([backend.Backend.Acquire]), and latencies
// are what it observed ([backend.Latency]).
package policies
