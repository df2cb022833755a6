package connector

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"weir/internal/smtp"
)

// tooMuch is more than any socket buffers.
func tooMuch() []byte { return bytes.Repeat([]byte("0123456789abcde\n"), 1<<20) }

// step is how often a slow connector reads, and patience many times that: a busy
// machine must not make the one look like the other.
const (
	step     = 20 * time.Millisecond
	patience = 50 * step
)

// narrow makes the buffers of a connection small, so that what is not read soon
// holds the writer up.
func narrow(t *testing.T, c *Conn) *Conn {
	t.Helper()
	var failed error
	err := c.sock.Wait(func(fd uintptr) bool {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 32<<10)
		return true
	})
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	return c
}

// readSlowly reads n octets, a piece at a time, and waits for a step in between.
func readSlowly(t *testing.T, c net.Conn, n, piece int) error {
	tick := time.NewTicker(step)
	defer tick.Stop()
	for got := 0; got < n; {
		m, err := io.ReadFull(c, make([]byte, min(piece, n-got)))
		if got += m; err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			return t.Context().Err()
		}
	}
	return nil
}

// hold keeps a connection open and reads nothing.
func hold(t *testing.T) { <-t.Context().Done() }

func TestWriteTakesAll(t *testing.T) {
	heard := make(chan []byte, 1)
	address := connectors(t, func(c *net.TCPConn) {
		all, _ := io.ReadAll(c)
		heard <- all
	})
	c := connect(t, address)
	body := tooMuch()
	for part := range slices.Chunk(body, 1<<20) {
		if n, early, err := c.Write(part, ample, later()); n != len(part) || early || err != nil {
			t.Fatalf("%d of %d octets, early %v, %v", n, len(part), early, err)
		}
	}
	c.HangUp(later())
	if got := <-heard; !bytes.Equal(got, body) {
		t.Errorf("%d octets arrived of %d, or others", len(got), len(body))
	}
}

// A connector that speaks in the middle of the content is heard at once (P28).
func TestWriteHearsAnEarlyReply(t *testing.T) {
	address := connectors(t, func(c *net.TCPConn) {
		if readSlowly(t, c, 1<<20, 1<<18) == nil {
			_, _ = io.WriteString(c, "552 5.3.4 that is enough\r\n")
			hold(t)
		}
	})
	c := narrow(t, connect(t, address))
	var reply smtp.Reply
	if err := c.ReadReply(&reply, soon()); !IsTimeout(err) { // a deadline that has passed does not make it deaf
		t.Fatal(err)
	}
	body := tooMuch()
	n, early, err := c.Write(body, ample, later())
	if n < 1<<20 || n == len(body) || !early || err != nil {
		t.Fatalf("%d of %d octets, early %v, %v", n, len(body), early, err)
	}
	if err := c.ReadReply(&reply, later()); err != nil || reply.String() != "552 5.3.4 that is enough" {
		t.Errorf("%s, %v", &reply, err)
	}
}

// One that spoke before is heard as soon as a write would have to wait.
func TestWriteHearsWhatWasSaidBefore(t *testing.T) {
	address := connectors(t, func(c *net.TCPConn) {
		_, _ = io.WriteString(c, "421 going down\r\n")
		hold(t)
	})
	c := narrow(t, connect(t, address))
	waitFor(t, c, smtp.Spoke)
	body := tooMuch()
	if n, early, err := c.Write(body, ample, later()); n == len(body) || !early || err != nil {
		t.Errorf("%d of %d octets, early %v, %v", n, len(body), early, err)
	}
	var reply smtp.Reply
	if err := c.ReadReply(&reply, later()); err != nil || reply.Code != 421 {
		t.Errorf("%s, %v", &reply, err)
	}
}

func TestWriteNoticesTheEnd(t *testing.T) {
	for name, end := range map[string]func(c *net.TCPConn) error{
		"closed":      (*net.TCPConn).Close,
		"half closed": (*net.TCPConn).CloseWrite,
		"reset":       func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := connectors(t, func(c *net.TCPConn) {
				if readSlowly(t, c, 1<<20, 1<<18) == nil && end(c) == nil {
					hold(t)
				}
			})
			c := narrow(t, connect(t, address))
			body := tooMuch()
			n, early, err := c.Write(body, ample, later())
			if n == len(body) || !early && err == nil || IsTimeout(err) {
				t.Fatalf("%d of %d octets, early %v, %v", n, len(body), early, err)
			}
			var reply smtp.Reply
			if err := c.ReadReply(&reply, later()); err == nil || IsTimeout(err) {
				t.Errorf("then: %v", err)
			}
		})
	}
}

// A connector that takes nothing at all any more is given up, and what the
// system took is known.
func TestWriteWithoutProgress(t *testing.T) {
	count := make(chan int64, 1)
	goOn := make(chan struct{})
	address := connectors(t, func(c *net.TCPConn) {
		select {
		case <-goOn:
		case <-t.Context().Done():
		}
		n, _ := io.Copy(io.Discard, c)
		count <- n
	})
	c := narrow(t, connect(t, address))
	body := tooMuch()
	n, early, err := c.Write(body, short, later())
	if n == 0 || n == len(body) || early || !IsTimeout(err) || Describe(err) != "no answer in time" {
		t.Errorf("%d of %d octets, early %v, %v", n, len(body), early, err)
	}
	close(goOn)
	c.HangUp(later())
	if got := <-count; got != int64(n) {
		t.Errorf("%d octets arrived, %d were counted", got, n)
	}
}

// As long as there is some progress, a slow connector is waited for, however
// long it takes altogether.
func TestWriteToASlowConnector(t *testing.T) {
	t.Parallel()
	const size = 4 << 20
	heard := make(chan error, 1)
	address := connectors(t, func(c *net.TCPConn) {
		if err := c.SetReadBuffer(32 << 10); err != nil {
			heard <- err
			return
		}
		err := readSlowly(t, c, size, size/100) // about two seconds
		heard <- err
		_, _ = io.WriteString(c, "250 at last\r\n")
		_ = untilLeft(c)
	})
	c := narrow(t, connect(t, address))
	start := time.Now()
	body := tooMuch()[:size]
	n, early, err := c.Write(body, patience, later())
	if n != size || early || err != nil {
		t.Fatalf("%d of %d octets, early %v, %v", n, size, early, err)
	}
	if took := time.Since(start); took < patience {
		t.Errorf("all was taken in %s: too fast to tell", took)
	}
	if err := <-heard; err != nil {
		t.Error(err)
	}
	// The deadlines that Write worked with are nobody else's.
	var reply smtp.Reply
	if err := c.ReadReply(&reply, later()); err != nil || reply.Code != 250 {
		t.Errorf("%s, %v", &reply, err)
	}
	if n, early, err := c.Write([]byte("more"), short, later()); n != 4 || early || err != nil {
		t.Errorf("%d octets, early %v, %v", n, early, err)
	}
}

// A connection without a descriptor is written to all the same.
func TestWriteToAPipe(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	c := newConn(ours, new(smtp.Buffers))
	defer c.Close()
	go func() { _, _ = io.CopyN(io.Discard, theirs, 10) }()
	if n, early, err := c.Write(make([]byte, 10), ample, later()); n != 10 || early || err != nil {
		t.Errorf("%d octets, early %v, %v", n, early, err)
	}
	if n, early, err := c.Write(make([]byte, 10), short, later()); n != 0 || early || !IsTimeout(err) {
		t.Errorf("to one that reads nothing: %d octets, early %v, %v", n, early, err)
	}
	if c.Look() != smtp.Quiet {
		t.Error("it is not quiet")
	}
}
