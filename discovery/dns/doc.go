// Package dns tells the connectors that DNS names: the targets of an SRV record
// (RFC 2782), or the addresses of a host.
//
// It owns the questions and their clock: an answer is asked for again when its
// time to live ends, or after the configured refresh if that is sooner. An answer
// passes through it so: records → addresses of the targets (from the additional
// section, or asked for) → one connector for each address → told as a set, if it
// is another one than before.
//
// That a name does not exist, or has no records, is an answer: it is told as an
// empty set, which the manager holds back. That nobody answers, or that the
// resolver fails or refuses, is none: it is told as doubt. It follows no aliases
// itself (that is the resolver's work), keeps no cache and serves nothing.
package dns
