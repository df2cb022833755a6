// Package flow carries octets between two connections, both ways, as they come: what
// tcp mode does once a connector has greeted.
//
// A pair of connections that is handed over by [Carrier.Start] becomes a [Flow]. The
// carrier has a few loops, each a fiber with an epoll instance of its own. A
// loop waits for all of its flows at once, takes what one side has to say and gives
// it to the other (loop.go, way.go). So a flow on which nothing moves is a struct with
// two descriptors: it holds no goroutine, no buffer and no timer. A buffer is lent to a
// direction only while its sink takes no more. Bulk is spliced, within the kernel
// (bulk.go). Limits are kept in one order of time a
// loop (due.go).
//
// The runtime's own poller would wake a goroutine for each piece, and have it find out
// that there is no more. With loops a piece costs one read and one write: for small
// messages on long connections two thirds of the processor time (measured against two
// goroutines a connection and splice(2)). So the descriptors are taken away from who watched them
// (socket.go), and the calls that never wait are made without telling the runtime.
//
// A flow ends when both directions have, at one of its limits, or when somebody cuts
// it. Each direction ends by itself, when its source has closed: that half of the
// sink is closed then, and the other one goes on.
//
// The package knows nothing of SMTP, of sessions or of connectors.
package flow
