package connector

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/internal/backend"
	"weir/internal/faulty"
)

// ample is a deadline that no test should meet.
const ample = time.Minute

// short is a deadline that a test waits for.
const short = 30 * time.Millisecond

func soon() time.Time  { return time.Now().Add(short) }
func later() time.Time { return time.Now().Add(ample) }

// connectors start a connector that does as handle says with each connection.
// All of them are cut off when the test ends.
func connectors(t *testing.T, handle func(c *net.TCPConn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	ctx, cut := context.WithCancel(context.Background())
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(ctx, func() { c.Close() })
			all.Go(func() {
				defer stop()
				defer c.Close()
				handle(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		cut()
		all.Wait()
	})
	return l.Addr().String()
}

// play goes through a dialogue as a connector: "> text" is said, "< text" must
// be heard, and at "~" it stays silent for a while.
func play(c net.Conn, dialogue ...string) error {
	in := bufio.NewReader(c)
	for _, step := range dialogue {
		if step == "~" {
			<-time.After(short)
			continue
		}
		text := step[2:]
		if step[0] == '>' {
			if _, err := io.WriteString(c, text+"\r\n"); err != nil {
				return fmt.Errorf("saying %q: %w", text, err)
			}
			continue
		}
		line, err := in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("waiting for %q: %w", text, err)
		}
		if line != text+"\r\n" {
			return fmt.Errorf("heard %q, want %q", line, text)
		}
	}
	return nil
}

// scripted starts a connector that goes through a dialogue and then waits to be
// left. How that went comes out of the channel: io.EOF is a proper end.
func scripted(t *testing.T, dialogue ...string) (address string, ended <-chan error) {
	t.Helper()
	result := make(chan error, 8)
	return connectors(t, func(c *net.TCPConn) {
		err := play(c, dialogue...)
		if err == nil {
			err = untilLeft(c)
		}
		result <- err
	}), result
}

// untilLeft reads until the other side ends the connection and says how: io.EOF
// or an error, such as a reset.
func untilLeft(c net.Conn) error {
	if _, err := io.Copy(io.Discard, c); err != nil {
		return err
	}
	return io.EOF
}

// misbehaving starts a connector with faults.
func misbehaving(t *testing.T, faults ...faulty.Fault) *faulty.Server {
	t.Helper()
	behaviour := faulty.Honest()
	behaviour.Faults = faults
	srv, err := faulty.New(faulty.Options{Name: "mx1", Behaviour: behaviour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	return srv
}

// dial reaches a connector, which must go well.
func dial(t *testing.T, address string) *Conn {
	t.Helper()
	d := Dialer{Hostname: "weir.test"}
	c, err := d.Dial(t.Context(), address, later())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// connect opens a connection and exchanges no word.
func connect(t *testing.T, address string) *Conn {
	t.Helper()
	c, err := new(Dialer).Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// wantError wants an *Error of a stage with words that begin as given.
func wantError(t *testing.T, err error, stage backend.Stage, words string) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Stage != stage || !strings.HasPrefix(e.Error(), words) || e.Error() != stage.String()+": "+e.Why() {
		t.Errorf("%v, want %q at stage %s", err, words, stage)
		return new(Error)
	}
	return e
}

// wantEnd wants the connector's side of the story.
func wantEnd(t *testing.T, ended <-chan error, want error) {
	t.Helper()
	select {
	case err := <-ended:
		if !errors.Is(err, want) {
			t.Errorf("the connector saw %v, want %v", err, want)
		}
	case <-time.After(ample):
		t.Error("the connector saw no end of the connection")
	}
}
