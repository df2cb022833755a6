// Package connector is the one way to reach a connector: connect, banner, EHLO
// (HELO where EHLO is unknown), and then commands, replies and content over the
// connection. The relay and the probes both use it, so both judge by the same
// rules.
//
// A [Dialer] makes a [Conn]; whoever made it closes it. Everything that blocks
// takes a deadline. Faults are an [Error] that names the stage in which the
// connector failed. The package does not choose a connector, retry, or count.
package connector
