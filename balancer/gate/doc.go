// Package gate decides who may come in at a listener. It owns the counts that this
// takes: connections by address and by network, how often an address came lately,
// and who has misbehaved. It never speaks to anybody, opens and closes nothing, and,
// but for the reading of a proxy's header, takes the time from its caller.
//
// A connection passes through it so. A peer from a trusted network says first for
// whom it speaks ([ReadProxy]), and takes a place meanwhile ([Gate.Knock]).
// [Gate.Enter] then lets the client in or gives a [Refusal] to answer it with. Where
// the listener is full and the client's network is a light one, somebody of the
// heaviest network is to make room: Enter names the owner of that session. Whoever is
// in has a [Visit], tells it at each boundary between transactions, reports offences
// to it, asks it for how long to hold a reply back, and leaves by it.
//
// Clients are told apart by address in IPv4 and by /64 in IPv6, of which one client
// has as many addresses as it likes. Networks are /24 and /64.
//
// Memory is bounded under a flood of distinct addresses. Counts of connections are
// exact, and there are no more of them than connections, at some 400 octets each.
// Rates and offences are kept in two tables of a fixed size, 1.25 MiB together, that
// are made when a limit first asks for them; where one is full, those who weigh least
// are forgotten first, so a flood of strangers does not wash out the one who floods.
package gate
