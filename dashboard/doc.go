// Package dashboard is weir's admin interface over HTTP: the JSON that scripts
// and monitoring read, the health and readiness of this process, and a page for
// people. Its names are a contract with its users.
//
// A request is answered from one registry snapshot, from the connectors' own
// counters and from the event log; nothing is cached and nothing is asked of
// another room, except for the few facts that [Deps] declares and app hands in.
//
// One request does something: it has a connector probed, and answers with the
// dialogue. It needs leave to operate, and is refused to pages of others that a
// browser on the same machine may show.
//
// The package never changes anything itself, and it decides neither who is
// eligible nor whether the process is ready.
package dashboard
