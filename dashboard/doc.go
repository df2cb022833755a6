// Package dashboard is weir's admin interface over HTTP: the JSON that scripts
// and monitoring read, a stream of events, the health and readiness of this
// process, and a page for people. Its names are a contract with its users.
//
// A request passes three gates: the path and its method, where it comes from (a
// page of somebody else's that a browser on the same machine may show is sent
// away, and so is a name that is not this server's), and who asks, by a token, by
// the user behind a Unix socket, or anonymously on loopback. Who that is goes into
// every order.
//
// What is read is answered from one registry snapshot, from the connectors' own
// counters and from the event log; the rest is asked of the small interfaces in
// [Deps], which app hands in. Nothing is cached but for open pages: for all of them
// together a reading is taken once a second, and each is sent what has changed in
// it, see feed. The page itself is the files in page/, plain HTML, CSS and
// JavaScript that are built in as they are. What is done, is done by them
// too: orders and standby by the [Controller], orders about zones by the [DNS],
// reloads by the [Reloader], probes by the [Prober]. Where messages went is what the
// [History] knows, and where one would go the [Router]. openapi.json describes all
// of it to programs, and is tested against every answer.
//
// The package never changes anything itself: it decides neither who is eligible,
// nor whether an order may be carried out, nor whether the process is ready.
// Bodies, streams and failed tokens are bounded, so that whoever may only reach it
// cannot fill its memory. Metrics are next door, in package metrics.
package dashboard
