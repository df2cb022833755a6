package smtp

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// pause is long enough to find out that nothing comes; what is tested does not
// depend on its length.
const pause = 20 * time.Millisecond

func write(t *testing.T, w interface{ Write([]byte) (int, error) }, text string) {
	t.Helper()
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// readNothing waits for a command that does not come.
func readNothing(t *testing.T, c interface{ SetReadDeadline(time.Time) error }, r *Reader) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(pause)); err != nil {
		t.Fatal(err)
	}
	if line, err := r.ReadCommand(2048); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%q, %v", line, err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
}

// A connection that waits for its peer holds no buffer, unless there is part of
// a command in it.
func TestReaderHoldsNothingWhileIdle(t *testing.T) {
	ours, theirs := socketPair(t)
	r := NewReader(ours, new(Buffers))
	readNothing(t, ours, r)
	if r.buf != nil {
		t.Error("a buffer is held before anything came")
	}
	write(t, theirs, "NOOP\r\n")
	if line, err := r.ReadCommand(2048); err != nil || string(line) != "NOOP" {
		t.Fatalf("%q, %v", line, err)
	}
	readNothing(t, ours, r)
	if r.buf != nil {
		t.Error("a buffer is held although everything was consumed")
	}
	lender := (*lending)(r)
	if lender.TakeBack(); len(lender.Lend()) != SmallBuffer {
		t.Errorf("a buffer of %d octets is lent", len(*r.buf))
	}
	if lender.TakeBack(); r.buf != nil {
		t.Error("about to wait it holds a buffer")
	}
	write(t, theirs, "QUI")
	readNothing(t, ours, r)
	if got := string(r.Buffered()); got != "QUI" {
		t.Errorf("%q is left of a command", got)
	}
	write(t, theirs, "T\r\n250 Ok\r\n")
	if line, err := r.ReadCommand(2048); err != nil || string(line) != "QUIT" {
		t.Fatalf("%q, %v", line, err)
	}
	var reply Reply
	if err := r.ReadReply(&reply); err != nil || r.buf != nil {
		t.Errorf("%v; a buffer is held behind a reply: %v", err, r.buf != nil)
	}
}

func TestReaderDiscardGivesBack(t *testing.T) {
	r := readerOf("abc")
	if err := r.Fill(); err != nil {
		t.Fatal(err)
	}
	r.Discard(2)
	if got := string(r.Buffered()); got != "c" || r.buf == nil {
		t.Errorf("%q is left", got)
	}
	r.Discard(1)
	if r.buf != nil || r.Buffered() != nil {
		t.Error("an empty buffer is held")
	}
}

// What is buffered survives a change of size, and a large buffer is given back
// once it is empty.
func TestReaderResize(t *testing.T) {
	ours, theirs := socketPair(t)
	r := NewReader(ours, new(Buffers))
	write(t, theirs, "DATA\r\nbegin")
	if _, err := r.ReadCommand(2048); err != nil {
		t.Fatal(err)
	}
	r.Resize(LargeBuffer)
	if len(*r.buf) != LargeBuffer || string(r.Buffered()) != "begin" {
		t.Fatalf("%d octets of room, %q buffered", len(*r.buf), r.Buffered())
	}
	body := strings.Repeat("x", 3*SmallBuffer)
	write(t, theirs, body)
	for len(r.Buffered()) < len("begin"+body) {
		if err := r.Fill(); err != nil {
			t.Fatal(err)
		}
	}
	r.Resize(SmallBuffer)
	if string(r.Buffered()) != "begin"+body {
		t.Error("content was lost when the buffer was to become smaller")
	}
	r.Discard(len(r.Buffered()))
	write(t, theirs, "QUIT\r\n")
	if _, err := r.ReadCommand(2048); err != nil || len(*r.buf) != SmallBuffer {
		t.Errorf("a buffer of %d octets for a command, %v", len(*r.buf), err)
	}
}

func TestBuffersAreReused(t *testing.T) {
	if underRace() {
		t.Skip("a pool forgets at random under the race detector")
	}
	buffers := new(Buffers)
	for _, size := range []int{SmallBuffer, LargeBuffer} {
		a := buffers.get(size)
		b := buffers.get(size)
		if a == b || len(*a) != size || len(*b) != size {
			t.Errorf("buffers of %d and %d octets, the same: %v", len(*a), len(*b), a == b)
		}
		buffers.put(a)
		if n := testing.AllocsPerRun(100, func() { buffers.put(buffers.get(size)) }); n > 0 {
			t.Errorf("%v allocations for a buffer of %d octets", n, size)
		}
	}
}

func TestLook(t *testing.T) {
	ours, theirs := socketPair(t)
	r := NewReader(ours, new(Buffers))
	if got := r.Look(); got != Quiet {
		t.Errorf("before anything came: %d", got)
	}
	write(t, theirs, "421 bye\r\n250 x\r\n")
	waitFor(t, r, Spoke)
	var reply Reply
	if err := r.ReadReply(&reply); err != nil {
		t.Fatal(err)
	}
	if got := r.Look(); got != Spoke || !bytes.Equal(r.Buffered(), []byte("250 x\r\n")) {
		t.Errorf("with a reply buffered: %d, %q", got, r.Buffered())
	}
	r.Release()
	if got := r.Look(); got != Quiet {
		t.Errorf("with everything read: %d", got)
	}
	write(t, theirs, "last words")
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, r, Spoke)
	if err := r.Fill(); err != nil {
		t.Fatal(err)
	}
	r.Release()
	waitFor(t, r, Closed)
	if err := ours.Close(); err != nil {
		t.Fatal(err)
	}
	if got := r.Look(); got != Closed {
		t.Errorf("closed by ourselves: %d", got)
	}
	if got := readerOf("x").Look(); got != Quiet {
		t.Errorf("without a descriptor: %d", got)
	}
}

// waitFor looks until the kernel has brought what was sent.
func waitFor(t *testing.T, r *Reader, want Attention) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for r.Look() != want {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the test ended")
		}
	}
}
