// Package health finds out which connectors can take mail. It owns the health
// fact of every connector: the verdict with its reason, the capabilities, and
// the result of the last probe.
//
// Evidence comes from two sides. A [Prober] holds a short, polite dialogue with
// a connector now and then (rule P37), and the data path tells the outcome of
// every stage it passes through [Monitor.Begin] and [Monitor.End]. Both end in
// the connector's machine; what needs the other connectors of the pool is the
// jury's. Both are pure and take the time as an argument:
//
//	probe ───▶ machine.probed ──────────────────▶ verdict ─┐
//	traffic ─▶ machine.begin, end ─▶ accusation            ├▶ registry (level),
//	             ledger ─▶ jury.sit ─▶ accusation          │  events (edge)
//	                                   └▶ jury.decide ─▶ circuit
//
// Probes decide between up and down: the first one at once, then `fall` in a row
// that fail and `rise` that pass. Traffic opens and closes the circuit. What a
// connector is accused of is failures in a row or as a share of a stage's
// attempts (evidence.go), silence for longer than the others need (silence.go,
// P16), 4xx that are only its own (outlier.go, P17), or having no room for a
// single transaction (capacity.go, P18). The jury opens the circuit unless too
// many are out. A circuit closes after a trial as deep as the failure: by probes,
// or by live transactions, one at a time. Being slower than the others, or out of
// room for more, only lowers what a connector gets.
//
// [Monitor.Reload] replaces settings in place (pool.go, follow.go): what was found
// out about a connector outlives them. In a pool of thousands first probes are
// spread over seconds, sittings are rarer, and nothing is done when a fact changes
// that is no change of membership.
//
// The package never chooses a connector for mail, never changes membership or an
// operator's flag, and never closes a connection that it did not open.
package health
