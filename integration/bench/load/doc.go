// Package load is the senders of the benchmark: any number of connections in one goroutine with one epoll set, each a small
// state machine over octets that were made beforehand, so that a core is left for what is measured.
//
// A message passes through it as follows: a connection is opened and greeted, says EHLO, and sends its messages command by
// command, or each envelope as a group (RFC 2920) and the content behind the 354; the time from MAIL (with one message a
// connection: from connect) to the final 250 goes into a histogram; after its share of messages the connection says QUIT,
// awaits 221 and is opened anew. Any reply but the expected one ends the run with an error: a benchmark of refusals is none.
// It never retries, resolves no names and speaks no TLS.
package load
