// Package socket is a connection as one who reads and one who writes use it, with no more
// system calls, timers and memory than that takes. It is waited for by the runtime's poller,
// or by fibers where it is a [fiber.Conn] (see [Conn.Carry]).
//
// A [Conn] is made over a connection that somebody else has opened, and closes it.
// Octets come in by [Conn.Receive], which borrows memory only once there is something
// to be read, or without waiting by [Conn.ReadNow]; [Conn.Look] and [Conn.Await] find
// out whether there is anything, and take nothing. Octets go out by [Conn.Write] and
// [Conn.WriteLast]: at once if the system takes them, which it nearly always does, and
// what it does not take waits as long as the [Patience] says.
//
// Reads and writes that do not wait are made by raw system calls on the descriptor,
// which is non-blocking. The runtime does not learn of them: an ordinary call tells
// it, and where the call does the work of the receiver too, as on a loopback, it
// takes the processor away from the goroutine meanwhile and wakes a thread for it.
// Deadlines are armed only when they come nearer (deadline.go), as nearly all of them
// only move on and never pass.
//
// The package knows nothing of SMTP or TLS and starts no goroutine. A connection without a descriptor, as tests have it, is read from and
// written to as it is, and always seems quiet.
package socket
