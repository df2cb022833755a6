package connector

import (
	"sync/atomic"
	"syscall"
	"time"

	"weir/internal/smtp"
)

// instantWrite writes to a descriptor without waiting and without regard to
// deadlines. Its function is made once, so that a write costs no allocation.
type instantWrite struct {
	write func(fd uintptr)
	p     []byte
	n     int
	err   error
}

func (w *instantWrite) init() {
	w.write = func(fd uintptr) { w.n, w.err = writeNow(int(fd), w.p) }
}

// writeNow writes what the socket takes without blocking.
func writeNow(fd int, p []byte) (int, error) {
	for {
		n, err := syscall.Write(fd, p)
		switch err {
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, nil
		default:
			return max(n, 0), err
		}
	}
}

// Look finds out, without waiting, whether the connection is still quiet.
// Before a connection is used again and before a terminator is written it must be.
func (c *Conn) Look() smtp.Attention { return c.in.Look() }

// Write sends content. Progress bounds the time in which nothing at all can be
// sent, and until all of it, however steadily the connector takes a little. While it waits for the connector to take more it listens too (P28):
// early is true when the connector spoke or closed before everything was sent.
// It returns how many octets the system took.
func (c *Conn) Write(p []byte, progress time.Duration, until time.Time) (n int, early bool, err error) {
	if n, err = c.writeNow(p); err != nil || n == len(p) {
		return n, false, err
	}
	if c.raw == nil {
		m, err := c.writeUntil(p[n:], earlier(time.Now().Add(progress), until))
		return n + m, false, err
	}
	m, early, err := c.writeWatching(p[n:], progress, until)
	return n + m, early, err
}

// writeNow writes what goes without waiting, which is nearly always everything
// and needs no deadline.
func (c *Conn) writeNow(p []byte) (int, error) {
	if c.raw == nil {
		return 0, nil
	}
	c.now.p = p
	err := c.raw.Control(c.now.write)
	c.now.p = nil
	if err != nil {
		return 0, err
	}
	return c.now.n, c.now.err
}

func (c *Conn) writeUntil(p []byte, deadline time.Time) (int, error) {
	if err := c.nc.SetWriteDeadline(deadline); err != nil {
		return 0, err
	}
	return c.nc.Write(p)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// writeWatching writes while a second goroutine waits for the connector to
// speak, which ends the write.
func (c *Conn) writeWatching(p []byte, progress time.Duration, until time.Time) (n int, early bool, err error) {
	if err := c.nc.SetReadDeadline(time.Time{}); err != nil {
		return 0, false, err
	}
	var spoke atomic.Bool
	done := make(chan struct{})
	go c.watch(&spoke, done)
	for n < len(p) && err == nil && !spoke.Load() {
		if err = c.nc.SetWriteDeadline(earlier(time.Now().Add(progress), until)); err != nil || spoke.Load() {
			break // what watch set may have come before ours
		}
		var m int
		m, err = c.nc.Write(p[n:])
		n += m
		if m > 0 && IsTimeout(err) && time.Now().Before(until) {
			err = nil // that was progress
		}
	}
	past := time.Unix(1, 0)
	if e := c.nc.SetReadDeadline(past); err == nil && e != nil {
		err = e
	}
	<-done
	if spoke.Load() && n < len(p) {
		return n, true, nil
	}
	return n, false, err
}

// watch waits until the connection is readable, and then ends a write that waits.
func (c *Conn) watch(spoke *atomic.Bool, done chan<- struct{}) {
	defer close(done)
	err := c.raw.Read(func(fd uintptr) bool { return smtp.Peek(fd) != smtp.Quiet })
	if err == nil {
		spoke.Store(true)
		_ = c.nc.SetWriteDeadline(time.Unix(1, 0))
	}
}
