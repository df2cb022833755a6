package connector

import (
	"io"
	"net"
	"syscall"
	"time"

	"weir/internal/backend"
	"weir/internal/smtp"
)

// Conn is a connection to a connector. It is used by one goroutine at a time.
type Conn struct {
	nc     net.Conn
	raw    syscall.RawConn // nil where the connection has no descriptor
	in     *smtp.Reader
	out    []byte
	banner string
	caps   backend.Capabilities
	offers []string
	now    instantWrite
}

func newConn(nc net.Conn, buffers *smtp.Buffers) *Conn {
	c := &Conn{nc: nc, in: smtp.NewReader(nc, buffers)}
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw = raw
			c.now.init()
		}
	}
	return c
}

// Banner returns the text of the connector's greeting.
func (c *Conn) Banner() string { return c.banner }

// Capabilities returns what EHLO announced on this connection.
func (c *Conn) Capabilities() backend.Capabilities { return c.caps }

// Offers returns the lines of the answer to EHLO behind its greeting, as the
// connector wrote them: keywords with their parameters. After HELO there are none.
func (c *Conn) Offers() []string { return c.offers }

// LocalAddr returns our end of the connection.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// Do sends one command, given without CRLF, and reads its reply.
func (c *Conn) Do(command string, reply *smtp.Reply, deadline time.Time) error {
	c.out = append(append(c.out, command...), '\r', '\n')
	if err := c.Flush(deadline); err != nil {
		return err
	}
	return c.ReadReply(reply, deadline)
}

// Pending returns the buffer of commands that wait for [Conn.Flush], to append
// to; give it back with [Conn.SetPending].
func (c *Conn) Pending() []byte { return c.out }

// SetPending stores the commands to be sent by the next [Conn.Flush].
func (c *Conn) SetPending(out []byte) { c.out = out }

// Flush writes the pending commands, all in one.
func (c *Conn) Flush(deadline time.Time) error {
	if len(c.out) == 0 {
		return nil
	}
	n, err := c.writeNow(c.out)
	if err == nil && n < len(c.out) {
		_, err = c.writeUntil(c.out[n:], deadline)
	}
	c.out = c.out[:0]
	return err
}

// ReadReply reads the next reply, within the bounds of [smtp.Reader.ReadReply].
func (c *Conn) ReadReply(reply *smtp.Reply, deadline time.Time) error {
	if err := c.nc.SetReadDeadline(deadline); err != nil {
		return err
	}
	err := c.in.ReadReply(reply)
	if err != nil {
		reply.Reset()
	}
	return err
}

// Quit says goodbye and closes. It waits for the connector's 221, so that the
// close is no reset, but at most until the deadline: a missing 221 is tolerated.
func (c *Conn) Quit(deadline time.Time) {
	var reply smtp.Reply
	if c.Do("QUIT", &reply, deadline) == nil {
		c.drain(deadline)
	}
	c.Close()
}

// HangUp closes without a word in SMTP, but without a reset either: our side is
// closed first, and what the connector still sends is read.
func (c *Conn) HangUp(deadline time.Time) {
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		if c.nc.SetReadDeadline(deadline) == nil {
			c.drain(deadline)
		}
	}
	c.Close()
}

// drain reads until the connector closes, a few kilobytes at most.
func (c *Conn) drain(deadline time.Time) {
	if c.nc.SetReadDeadline(deadline) != nil {
		return
	}
	c.in.Release()
	_, _ = io.CopyN(io.Discard, c.nc, 4<<10)
}

// Abort breaks the connection under whoever uses it. Unlike the other methods it
// may be called by another goroutine; the user still closes.
func (c *Conn) Abort() { _ = c.nc.Close() }

// Close ends the connection at once.
func (c *Conn) Close() error {
	c.in.Release()
	return c.nc.Close()
}
