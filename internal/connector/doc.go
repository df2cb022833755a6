// Package connector is the one way to reach a connector: connect, PROXY header,
// TLS, banner, EHLO (HELO where EHLO is unknown, LHLO to an LMTP server), XCLIENT,
// and then commands, replies and content over the connection. The relay and the
// probes both use it, so both judge by the same rules.
//
// A [Dialer] makes a [Conn]; whoever made it closes it. Everything that blocks
// takes a deadline. Faults are an [Error] that names the stage in which the
// connector failed, and whether it speaks against the connector at all: one that
// was told of a client may be refusing that (P3a). The package does not choose a
// connector, retry, or count; the one exception is opportunistic TLS, which goes on
// in plaintext where it fails (P3).
//
// A connection is a socket, TLS over it or not, and a reader on top:
//
//	Flush, Write ─▶ stream: socket.Conn │ TLS ─▶ socket.Conn
//	ReadReply, Look ─▶ smtp.Reader ─▶ socket.Conn │ TLS ─▶ smtp.UnderTLS ─▶ socket.Conn
//
// What the socket takes at once, TLS's records too, is not waited for. When it has to
// wait with content an ear (ear.go) listens (P28); under TLS it reads, as octets on the
// socket may be a session ticket and no word of the connector's.
package connector
