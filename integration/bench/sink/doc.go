// Package sink is the connectors of the benchmark: SMTP servers on any number of ports that accept every message and keep
// none, in one goroutine with one epoll set, so that they are not what is measured.
//
// A connection passes through it as follows: it is greeted when it is accepted; each block that arrives is read into one
// buffer that all connections share; commands are answered in one write a block, content is only searched for its end; the
// answer to the final dot counts a message. It answers the probes of weir (an envelope, then RSET) and of HAProxy (EHLO,
// QUIT) and counts them apart. It never checks an address, stores a message or speaks TLS.
package sink
