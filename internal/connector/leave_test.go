package connector

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"weir/internal/smtp"
)

// A connector must see our end of the connection as an end, not as a reset: a
// reset destroys what it has not read yet, and looks like a fault in its log.
func TestQuit(t *testing.T) {
	tests := map[string][]string{
		"answered":              {"> 220 mx1", "< QUIT", "> 221 bye"},
		"answered in two lines": {"> 220 mx1", "< QUIT", "> 221-bye", "> 221 and thanks"},
		"answered with more":    {"> 220 mx1", "< QUIT", "> 221 bye", "> 250 what else?"},
		"answered with words":   {"> 220 mx1", "< QUIT", "> 221 bye", "~", "> 250 what else?"},
		"refused":               {"> 220 mx1", "< QUIT", "> 500 what?"},
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			left := make(chan error, 1)
			address := connectors(t, func(c *net.TCPConn) {
				if err := play(c, script...); err != nil {
					left <- err
					return
				}
				if err := c.CloseWrite(); err != nil { // as a server does: nothing more to say
					left <- err
					return
				}
				left <- untilLeft(c)
			})
			c := connect(t, address)
			if err := c.Greet(later()); err != nil {
				t.Fatal(err)
			}
			c.Quit(later())
			wantEnd(t, left, io.EOF)
			wantClosed(t, c)
		})
	}
}

// Without its 221, or without its end, a connector is left at the deadline.
func TestQuitUnanswered(t *testing.T) {
	for name, script := range map[string][]string{
		"no answer":      {"< QUIT"},
		"half an answer": {"< QUIT", "> 221-bye"},
		"answer, no end": {"< QUIT", "> 221 bye"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, ended := scripted(t, script...)
			c := connect(t, address)
			c.Quit(soon())
			wantEnd(t, ended, io.EOF)
			wantClosed(t, c)
		})
	}
}

func TestQuitFromOneThatLeft(t *testing.T) {
	for _, reset := range []bool{false, true} {
		srv := misbehaving(t)
		c := dial(t, srv.Addr())
		srv.DropConnections(reset)
		waitFor(t, c, smtp.Closed)
		c.Quit(later())
		wantClosed(t, c)
	}
}

func TestHangUp(t *testing.T) {
	tests := map[string]struct{ before, after []string }{
		"nothing unread":       {},
		"a banner unread":      {before: []string{"> 220 mx1"}},
		"half a banner unread": {before: []string{"> 220-mx1"}},
		"replies unread":       {before: []string{"> 250 a", "> 250 b", "> 250 c"}},
		"speaks when left":     {after: []string{"> 421 where are you?"}},
		"never stops":          {[]string{"> 250-a"}, []string{"> 250-" + strings.Repeat("x", 2000), "> 250 end"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			left := make(chan error, 1)
			address := connectors(t, func(c *net.TCPConn) {
				if err := play(c, test.before...); err != nil {
					left <- err
					return
				}
				err := untilLeft(c)
				if e := play(c, test.after...); e != nil {
					err = e
				}
				left <- err
			})
			c := connect(t, address)
			if len(test.before) > 0 {
				waitFor(t, c, smtp.Spoke)
			}
			c.HangUp(later())
			wantEnd(t, left, io.EOF)
			wantClosed(t, c)
		})
	}
}

// For comparison, what HangUp is there to avoid: the tests above can tell.
func TestCloseResets(t *testing.T) {
	address, ended := scripted(t, "> 220 mx1")
	c := connect(t, address)
	waitFor(t, c, smtp.Spoke)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, ended, syscall.ECONNRESET)
}

// A connector that does not let go is left at the deadline.
func TestHangUpUnanswered(t *testing.T) {
	address := connectors(t, func(c *net.TCPConn) {
		<-t.Context().Done()
		c.Close()
	})
	c := connect(t, address)
	c.HangUp(soon())
	wantClosed(t, c)
}

// Without half a close, the whole must do.
func TestHangUpOnAPipe(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	newConn(ours, new(smtp.Buffers)).HangUp(later())
	if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func wantClosed(t *testing.T, c *Conn) {
	t.Helper()
	if _, err := c.sock.HandOver(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection is still open: %v", err)
	}
}

func TestLook(t *testing.T) {
	srv := misbehaving(t)
	c := dial(t, srv.Addr())
	if got := c.Look(); got != smtp.Quiet {
		t.Errorf("a connection in order looks like %d", got)
	}
	if reply := new(smtp.Reply); c.Do("NOOP", reply, later()) != nil || c.Look() != smtp.Quiet {
		t.Errorf("behind %s it looks like %d", reply, c.Look())
	}
	srv.DropConnections(false)
	waitFor(t, c, smtp.Closed)
	c = dial(t, srv.Addr())
	srv.DropConnections(true)
	waitFor(t, c, smtp.Closed)

	address, _ := scripted(t, "> 421 going down")
	c = connect(t, address)
	waitFor(t, c, smtp.Spoke)
	var reply smtp.Reply
	if err := c.ReadReply(&reply, later()); err != nil || c.Look() != smtp.Quiet {
		t.Errorf("behind %s it looks like %d, %v", &reply, c.Look(), err)
	}
}

// waitFor looks until the kernel has brought what the connector did.
func waitFor(t *testing.T, c *Conn, want smtp.Attention) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	end := time.After(ample)
	for c.Look() != want {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("it looks like %d, and never like %d", c.Look(), want)
		}
	}
}
