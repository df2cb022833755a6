package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// tooMuch is more than the system takes at once.
const tooMuch = 1 << 20

// All of it arrives, however much goes at once, and whoever is slow.
func TestWrite(t *testing.T) {
	pattern := bytes.Repeat([]byte("0123456789abcdef"), tooMuch/16)
	for _, size := range []int{0, 1, 5000, tooMuch} {
		each(t, func(t *testing.T, ours *Conn, theirs net.Conn) {
			ours.Have(Patience{Until: time.Now().Add(ceiling), Progress: ceiling})
			heard := make(chan []byte, 1)
			go func() {
				all := make([]byte, size)
				_, _ = io.ReadFull(theirs, all)
				heard <- all
			}()
			if n, err := ours.Write(pattern[:size]); n != size || err != nil {
				t.Errorf("%d of %d octets, %v", n, size, err)
			}
			if !bytes.Equal(<-heard, pattern[:size]) {
				t.Errorf("%d octets arrived otherwise", size)
			}
		})
	}
}

// Nobody reads: each patience ends the write, and what goes at once needs none.
func TestPatienceEnds(t *testing.T) {
	for name, patience := range map[string]Patience{
		"until":    {Until: time.Now().Add(moment)},
		"passed":   {Until: time.Unix(1, 0)},
		"within":   {Within: moment},
		"both":     {Until: time.Now().Add(1000 * ceiling), Within: moment},
		"progress": {Until: time.Now().Add(1000 * ceiling), Progress: moment},
		"forever":  {Progress: moment},
	} {
		t.Run(name, func(t *testing.T) {
			ours, _ := pair(t)
			ours.Have(patience)
			n, err := ours.Write(make([]byte, tooMuch))
			if n <= 0 || n == tooMuch || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%d octets, %v", n, err)
			}
		})
	}
	ours, theirs := pair(t)
	if err := ours.SetDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if n, err := ours.Write([]byte("x")); n != 1 || err != nil {
		t.Errorf("%d octets, %v; that went at once", n, err)
	}
	if _, err := io.ReadFull(theirs, make([]byte, 1)); err != nil {
		t.Error(err)
	}
}

// hearing is an ear that hears something as soon as it is open.
type hearing struct {
	sock   *Conn
	opened chan struct{}
	spoke  atomic.Bool
}

func (h *hearing) Open() error {
	close(h.opened)
	return nil
}

func (h *hearing) Heard() bool { return h.spoke.Load() }

func (h *hearing) listen() {
	<-h.opened
	h.spoke.Store(true)
	h.sock.EndWrite()
}

func TestEarEndsTheWrite(t *testing.T) {
	ours, theirs := pair(t)
	ear := &hearing{sock: ours, opened: make(chan struct{})}
	ours.Have(Patience{Until: time.Now().Add(1000 * ceiling), Progress: 500 * ceiling, Ear: ear})
	if _, err := ours.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ear.opened:
		t.Fatal("it listens although nothing waits")
	default:
	}
	go ear.listen()
	if n, err := ours.Write(make([]byte, tooMuch)); n == tooMuch || !errors.Is(err, ErrHeard) {
		t.Errorf("%d octets, %v", n, err)
	}
	ours.Have(Patience{Within: ceiling}) // what the ear has set ends no other write
	go func() { _, _ = io.Copy(io.Discard, theirs) }()
	if n, err := ours.Write(make([]byte, tooMuch)); n != tooMuch || err != nil {
		t.Errorf("%d octets, %v", n, err)
	}
	ours.Close()
}

// deafness is an ear that cannot be opened.
type deafness struct{ hearing }

func (*deafness) Open() error { return io.ErrClosedPipe }

func TestEarThatFails(t *testing.T) {
	ours, _ := pair(t)
	ours.Have(Patience{Ear: new(deafness)})
	if _, err := ours.Write(make([]byte, tooMuch)); err != io.ErrClosedPipe {
		t.Error(err)
	}
}

func TestWriteFails(t *testing.T) {
	ours, theirs := pair(t)
	if err := errors.Join(theirs.SetLinger(0), theirs.Close()); err != nil {
		t.Fatal(err)
	}
	if seen, err := ours.Await(); seen != Closed || err != nil {
		t.Fatal(seen, err)
	}
	if n, err := ours.Write([]byte("x")); n != 0 || err == nil {
		t.Errorf("%d octets, %v; behind a reset", n, err)
	}
	ours.Close()
	if n, err := ours.Write([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%d octets, %v; to a connection that was closed", n, err)
	}
}
