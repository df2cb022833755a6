package socket_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"weir/internal/fiber"
	"weir/internal/socket"
)

// onFiber runs do on a fiber, with a connection that it carries and the other side of that.
func onFiber(t *testing.T, do func(s *socket.Conn, other net.Conn)) {
	t.Helper()
	g := new(fiber.Group)
	t.Cleanup(g.Close)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	watched, err := g.Take(nc)
	if err != nil {
		t.Fatal(err)
	}
	s := socket.New(watched)
	defer s.Close()
	done := make(chan struct{})
	if err := g.Go(func(f *fiber.Fiber) {
		defer close(done)
		s.Carry(f)
		do(s, other)
	}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Error("it does not end")
		_ = s.Close()
		<-done
	}
}

// nobody is an ear that is never asked: a fiber listens for itself.
type nobody struct{ t *testing.T }

func (n nobody) Open() error {
	n.t.Error("somebody else listens")
	return nil
}
func (nobody) Heard() bool { return false }

// TestWriteHeeds: what the other side says while a fiber's write waits ends the write, and
// is there to be read, also where what came before it was read to its end (P28).
func TestWriteHeeds(t *testing.T) {
	onFiber(t, func(s *socket.Conn, other net.Conn) {
		said := func(text string) {
			if _, err := io.WriteString(other, text); err != nil {
				t.Error(err)
			}
		}
		heard := func(want string) {
			_ = s.SetReadDeadline(time.Now().Add(time.Hour))
			b := make([]byte, 100)
			if n, err := s.Read(b); string(b[:n]) != want || err != nil {
				t.Errorf("read %q, %v, want %q", b[:n], err, want)
			}
		}
		said("354 go\r\n")
		heard("354 go\r\n")
		s.Have(socket.Patience{Until: time.Now().Add(time.Hour), Ear: nobody{t}, Plain: true})
		spoken := time.AfterFunc(50*time.Millisecond, func() { said("552 no\r\n") })
		defer spoken.Stop()
		if _, err := s.Write(make([]byte, 64<<20)); !errors.Is(err, socket.ErrHeard) {
			t.Errorf("the write ended with %v", err)
		}
		heard("552 no\r\n")
	})
}

// TestWriteHeedsTheEnd: so does its leaving.
func TestWriteHeedsTheEnd(t *testing.T) {
	onFiber(t, func(s *socket.Conn, other net.Conn) {
		s.Have(socket.Patience{Until: time.Now().Add(time.Hour), Ear: nobody{t}, Plain: true})
		left := time.AfterFunc(50*time.Millisecond, func() { _ = other.(*net.TCPConn).CloseWrite() })
		defer left.Stop()
		if _, err := s.Write(make([]byte, 64<<20)); !errors.Is(err, socket.ErrHeard) {
			t.Errorf("the write ended with %v", err)
		}
		if s.Look() != socket.Closed {
			t.Error("it does not look closed")
		}
	})
}
