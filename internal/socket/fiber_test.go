package socket

import (
	"errors"
	"net"
	"testing"
	"time"
)

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
	onFiber(t, func(s *Conn, other *net.TCPConn) {
		heard := func(want string) {
			_ = s.SetReadDeadline(time.Now().Add(time.Hour))
			b := make([]byte, 100)
			if n, err := s.Read(b); string(b[:n]) != want || err != nil {
				t.Errorf("read %q, %v, want %q", b[:n], err, want)
			}
		}
		say(t, other, "354 go\r\n")
		heard("354 go\r\n")
		s.Have(Patience{Until: time.Now().Add(time.Hour), Ear: nobody{t}, Plain: true})
		spoken := time.AfterFunc(50*time.Millisecond, func() { say(t, other, "552 no\r\n") })
		defer spoken.Stop()
		if _, err := s.Write(make([]byte, 64<<20)); !errors.Is(err, ErrHeard) {
			t.Errorf("the write ended with %v", err)
		}
		heard("552 no\r\n")
	})
}

// TestWriteHeedsTheEnd: so does its leaving.
func TestWriteHeedsTheEnd(t *testing.T) {
	onFiber(t, func(s *Conn, other *net.TCPConn) {
		s.Have(Patience{Until: time.Now().Add(time.Hour), Ear: nobody{t}, Plain: true})
		left := time.AfterFunc(50*time.Millisecond, func() { _ = other.CloseWrite() })
		defer left.Stop()
		if _, err := s.Write(make([]byte, 64<<20)); !errors.Is(err, ErrHeard) {
			t.Errorf("the write ended with %v", err)
		}
		if s.Look() != Closed {
			t.Error("it does not look closed")
		}
	})
}
