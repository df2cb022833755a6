// Package app puts the rooms together: it makes each of them from the config,
// hands every room what it needs from the others, and starts and stops them in
// order.
//
// It owns what belongs to the process as a whole: the listening sockets, which
// it opens first of all and hands down; the order of start and stop; and the
// log, into which it writes what the other rooms tell it (the balancer its
// transactions, the event log its transitions, the registry its pools' warnings); and
// which stores of certificates there are, of which listeners with equal settings share
// one, whatever reloads come.
//
// Start: sockets bound, certificates read ([New]) → the first set of each source, and
// the first probe of each connector as it becomes known, both bounded by startup_wait →
// senders are served and readiness is shown ([App.Run]).
// Stop: readiness withdrawn → shutdown_grace → listeners closed, 421 to each
// sender at its next transaction boundary → after shutdown_timeout what is left
// is cut → health, discovery, and the admin server last.
//
// It never speaks SMTP, never judges a connector and never reads a file; those
// who import it (cmd/weir, the demo, tests) bring a checked config and the
// signals.
package app
