// Package consul is the source of connectors that are registered in Consul, and
// puts connectors there.
//
// It owns the asking: blocking queries for one service that always end, the
// index rules, the pace, the pulse that notices an agent that has frozen or a token
// that was revoked, and the sentences that tell an operator what is wrong and what
// to do. An answer passes through it so: [Source] asks the agent → entries that were
// not in the answer before are read → entries become specs, one by one, so that a
// bad entry spoils no other, and one for each address → a set that says the same as
// the one before is dropped → the rest goes to the discovery's manager.
//
// Consul's health checks do not choose which connectors are told: all are, and
// "maintenance" and "critical" go with them as facts with their reason, so that
// people see why one gets no mail.
//
// It never holds an answer back, however little it says, and writes nothing to
// disk: that is the manager's part, which is told through Doubt and Unheard how
// far an answer can be trusted. It makes no client: address, token and TLS come
// with the one that it is given, which should have [Transport] in it. Only [Register] and [Deregister] change
// anything in Consul.
package consul
