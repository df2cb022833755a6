// Package update publishes a zone on somebody else's primary, by dynamic update
// (RFC 2136) signed with TSIG (RFC 8945), over TCP always.
//
// It owns the wire: what a [Target] is told to write becomes one message, which the
// server applies wholly or not at all. A change passes through it so: what stands
// there is read → foreign records and other writers are recognised → the message,
// whose prerequisites repeat at the server what was just read → the answer → read
// back until it is visible. Where no trustworthy answer comes, what is read back
// decides.
//
// Every change replaces the epoch's TXT record by one with a number of its own, and
// has the old one as prerequisite. So of several writers one wins, and a change that
// was believed lost and arrives late is refused.
//
// It decides nothing about what should be published, keeps no connection between
// calls, retries nothing that may have been applied, and never touches a name without
// our ownership TXT beside it.
package update
