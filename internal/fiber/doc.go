// Package fiber runs sequential code that waits for connections on a few event loops,
// instead of giving each a goroutine that the scheduler parks and wakes.
//
// A [Group] has one epoll instance and workers, of which one waits for events. A [Fiber]
// is a coroutine: when its code has to wait for a [Conn], it hands the processor straight
// back to the worker that has run it, and whichever worker next sees an event of that
// connection goes on with it. That costs a tenth of what it costs to park a goroutine, to
// wake a thread for it and to have the scheduler find it; and a worker that comes upon
// many events deals with them in a row, which lets those who are written to do so, too
// ([Fiber.StandBack]). Code that has nothing to keep while it waits ends instead, and is
// begun anew when something comes ([Fiber.Park]): then there is no stack either.
//
// Watching is edge-triggered. What has come, and nobody has waited for, is noted at its
// side of the connection (side.go); whoever takes a note away looks. A read that was short
// needs no look behind it, as long as nothing is noted.
//
// Code on a fiber may block as any other code may, on a lock or a channel. Its worker
// blocks with it, and another one takes its place after some milliseconds (shift.go). A
// fiber that begins or wakes others does not run them itself, or it would wait for them. What is known
// to last is to be done behind [Fiber.Leave]. Nobody may hold a lock while a connection
// is waited for: those who want it could be the ones who would go on.
//
// A [Conn] is waited for by the fiber that carries it, see [Conn.Carry], or else by
// ordinary goroutines. The package knows nothing of SMTP or TLS, and uses the standard
// library only.
package fiber
