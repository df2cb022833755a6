// Package integration drives the built weir binary from outside: real senders in front of it, real Postfix, Exim and Dovecot
// (or scripted connectors) behind it, a real Consul beside it, everything on this machine. Most tests run on
// loopback; several replicas of weir run in network namespaces, so that one can be cut off from Consul and not from mail.
//
// It owns no production code and imports none of weir's rooms but internal/faulty: what it knows is what a user can see, the
// config file, SMTP on both sides, the admin HTTP interface, the log and the exit code. A message passes through it
// as follows: a message is made with its own id and a digest of its body in the header, a sender hands it to weir,
// the acknowledgement is written down, and at the end every acknowledged message is looked up in the Maildirs.
//
// Environment:
//
//	WEIR_BIN=PATH     test this binary instead of building ./cmd/weir
//	WEIR_RACE=1       build with the race detector
//	WEIR_REQUIRE=1    (or CI=true) a missing server is a failure, not a skip
//	WEIR_CONSUL=PATH  this Consul instead of the one that tools/setup keeps in the user's cache
//	WEIR_PAGE_SHOTS=DIR  draw the pictures of the page into DIR (`make page-shots`)
//	WEIR_DIRECT=1     leave weir out where a test allows it: proves senders and Postfix, when a failure is in doubt
//
// The benchmarks have an environment of their own, and fail when weir misses what it promises: TestBenchFaults, run by
// `make bench-faults`, sets HAProxy beside weir and writes a table; TestBenchConsul, run by `make bench-consul`, times
// changes in Consul and what thousands of instances cost. Two only measure, and write tables: TestBenchTLS (`make
// bench-tls`), with TLS at the edge, beside HAProxy; and TestBenchAbuse (`make bench-abuse`), under 10 000 connections.
package integration
