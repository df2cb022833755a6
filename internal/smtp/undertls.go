package smtp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

// UnderTLS returns a connection for TLS to run over, as in
//
//	conn := tls.Server(smtp.UnderTLS(nc), config)
//	… handshake …
//	in := smtp.NewReader(conn, buffers)
//
// so that a [Reader] of conn can look and wait as it does without TLS. TLS itself
// cannot be asked whether there is anything to read: octets on the descriptor may
// be a session ticket, and a reply may wait decrypted in memory while nothing is
// on the descriptor. So the reader asks TLS to read, and what TLS reads from does
// not wait. Until the handshake has ended it behaves as nc does. From then on what
// TLS reads comes from the descriptor itself: nc must keep nothing that it has read
// there. A connection without a descriptor is returned as it is.
func UnderTLS(nc net.Conn) net.Conn {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nc
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nc
	}
	u := &underTLS{Conn: nc, raw: raw}
	u.glance = func(fd uintptr) { u.once(fd) }
	u.spoken = func(fd uintptr) bool { return Peek(fd) != Quiet }
	return u
}

// underTLS is the connection that TLS reads from. Its functions are made once, so
// that a read costs no allocation.
type underTLS struct {
	net.Conn
	raw    syscall.RawConn
	mode   readMode // set by the one goroutine that reads
	glance func(fd uintptr)
	spoken func(fd uintptr) bool
	p      []byte
	n      int
	err    error
}

// readMode is how a read treats having nothing to read, and its deadline.
type readMode uint8

const (
	waiting    readMode = iota // as ever
	instantly                  // errNotYet when nothing is there; the deadline counts
	regardless                 // … and the deadline does not
)

// errNotYet tells TLS that nothing is there yet. TLS takes an error that is
// temporary for no end of the connection, and keeps the part of a record that it
// has.
var errNotYet net.Error = notYet{}

type notYet struct{}

func (notYet) Error() string   { return "nothing to read yet" }
func (notYet) Timeout() bool   { return true }
func (notYet) Temporary() bool { return true }

// Read reads as the mode says.
func (u *underTLS) Read(p []byte) (int, error) {
	if u.mode == waiting {
		return u.Conn.Read(p)
	}
	u.p, u.n, u.err = p, 0, nil
	var err error
	if u.mode == instantly {
		err = u.raw.Read(u.once)
	} else {
		err = u.raw.Control(u.glance)
	}
	u.p = nil
	if err != nil {
		return 0, err
	}
	return u.n, u.err
}

// once reads without waiting, and is done whatever came of it.
func (u *underTLS) once(fd uintptr) bool {
	for {
		n, err := syscall.Read(int(fd), u.p)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			u.err = errNotYet
		case err != nil:
			u.err = fmt.Errorf("reading: %w", err)
		case n == 0:
			u.err = io.EOF
		default:
			u.n = n
		}
		return true
	}
}

// overTLS is a TLS connection over what [UnderTLS] made, as a reader sees it.
type overTLS struct {
	conn  tlsConn
	under *underTLS
	ready bool // the handshake is over
}

type tlsConn interface {
	io.Reader
	NetConn() net.Conn
	ConnectionState() tls.ConnectionState
}

// over returns src as a TLS connection that can be looked at, or nil.
func over(src io.Reader) *overTLS {
	conn, ok := src.(tlsConn)
	if !ok {
		return nil
	}
	under, ok := conn.NetConn().(*underTLS)
	if !ok {
		return nil
	}
	return &overTLS{conn: conn, under: under}
}

// read reads what there is, in the given mode. During the handshake it waits: an
// error would end it.
func (o *overTLS) read(p []byte, mode readMode) (int, error) {
	o.under.mode = mode
	n, err := o.conn.Read(p)
	o.under.mode = waiting
	return n, err
}

// established reports whether the handshake is over.
func (o *overTLS) established() bool {
	if !o.ready {
		o.ready = o.conn.ConnectionState().HandshakeComplete
	}
	return o.ready
}

// wait waits until there are octets on the descriptor, or an end, or until the
// read deadline.
func (o *overTLS) wait() error { return o.under.raw.Read(o.under.spoken) }

// lookTLS reads what TLS has, or can have without waiting, into the buffer.
func (r *Reader) lookTLS() Attention {
	if !r.tls.established() {
		return Quiet
	}
	r.borrow()
	n, err := r.tls.read((*r.buf)[r.w:], regardless)
	r.w += n
	if n > 0 {
		return Spoke
	}
	r.Release()
	if err == nil || errors.Is(err, errNotYet) {
		return Quiet
	}
	return Closed
}

// readTLS reads what TLS has. When that is nothing it gives an empty buffer back
// before the connection is waited for.
func (r *Reader) readTLS() (int, error) {
	for {
		r.borrow()
		if !r.tls.established() {
			return r.tls.conn.Read((*r.buf)[r.w:])
		}
		n, err := r.tls.read((*r.buf)[r.w:], instantly)
		if n > 0 || !errors.Is(err, errNotYet) {
			return n, err
		}
		if r.w == 0 {
			r.Release()
		}
		if err := r.tls.wait(); err != nil {
			return 0, err
		}
	}
}
