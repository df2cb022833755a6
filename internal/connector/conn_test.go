package connector

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"weir/internal/smtp"
)

func TestPipelinedGroup(t *testing.T) {
	group := make(chan string, 1)
	address := connectors(t, func(c *net.TCPConn) {
		var buf [4096]byte
		n, err := c.Read(buf[:])
		if err != nil {
			return
		}
		group <- string(buf[:n])
		_, _ = io.WriteString(c, "250 2.1.0 from\r\n250-2.1.5 to\r\n250 2.1.5 too\r\n354 go\r\n")
		_ = untilLeft(c)
	})
	c := connect(t, address)
	if err := c.Flush(later()); err != nil {
		t.Errorf("nothing to flush: %v", err)
	}
	m := smtp.Mail{From: "a@b"}
	out := m.Append(c.Pending())
	c.SetPending(append(smtp.AppendRcpt(out, "c@d"), "DATA\r\n"...))
	if err := c.Flush(later()); err != nil || len(c.Pending()) != 0 {
		t.Fatalf("%v, %q is still pending", err, c.Pending())
	}
	if got, want := <-group, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"; got != want {
		t.Errorf("in one piece came %q, want %q", got, want)
	}
	var reply smtp.Reply
	for _, want := range []string{"250 2.1.0 from", "250 2.1.5 to / too", "354 go"} {
		if err := c.ReadReply(&reply, later()); err != nil || reply.String() != want {
			t.Errorf("%s, %v; want %s", &reply, err, want)
		}
	}
	if c.Waited() {
		t.Error("the last of them had come with the others")
	}
}

// What went wrong leaves no reply behind that could be taken for one.
func TestReadReplyFailures(t *testing.T) {
	address, _ := scripted(t, "> 250-fine")
	reply := smtp.NewReply(250, smtp.EnhancedCode{}, "old")
	if err := connect(t, address).ReadReply(&reply, soon()); !errors.Is(err, os.ErrDeadlineExceeded) || !IsTimeout(err) || reply.Code != 0 {
		t.Errorf("half a reply: %v, %s", err, &reply)
	}
	address, _ = scripted(t, "< NOOP", "> 250-fine", "> 251 not the same")
	reply = smtp.NewReply(250, smtp.EnhancedCode{}, "old")
	if err := connect(t, address).Do("NOOP", &reply, later()); !errors.Is(err, smtp.ErrReplySyntax) || reply.Code != 0 {
		t.Errorf("no reply at all: %v, %s", err, &reply)
	}
}

func TestDoAfterTheConnectorLeft(t *testing.T) {
	address := connectors(t, func(*net.TCPConn) {})
	c := connect(t, address)
	var reply smtp.Reply
	if err := c.ReadReply(&reply, later()); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	err := c.Do("NOOP", &reply, later())
	for range 100 { // the first command may still be taken, to be answered with a reset
		if err != nil {
			break
		}
		err = c.Do("NOOP", &reply, later())
	}
	if words := Describe(err); words != "connection closed" && words != "connection reset" {
		t.Errorf("%v: %s", err, words)
	}
}

// Abort ends whatever the user of the connection waits for.
func TestAbort(t *testing.T) {
	address, ended := scripted(t)
	c := connect(t, address)
	stop := time.AfterFunc(short, c.Abort)
	defer stop.Stop()
	var reply smtp.Reply
	if err := c.ReadReply(&reply, later()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("while it was waited for: %v", err)
	}
	if err := c.Do("NOOP", &reply, later()); err == nil {
		t.Error("a command could be sent afterwards")
	}
	if got := c.Look(); got != smtp.Closed {
		t.Errorf("it looks like %d", got)
	}
	wantEnd(t, ended, io.EOF)
}

func TestDescribe(t *testing.T) {
	tests := map[string]error{
		"no answer in time":                      os.ErrDeadlineExceeded,
		"connection closed":                      io.ErrUnexpectedEOF,
		"connection reset":                       &net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)},
		"connection refused":                     &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
		"no route to host":                       &net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH},
		"network unreachable":                    &net.OpError{Op: "dial", Err: syscall.ENETUNREACH},
		"lookup mx1 on 192.0.2.53: no such host": &net.DNSError{Err: "no such host", Name: "mx1", Server: "192.0.2.53"},
		"not an SMTP reply":                      smtp.ErrReplySyntax,
	}
	for want, err := range tests {
		if got := Describe(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
	for _, err := range []error{syscall.ETIMEDOUT, &net.DNSError{IsTimeout: true}, &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}} {
		if !IsTimeout(err) || Describe(err) != "no answer in time" {
			t.Errorf("%v is not known as a timeout", err)
		}
	}
	for _, err := range []error{nil, io.EOF, syscall.ECONNRESET, errors.New("timeout")} {
		if IsTimeout(err) {
			t.Errorf("%v is known as a timeout", err)
		}
	}
}

// Many connections may share buffers.
func TestConnectionsShareBuffers(t *testing.T) {
	srv := misbehaving(t)
	d := Dialer{Hostname: "weir.test", Buffers: new(smtp.Buffers)}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			c, err := d.Dial(t.Context(), srv.Addr(), later())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Quit(later())
			for range 20 {
				var reply smtp.Reply
				if err := c.Do("NOOP", &reply, later()); err != nil || reply.String() != "250 2.0.0 Ok" {
					t.Errorf("%s, %v", &reply, err)
				}
			}
		})
	}
	all.Wait()
}
