// Package health finds out which connectors can take mail. It owns the health
// fact of every connector: the verdict with its reason, the capabilities, and
// the result of the last probe.
//
// Evidence comes from two sides. A [Prober] holds a short, polite dialogue with
// a connector now and then (rule P37), and the data path tells the outcome of
// every stage it passes through [Monitor.Begin] and [Monitor.End]. Both end in
// the connector's machine, which is pure and takes the time as an argument:
//
//	probe ──▶ machine.probed ─┐
//	                          ├─▶ verdict ─▶ registry (level), events (edge)
//	traffic ▶ machine.failed ─┘
//
// Deciding is simple. The first probe decides at once. Then `fall` probes in a
// row that fail take a connector down, and `rise` that pass bring it back.
// Failures in traffic take it down too, when `fall` of them have come without a
// success at their stage or behind it; the way back is by probes, after a hold
// that grows while the connector keeps relapsing. Traffic never takes down the
// last connector that a pool has; only probes do. While there is doubt, probes
// follow each other in the fast interval.
//
// The package never chooses a connector for mail, never changes membership or an
// operator's flag, and never closes a connection that it did not open.
package health
