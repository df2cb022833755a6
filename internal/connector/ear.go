package connector

import (
	"sync/atomic"
	"time"

	"weir/internal/smtp"
	"weir/internal/socket"
)

// past is a deadline that ends what waits.
var past = time.Unix(1, 0)

// ear listens to the connector while a write waits (P28). Under TLS it reads too,
// into the reader's buffer: octets on the socket alone may be nothing but a
// session ticket.
type ear struct {
	in    *smtp.Reader
	sock  *socket.Conn
	spoke atomic.Bool
	done  chan struct{} // nil while it does not listen
}

// Open implements [socket.Ear].
func (e *ear) Open() error {
	if e.done != nil {
		return nil
	}
	if err := e.sock.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	e.done = make(chan struct{})
	e.sock.LendReads()
	go e.listen()
	return nil
}

// listen waits until the connector speaks or goes, and then ends a write that
// waits.
func (e *ear) listen() {
	defer close(e.done)
	if seen, err := e.in.Await(); err == nil && seen != smtp.Quiet {
		e.spoke.Store(true)
		e.sock.EndWrite()
	}
}

// Heard implements [socket.Ear].
func (e *ear) Heard() bool { return e.spoke.Load() }

// shut ends the listening. It is not to be called from within a write: below TLS
// the listener may want to write itself, to agree to a new key.
func (e *ear) shut() error {
	if e.done == nil {
		return nil
	}
	err := e.sock.SetReadDeadline(past)
	<-e.done
	e.done = nil
	e.sock.TakeReads()
	return err
}
