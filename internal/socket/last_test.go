package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
)

// The last words arrive with the end behind them, however many they are and whoever is slow.
func TestWriteLast(t *testing.T) {
	pattern := bytes.Repeat([]byte("0123456789abcdef"), tooMuch/16)
	for _, size := range []int{0, 1, 100, 70000, tooMuch} {
		each(t, func(t *testing.T, ours *Conn, theirs net.Conn) {
			ours.Have(Patience{Within: ceiling})
			heard := make(chan []byte, 1)
			go func() {
				all, _ := io.ReadAll(theirs)
				heard <- all
			}()
			if n, err := ours.WriteLast(pattern[:size]); n != size || err != nil {
				t.Errorf("%d of %d octets, %v", n, size, err)
			}
			if err := ours.Close(); err != nil {
				t.Error(err)
			}
			if got := <-heard; !bytes.Equal(got, pattern[:size]) {
				t.Errorf("%d octets arrived, of %d", len(got), size)
			}
		})
	}
}

func TestWriteLastFails(t *testing.T) {
	ours, theirs := pair(t)
	if err := errors.Join(theirs.SetLinger(0), theirs.Close()); err != nil {
		t.Fatal(err)
	}
	if seen, err := ours.Await(); seen != Closed || err != nil {
		t.Fatal(seen, err)
	}
	if n, err := ours.WriteLast([]byte("x")); n != 0 || err == nil {
		t.Errorf("%d octets, %v; behind a reset", n, err)
	}
	ours.Close()
	if n, err := ours.WriteLast([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%d octets, %v; to a connection that was closed", n, err)
	}
}

// The end that goes with the last words is that of our half: a close alone would reset a
// connection that has something unread, and take the words away.
func TestWriteLastBeforeReset(t *testing.T) {
	ours, theirs := pair(t)
	if _, err := io.WriteString(theirs, "not read"); err != nil {
		t.Fatal(err)
	}
	if seen, err := ours.Await(); seen != Spoke || err != nil {
		t.Fatal(seen, err)
	}
	if _, err := ours.WriteLast([]byte("bye")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(ours.CloseWrite(), ours.Close()); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 3)
	if _, err := io.ReadFull(theirs, got); err != nil || string(got) != "bye" {
		t.Errorf("heard %q, %v", got, err)
	}
}
