package connector

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"weir/internal/backend"
	"weir/internal/fiber"
	"weir/internal/smtp"
	"weir/internal/socket"
)

// Conn is a connection to a connector. It is used by one goroutine at a time.
type Conn struct {
	sock       *socket.Conn
	ear        ear
	secure     *tls.Conn     // over sock; nil in plaintext
	proven     bool          // TLS showed a certificate that had to be verified, and was
	stream     io.ReadWriter // sock or secure
	transcript Transcript
	buffers    *smtp.Buffers
	in         *smtp.Reader
	out        []byte
	address    string
	banner     string
	caps       backend.Capabilities
	plain      backend.Capabilities // of the first EHLO
	offers     []string
	keywords   []string // of all EHLOs
	said       attributes
	client     Client
	waited     bool // see Waited
	named      bool // the connector was told of a client
	proxied    bool // a PROXY header goes in front of all else
}

// Transcript is told what is said on a connection: what goes below TLS in
// plaintext, and no PROXY header. It must not keep the slices.
type Transcript interface {
	Sent(p []byte)
	Heard(p []byte)
}

func newConn(nc net.Conn, buffers *smtp.Buffers) *Conn {
	c := &Conn{sock: socket.New(nc), buffers: buffers}
	c.ear.sock = c.sock
	c.speakOver(c.sock)
	return c
}

// speakOver makes stream what is spoken through.
func (c *Conn) speakOver(stream io.ReadWriter) {
	c.stream = stream
	if c.in != nil {
		c.in.Release()
	}
	src := io.Reader(stream)
	if c.transcript != nil {
		src = &overheard{src: stream, to: c.transcript}
	}
	c.in = smtp.NewReader(src, c.buffers)
}

// overheard is a stream of which a transcript is told what was read.
type overheard struct {
	src io.Reader
	to  Transcript
}

// Read implements [io.Reader].
func (o *overheard) Read(p []byte) (int, error) {
	n, err := o.src.Read(p)
	if n > 0 {
		o.to.Heard(p[:n])
	}
	return n, err
}

// Banner returns the text of the connector's greeting.
func (c *Conn) Banner() string { return c.banner }

// Capabilities returns what the last EHLO announced on this connection: inside of
// TLS, where there is TLS. REQUIRETLS is not among them unless the connector's
// certificate had to be verified: the next hop must be the one that was meant (RFC
// 8689 section 4.2.1).
func (c *Conn) Capabilities() backend.Capabilities { return c.caps }

// Extensions returns those of [Conn.Capabilities], which is all that is asked for with
// each message.
func (c *Conn) Extensions() backend.Extension { return c.caps.Ext }

// Limits returns those of [Conn.Capabilities].
func (c *Conn) Limits() backend.Limits { return c.caps.Limits }

// PlainCapabilities returns the same of the first EHLO.
func (c *Conn) PlainCapabilities() backend.Capabilities { return c.plain }

// Offers returns the lines of the last answer to EHLO behind its greeting, as the
// connector wrote them: keywords with their parameters. After HELO there are none.
func (c *Conn) Offers() []string { return c.offers }

// Keywords returns the keywords of all EHLOs on this connection, in capitals, in
// the order of their first coming: STARTTLS is announced only before TLS.
func (c *Conn) Keywords() []string { return c.keywords }

// TLS returns the state of TLS; nil in plaintext.
func (c *Conn) TLS() *tls.ConnectionState {
	if c.secure == nil {
		return nil
	}
	state := c.secure.ConnectionState()
	return &state
}

// LocalAddr returns our end of the connection.
func (c *Conn) LocalAddr() net.Addr { return c.sock.LocalAddr() }

// Carry makes f who waits for the connection from now on; nil: goroutines do. It is for
// when nobody uses the connection.
func (c *Conn) Carry(f *fiber.Fiber) { c.sock.Carry(f) }

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
	if c.transcript != nil {
		c.transcript.Sent(c.out)
	}
	c.sock.Have(socket.Patience{Until: deadline})
	_, err := c.stream.Write(c.out)
	c.out = c.out[:0]
	return err
}

// Write sends content. Progress bounds the time in which nothing at all can be
// sent, and until all of it, however steadily the connector takes a little. While
// it waits for the connector to take more it listens too (P28): early is true when
// the connector spoke or closed before everything was sent. It returns how many
// octets the system took; under TLS, of how many the connector can read any.
//
// When Write did not send everything, the connection is of no further use for
// sending: under TLS the connector waits for the rest of a record.
func (c *Conn) Write(p []byte, progress time.Duration, until time.Time) (n int, early bool, err error) {
	patience := socket.Patience{Until: until, Progress: progress}
	if c.sock.HasDescriptor() {
		c.ear.in = c.in
		patience.Ear, patience.Plain = &c.ear, c.secure == nil
	}
	c.sock.Have(patience)
	n, err = c.stream.Write(p)
	if e := c.ear.shut(); err == nil {
		err = e
	}
	patience.Ear = nil // what TLS may write while somebody reads has a reader already
	c.sock.Have(patience)
	if spoke := c.ear.spoke.Swap(false) || errors.Is(err, socket.ErrHeard); spoke && n < len(p) {
		return n, true, nil
	}
	return n, false, err
}

// ReadReply reads the next reply, within the bounds of [smtp.Reader.ReadReply].
func (c *Conn) ReadReply(reply *smtp.Reply, deadline time.Time) (err error) {
	if c.waited = !c.in.HoldsReply(); c.waited {
		err = c.awaitReply(deadline)
	}
	if err == nil {
		err = c.in.ReadReply(reply)
	}
	return onlyWhole(reply, err)
}

// Waited reports whether the last reply that [Conn.ReadReply] has read may have been
// waited for. Else it had come together with the one before.
func (c *Conn) Waited() bool { return c.waited }

// ReadAuthReply is [Conn.ReadReply] with room for a challenge of AUTH.
func (c *Conn) ReadAuthReply(reply *smtp.Reply, deadline time.Time) error {
	err := c.awaitReply(deadline)
	if err == nil {
		err = c.in.ReadAuthReply(reply)
	}
	return onlyWhole(reply, err)
}

func (c *Conn) awaitReply(deadline time.Time) error {
	c.sock.Have(socket.Patience{Until: deadline}) // to read, TLS may have to write
	return c.sock.SetReadDeadline(deadline)
}

// onlyWhole leaves nothing of a reply that was not read to its end.
func onlyWhole(reply *smtp.Reply, err error) error {
	if err != nil {
		reply.Reset()
	}
	return err
}

// Look finds out, without waiting, whether the connection is still quiet. Before
// a connection is used again and before a terminator is written it must be.
func (c *Conn) Look() smtp.Attention { return c.in.Look() }

// Left reports, without waiting, whether the connector has closed and nothing of it is
// left to be read from the socket. Unlike [Conn.Look] it tells so with a transcript, too.
func (c *Conn) Left() bool { return c.sock.Look() == socket.Closed }

// Quit says goodbye and closes. It waits for the connector's 221, so that the
// close is no reset, but at most until the deadline: a missing 221 is tolerated.
func (c *Conn) Quit(deadline time.Time) {
	var reply smtp.Reply
	if c.Do("QUIT", &reply, deadline) == nil {
		c.closeTLS(deadline)
		c.drain(deadline)
	}
	c.Close()
}

// HangUp closes without a word in SMTP, but without a reset either: our side is
// closed first, and what the connector still sends is read.
func (c *Conn) HangUp(deadline time.Time) {
	c.closeTLS(deadline)
	if c.sock.CloseWrite() == nil {
		c.drain(deadline)
	}
	c.Close()
}

// closeTLS says close_notify, so that the connector sees an end and no truncation
// (RFC 8446 section 6.1).
func (c *Conn) closeTLS(deadline time.Time) {
	if c.secure != nil {
		c.sock.Have(socket.Patience{Until: deadline})
		_ = c.secure.CloseWrite()
	}
}

// drain reads until the connector closes, a few kilobytes at most.
func (c *Conn) drain(deadline time.Time) {
	if c.sock.SetReadDeadline(deadline) != nil {
		return
	}
	c.in.Release()
	var rest io.Reader = c.sock
	if c.transcript != nil && c.secure == nil {
		rest = &overheard{src: c.sock, to: c.transcript}
	}
	_, _ = io.CopyN(io.Discard, rest, 4<<10)
}

// Socket gives the connection to who goes on below SMTP: from then on only that one
// reads and writes, and Abort and Close still end it. What was read before is in the
// transcript only; no deadline is set any more.
func (c *Conn) Socket() (net.Conn, error) {
	c.in.Release()
	return c.sock.HandOver()
}

// Abort breaks the connection under whoever uses it. Unlike the other methods it
// may be called by another goroutine; the user still closes.
func (c *Conn) Abort() { _ = c.sock.Close() }

// Close ends the connection at once.
func (c *Conn) Close() error {
	c.in.Release()
	return c.sock.Close()
}
