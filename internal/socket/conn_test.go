package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

func TestConnIsOverAnother(t *testing.T) {
	ours, theirs := pair(t)
	if ours.LocalAddr().String() != theirs.RemoteAddr().String() || ours.RemoteAddr().String() != theirs.LocalAddr().String() {
		t.Error("the addresses are not those of the connection")
	}
	if err := ours.CloseWrite(); err != nil {
		t.Error(err)
	}
	if n, err := theirs.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("%d octets, %v; behind half a close", n, err)
	}
}

func TestConnWithoutDescriptor(t *testing.T) {
	ours, theirs := pipe(t)
	if ours.HasDescriptor() || ours.Look() != Quiet {
		t.Error("a pipe has a descriptor, or is not quiet")
	}
	if seen, err := ours.Await(); seen != Quiet || err != nil {
		t.Errorf("%d, %v", seen, err)
	}
	if n, err := ours.ReadNow(make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("%d octets, %v", n, err)
	}
	for _, err := range []error{ours.CloseWrite(), ours.Wait(func(uintptr) bool { return true })} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
	}
	go func() { _, _ = theirs.Write([]byte("x")) }()
	m := memory{p: make([]byte, 2)}
	if n, err := ours.Receive(&m); n != 1 || err != nil {
		t.Errorf("%d octets, %v", n, err)
	}
}

// Who has taken over is on its own: no deadline is left, and those that are set now
// count at once.
func TestHandOver(t *testing.T) {
	ours, theirs := pair(t)
	within(t, ours, moment)
	nc, err := ours.HandOver()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(2 * moment)
		_, _ = theirs.Write([]byte("x"))
	}()
	if n, err := nc.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Fatalf("%d octets, %v", n, err)
	}
	for range 2 {
		if err := errors.Join(nc.SetReadDeadline(time.Time{}), ours.SetReadDeadline(time.Unix(1, 0))); err != nil {
			t.Fatal(err)
		}
		if n, err := nc.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d octets, %v", n, err)
		}
	}
}

func TestWait(t *testing.T) {
	ours, theirs := pair(t)
	within(t, ours, moment)
	within(t, ours, ceiling)
	go func() {
		time.Sleep(2 * moment)
		_, _ = theirs.Write([]byte("x"))
	}()
	asked := 0
	err := ours.Wait(func(fd uintptr) bool {
		asked++
		return Peek(fd) == Spoke
	})
	if asked < 2 || err != nil {
		t.Errorf("asked %d times, %v", asked, err)
	}
}

// What a command and its answer cost: no memory.
func TestNothingIsAllocated(t *testing.T) {
	ours, theirs := pair(t)
	m := &memory{p: make([]byte, 100)}
	words, back := []byte("NOOP\r\n"), make([]byte, 100)
	if err := theirs.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	n := testing.AllocsPerRun(100, func() {
		ours.Have(Patience{Within: ceiling})
		within(t, ours, ceiling)
		_, errs := ours.Write(words)
		_, heard := io.ReadFull(theirs, back[:len(words)])
		_, said := theirs.Write(words)
		got, err := ours.Receive(m)
		if ours.Look() != Quiet || got != len(words) || errors.Join(errs, heard, said, err) != nil {
			t.Fatal(got, errs, heard, said, err)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}

var _ net.Conn = (*Conn)(nil)
