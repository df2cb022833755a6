// Package dashboard is weir's admin interface over HTTP: the JSON that scripts
// and monitoring read, the health and readiness of this process, and a page for
// people. Its names are a contract with its users.
//
// A request is answered from one registry snapshot, from the connectors' own
// counters and from the event log; nothing is cached and nothing is asked of
// another room, except for the few facts that [Deps] declares and app hands in.
//
// The package never changes anything: it has no writing request yet, and it
// decides neither who is eligible nor whether the process is ready.
package dashboard
