package smtp

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"weir/internal/socket"
)

// UnderTLS returns a connection for TLS to run over, as in
//
//	conn := tls.Server(smtp.UnderTLS(sock), config)
//	… handshake …
//	in := smtp.NewReader(conn, buffers)
//
// so that a [Reader] of conn can look and wait as it does without TLS. TLS itself
// cannot be asked whether there is anything to read: octets on the descriptor may
// be a session ticket, and a reply may wait decrypted in memory while nothing is
// on the descriptor. So the reader reads ahead for TLS, in large pieces and only
// where it waits, and asks TLS to read from that alone. Until the handshake has ended
// it behaves as the connection does.
func UnderTLS(sock *socket.Conn) net.Conn { return &underTLS{Conn: sock} }

// underTLS is the connection that TLS reads from.
type underTLS struct {
	*socket.Conn
	buffers *Buffers // nil: the handshake is not over
	size    int      // of the next buffer to borrow
	ahead   *[]byte  // nil: nothing was read ahead
	r, w    int
	err     error // how the connection has ended
}

// errNotYet tells TLS that nothing is there yet. TLS takes an error that is
// temporary for no end of the connection, and keeps the part of a record that it
// has.
var errNotYet net.Error = notYet{}

type notYet struct{}

func (notYet) Error() string   { return "nothing to read yet" }
func (notYet) Timeout() bool   { return true }
func (notYet) Temporary() bool { return true }

// Read gives TLS what was read ahead. During the handshake it waits for octets: an
// error would end that.
func (u *underTLS) Read(p []byte) (int, error) {
	switch {
	case u.buffers == nil:
		return u.Conn.Read(p)
	case u.ahead != nil:
		n := copy(p, (*u.ahead)[u.r:u.w])
		if u.r += n; u.r == u.w {
			u.TakeBack()
		}
		return n, nil
	case u.err != nil:
		return 0, u.err
	}
	return 0, errNotYet
}

// fetch waits for octets, until the read deadline or a time of its own, and reads
// them ahead. An end of the connection is no error yet: TLS is to come upon it.
func (u *underTLS) fetch(size int, by time.Time) error {
	if u.ahead != nil || u.err != nil {
		return nil
	}
	u.size = size
	var err error
	if by.IsZero() {
		u.w, err = u.Receive(u)
	} else {
		u.w, err = u.ReceiveBy(u, by)
	}
	return u.fetched(err)
}

// fetchNow is fetch without waiting.
func (u *underTLS) fetchNow(size int) {
	if u.ahead != nil || u.err != nil {
		return
	}
	u.size = size
	n, err := u.ReadNow(u.Lend())
	u.w = n
	_ = u.fetched(err)
}

func (u *underTLS) fetched(err error) error {
	if u.w == 0 {
		u.TakeBack()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	u.err = err
	return nil
}

// Lend implements [socket.Lender].
func (u *underTLS) Lend() []byte {
	if u.ahead == nil {
		u.ahead = u.buffers.get(u.size)
	}
	return *u.ahead
}

// TakeBack implements [socket.Lender].
func (u *underTLS) TakeBack() {
	if u.ahead != nil {
		u.buffers.put(u.ahead)
		u.ahead = nil
	}
	u.r, u.w = 0, 0
}

// overTLS is a TLS connection over what [UnderTLS] made, as a reader sees it.
type overTLS struct {
	conn    tlsConn
	under   *underTLS
	buffers *Buffers
}

type tlsConn interface {
	io.Reader
	NetConn() net.Conn
	ConnectionState() tls.ConnectionState
}

// over returns src as a TLS connection that can be looked at, or nil.
func over(src io.Reader, buffers *Buffers) *overTLS {
	conn, ok := src.(tlsConn)
	if !ok {
		return nil
	}
	under, ok := conn.NetConn().(*underTLS)
	if !ok || !under.HasDescriptor() {
		return nil
	}
	return &overTLS{conn: conn, under: under, buffers: buffers}
}

// established reports whether the handshake is over.
func (o *overTLS) established() bool {
	if o.under.buffers == nil && o.conn.ConnectionState().HandshakeComplete {
		o.under.buffers = o.buffers
	}
	return o.under.buffers != nil
}

// lookTLS reads what TLS has, or can have without waiting, into the buffer.
func (r *Reader) lookTLS() Attention {
	if !r.tls.established() {
		return Quiet
	}
	if r.buf != nil && r.w == len(*r.buf) {
		r.Release()
	}
	for {
		n, err := r.tls.conn.Read(r.room())
		r.w += n
		switch {
		case n > 0:
			return Spoke
		case r.w == 0:
			r.Release()
		}
		if err != nil && !errors.Is(err, errNotYet) {
			return Closed
		}
		r.tls.under.fetchNow(r.size)
		if r.tls.under.ahead == nil && r.tls.under.err == nil {
			return Quiet
		}
	}
}

// readTLS reads what TLS has. When that is nothing it gives an empty buffer back
// before the connection is waited for, until a time of its own or (the zero time) until
// the read deadline alone.
func (r *Reader) readTLS(by time.Time) (int, error) {
	size := r.size
	if len(r.into) > SmallBuffer {
		size = LargeBuffer
	}
	for {
		room := r.room()
		if !r.tls.established() {
			return r.tls.conn.Read(room)
		}
		n, err := r.tls.readRecords(room)
		if n > 0 || !errors.Is(err, errNotYet) {
			return n, err
		}
		(*lending)(r).TakeBack()
		if err := r.tls.under.fetch(size, by); err != nil {
			return 0, err
		}
	}
}

// readRecords reads the records that were read ahead, as far as there is room. TLS
// returns one at a time.
func (o *overTLS) readRecords(room []byte) (n int, err error) {
	n, err = o.conn.Read(room)
	for more := n; err == nil && more > 0 && n < len(room) && o.under.ahead != nil; n += more {
		more, err = o.conn.Read(room[n:])
	}
	if n > 0 {
		err = nil // it will come again
	}
	return n, err
}
