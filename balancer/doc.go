// Package balancer is the data path. In smtp mode the sender's session ends here,
// and for every transaction a connector is chosen. In tcp mode one is chosen for every
// connection, in the same way (tcpgate.go), and when it has greeted octets go both ways
// as they come (tcp.go, package flow). What follows is smtp mode.
//
// A connection passes through it in one direction. [Server.Serve] accepts it
// (accept.go) and makes a session, which a fiber carries to its end (carry.go); while
// it waits between transactions it is parked, and there is none (hear.go). It asks the
// gate whether its client may come in, and waits or shakes hands where it has to
// (edge.go, edge_tls.go); then it reads verbs (verbs.go, hear.go) and answers (say.go,
// offer.go). Who the client is a trusted proxy may know better (edge_client.go). MAIL
// is checked and held by a transaction; the first RCPT brings the way (way.go), which
// leads through pools, tiers and what the policy says to the first candidate that has a
// place (pick.go) and answers (attempt.go), on a kept connection or a new one (kept.go,
// upstream.go, dial.go, dialfor.go) that may carry this client's mail (identity.go) and
// offers what the message needs (needs.go). The envelope goes over in groups
// (envelope.go, judge.go), content streams through with a copy kept for a replay
// (content.go, intake.go, replay.go, delivery.go; data.go and bdat.go say how much of
// it there is). The write of the terminator is the commit point: before it any fault
// moves the transaction to the next candidate, after it nothing is ever sent twice
// (commit.go). What the sender is told for each fault stands in one place, fault.go, by
// the numbered rules of the relay's protocol, P1 and on.
//
// AUTH is no part of a transaction: it is relayed to a connector (auth.go,
// authrelay.go, authdialogue.go), and the session stays on that connection for all
// that follows (pinned.go).
//
// A setup is what a config makes of all this (reload.go). It never changes, but
// [Server.Reload] replaces it: what is the same is in the next one too, with its
// connections, queue and counters; what is not is left by everybody at their next
// boundary. A connector that an operator drains is left in the same way; one that
// is disabled is left at once (expel.go).
//
// Only internal/smtp knows the wire; only this package decides to replay. It
// tells an [Observer] how each stage ended, the policies how long a connector makes
// mail wait (part.go), and a [Recorder] how each transaction did; [Server.Explain]
// says who would get one. It knows nothing of probes, breakers, logs or metrics. It
// opens no sockets to listen on: app hands listeners down.
package balancer
