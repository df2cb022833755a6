package socket

import (
	"io"
	"net"
	"testing"
	"time"
)

// TestGlance: what was not read to its end is looked at; behind that a glance finds what
// events have told, in the end.
func TestGlance(t *testing.T) {
	onFiber(t, func(s *Conn, other *net.TCPConn) {
		read := func(room int) {
			if _, err := io.ReadFull(s, make([]byte, room)); err != nil {
				t.Error(err)
			}
		}
		becomes := func(want Attention) {
			t.Helper()
			for end := time.Now().Add(ceiling); s.Glance() != want; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Errorf("a glance finds %v, want %v", s.Glance(), want)
					return
				}
			}
		}
		_ = s.SetReadDeadline(time.Now().Add(time.Hour))
		say(t, other, "two")
		read(2) // there is more
		if got := s.Glance(); got != Spoke {
			t.Errorf("a glance at what is left finds %v", got)
		}
		b := make([]byte, 9)
		if n, err := s.Read(b); n != 1 || err != nil {
			t.Errorf("read %q, %v", b[:n], err)
		}
		becomes(Quiet)
		say(t, other, "more")
		becomes(Spoke)
		read(4)
		becomes(Quiet)
		if err := other.Close(); err != nil {
			t.Error(err)
		}
		becomes(Closed)
	})
}
