package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// While it waits the connection holds nothing, and what comes is read once.
func TestReceiveHoldsNothingWhileItWaits(t *testing.T) {
	ours, theirs := pair(t)
	m := memory{p: make([]byte, 10)}
	within(t, ours, moment)
	if n, err := ours.Receive(&m); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d octets, %v", n, err)
	}
	if m.out || m.takenBack == 0 {
		t.Errorf("lent still: %v, taken back %d times", m.out, m.takenBack)
	}
	say(t, theirs, "220 mx\r\n")
	within(t, ours, ceiling)
	if n, err := ours.Receive(&m); string(m.p[:n]) != "220 mx\r\n" || err != nil || !m.out {
		t.Errorf("%q, %v", m.p[:n], err)
	}
	if err := theirs.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n, err := ours.Receive(&m); n != 0 || err != io.EOF {
		t.Errorf("%d octets, %v; at the end", n, err)
	}
}

func TestReceiveTellsOfAReset(t *testing.T) {
	ours, theirs := pair(t)
	if err := errors.Join(theirs.SetLinger(0), theirs.Close()); err != nil {
		t.Fatal(err)
	}
	within(t, ours, ceiling)
	if n, err := ours.Receive(&memory{p: make([]byte, 1)}); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%d octets, %v", n, err)
	}
}

// A deadline that was armed and is not wanted any more ends nothing.
func TestDeadlineMovesOn(t *testing.T) {
	each(t, func(t *testing.T, ours *Conn, theirs net.Conn) {
		for range 5 {
			within(t, ours, moment)
			within(t, ours, ceiling)
			go func() {
				time.Sleep(2 * moment)
				_, _ = theirs.Write([]byte("x"))
			}()
			if n, err := ours.Read(make([]byte, 10)); n != 1 || err != nil {
				t.Fatalf("%d octets, %v", n, err)
			}
		}
	})
}

func TestDeadlineComesNearer(t *testing.T) {
	each(t, func(t *testing.T, ours *Conn, _ net.Conn) {
		within(t, ours, 1000*ceiling)
		within(t, ours, moment)
		if n, err := ours.Read(make([]byte, 10)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d octets, %v", n, err)
		}
	})
}

// However the two fall together: a wait that another goroutine ends does end, unless the
// deadline is set anew afterwards.
func TestInterruptionIsNeverLost(t *testing.T) {
	each(t, func(t *testing.T, ours *Conn, _ net.Conn) {
		for i := range 300 {
			if err := ours.SetReadDeadline(time.Now().Add(time.Duration(i%3) * moment / 10)); err != nil {
				t.Fatal(err)
			}
			within(t, ours, 1000*ceiling)
			go func() { _ = ours.SetReadDeadline(time.Unix(1, 0)) }()
			read := ours.Read
			if i%2 > 0 {
				read = func(p []byte) (int, error) {
					return ours.ReceiveBy(&memory{p: p}, time.Now().Add(1000*ceiling))
				}
			}
			if n, err := read(make([]byte, 10)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("%d octets, %v", n, err)
			}
		}
	})
}

// A short wait leaves the deadline as it was.
func TestReceiveBy(t *testing.T) {
	each(t, func(t *testing.T, ours *Conn, theirs net.Conn) {
		within(t, ours, ceiling)
		m := memory{p: make([]byte, 10)}
		for range 3 {
			if n, err := ours.ReceiveBy(&m, time.Now().Add(moment)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("%d octets, %v", n, err)
			}
		}
		go func() {
			time.Sleep(2 * moment)
			_, _ = theirs.Write([]byte("one"))
		}()
		if n, err := ours.Receive(&m); n != 3 || err != nil {
			t.Fatalf("%d octets, %v; behind short waits", n, err)
		}
		go func() { _, _ = theirs.Write([]byte("two")) }()
		if n, err := ours.ReceiveBy(&m, time.Now().Add(1000*ceiling)); n != 3 || err != nil {
			t.Fatalf("%d octets, %v; in a short wait", n, err)
		}
		within(t, ours, moment)
		if n, err := ours.ReceiveBy(&m, time.Now().Add(1000*ceiling)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%d octets, %v; the deadline came first", n, err)
		}
	})
}

func TestReadNow(t *testing.T) {
	ours, theirs := pair(t)
	p := make([]byte, 10)
	if n, err := ours.ReadNow(p); n != 0 || err != nil {
		t.Errorf("%d octets, %v; where there are none", n, err)
	}
	say(t, theirs, "x")
	seen, err := ours.Await()
	if seen != Spoke || err != nil {
		t.Fatal(seen, err)
	}
	if err := ours.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if n, err := ours.ReadNow(p); n != 1 || err != nil {
		t.Errorf("%d octets, %v; past the deadline, which does not count", n, err)
	}
	within(t, ours, ceiling)
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	if seen, err := ours.Await(); seen != Closed || err != nil {
		t.Fatal(seen, err)
	}
	if n, err := ours.ReadNow(p); n != 0 || err != io.EOF {
		t.Errorf("%d octets, %v; at the end", n, err)
	}
	ours.Close()
	if n, err := ours.ReadNow(p); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%d octets, %v; of a connection that was closed", n, err)
	}
}

func TestLook(t *testing.T) {
	ours, theirs := pair(t)
	want := func(when string, want Attention) {
		t.Helper()
		if got := ours.Look(); got != want {
			t.Errorf("%s: %d, want %d", when, got, want)
		}
	}
	want("at first", Quiet)
	within(t, ours, moment)
	if seen, err := ours.Await(); seen != Quiet || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d, %v", seen, err)
	}
	say(t, theirs, "x")
	within(t, ours, ceiling)
	if seen, err := ours.Await(); seen != Spoke || err != nil {
		t.Fatal(seen, err)
	}
	want("with something there", Spoke)
	if err := theirs.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	want("with something there and then the end", Spoke)
	if _, err := ours.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if seen, err := ours.Await(); seen != Closed || err != nil {
		t.Fatal(seen, err)
	}
	want("at the end", Closed)
	ours.Close()
	want("closed by ourselves", Closed)
}
