// Package sim replays a described load on virtual time, through the code that
// decides in weir: the policies and the candidates they choose from, the machines,
// the jury and the breakers. It answers what no test bench can: how a policy holds
// with a thousand connectors and twenty replicas.
//
// A [Scenario] says who sends how much, how the connectors answer, and what
// happens to them when. [Run] plays it once for each policy:
//
//	scenario ─▶ world: one queue of events, one goroutine, no real time
//	              ├ arrivals ─▶ transaction: policy → stages → answer, or the next candidate
//	              ├ probes   ─▶ health.Judge ─▶ backend.Registry ─▶ policies.Candidates
//	              └ incidents on connectors
//	         ─▶ tally ─▶ [Result]
//
// Replicas share nothing but the connectors. Where no connector has a capacity,
// not even those couple them: then each replica is a world of its own, and worlds
// run in parallel. The same scenario and seed give the same result. What a world
// keeps grows with the connectors and with what is under way, not with the number
// of messages.
//
// Simplified: a message has one recipient, connectors do not refuse for good, no
// sender comes back, probes need no place at a connector, and connections are
// reused until they have been idle for five seconds.
//
// The package opens no socket and knows no time but its own.
package sim
