package smtp

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// ceiling is what nothing here takes, however busy the machine is.
const ceiling = time.Minute

// What is read into the caller's memory, put back, and read by lines comes in order,
// with nothing lost and nothing twice.
func TestDirectReadsKeepTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOfN(rapid.Byte(), 0, 3*SmallBuffer).Draw(t, "text")
		r := NewReader(&inPieces{bytes.Clone(text), drawCutter(t)}, new(Buffers))
		var got []byte
		for {
			var err error
			switch rapid.IntRange(0, 2).Draw(t, "how") {
			case 0:
				if err = r.Fill(); errors.Is(err, io.ErrShortBuffer) {
					err = nil
				}
				n := rapid.IntRange(0, len(r.Buffered())).Draw(t, "consumed")
				got = append(got, r.Buffered()[:n]...)
				r.Discard(n)
			default:
				p := make([]byte, rapid.IntRange(1, 2*SmallBuffer).Draw(t, "room"))
				var n int
				if n, err = r.FillInto(p); n == 0 && err == nil {
					t.Fatal("nothing was read, and nothing is wrong")
				}
				kept := rapid.IntRange(0, n).Draw(t, "kept")
				got = append(got, p[:kept]...)
				r.Unread(p[kept:n])
				clear(p) // it is ours again
			}
			if err != nil && len(r.Buffered()) == 0 {
				break
			}
		}
		if !bytes.Equal(got, text) {
			t.Fatalf("%d octets came, %d were sent; or they differ", len(got), len(text))
		}
	})
}

func TestUnreadMakesRoom(t *testing.T) {
	for _, buffered := range []int{0, 1, SmallBuffer} {
		for _, back := range []int{0, 1, SmallBuffer, LargeBuffer, 2 * LargeBuffer} {
			r := readerOf(strings.Repeat("b", buffered))
			if err := r.Fill(); (err != nil) != (buffered == 0) {
				t.Fatal(err)
			}
			r.Unread(bytes.Repeat([]byte("a"), back))
			if got := string(r.Buffered()); got != strings.Repeat("a", back)+strings.Repeat("b", buffered) {
				t.Errorf("%d octets put back before %d: %d are there, or they differ", back, buffered, len(got))
			}
			if r.Discard(back + buffered); r.buf != nil {
				t.Errorf("%d octets put back before %d: an empty buffer is held", back, buffered)
			}
		}
	}
}

// Reading into the caller's memory borrows no buffer, over TLS either, once what is
// there has been taken.
func TestFillIntoBorrowsNothing(t *testing.T) {
	check := func(t *testing.T, r *Reader, theirs io.Writer) {
		t.Helper()
		p := make([]byte, LargeBuffer)
		for _, size := range []int{1, 20000, 60000} {
			body := strings.Repeat("x", size)
			done := make(chan error, 1)
			go func() {
				_, err := io.WriteString(theirs, body)
				done <- err
			}()
			for got := 0; got < size; {
				n, err := r.FillInto(p)
				if err != nil || n == 0 {
					t.Fatalf("%d octets, %v", n, err)
				}
				if r.buf != nil {
					t.Fatal("a buffer is held")
				}
				got += n
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if n, err := r.FillIntoBy(p, time.Now().Add(pause)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d octets, %v; with nothing there", n, err)
		}
		if r.buf != nil || r.tls != nil && r.tls.under.ahead != nil {
			t.Error("a buffer is held while nothing is there")
		}
	}
	t.Run("without TLS", func(t *testing.T) {
		ours, theirs := socketPair(t)
		check(t, NewReader(ours, new(Buffers)), theirs)
	})
	eachTLS(t, func(t *testing.T, p *overTLSPair) {
		check(t, NewReader(p.ours, new(Buffers)), p.theirs)
	})
}

// A short wait ends by itself, and leaves the deadline as it was.
func TestFillIntoBy(t *testing.T) {
	check := func(t *testing.T, r *Reader, c interface{ SetReadDeadline(time.Time) error }, theirs io.Writer) {
		t.Helper()
		p := make([]byte, 10)
		soon := func(d time.Duration) (int, error) { return r.FillIntoBy(p, time.Now().Add(d)) }
		if err := c.SetReadDeadline(time.Now().Add(ceiling)); err != nil {
			t.Fatal(err)
		}
		if n, err := soon(pause); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%d octets, %v; with nothing said", n, err)
		}
		if _, err := io.WriteString(theirs, "one"); err != nil {
			t.Fatal(err)
		}
		if n, err := soon(1000 * ceiling); string(p[:n]) != "one" || err != nil {
			t.Fatalf("%q, %v", p[:n], err)
		}
		r.Unread([]byte("two"))
		if n, err := soon(-ceiling); string(p[:n]) != "two" || err != nil {
			t.Fatalf("%q, %v; of what is buffered", p[:n], err)
		}
		if err := c.SetReadDeadline(time.Now().Add(pause)); err != nil {
			t.Fatal(err)
		}
		if n, err := soon(1000 * ceiling); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d octets, %v; past the deadline", n, err)
		}
	}
	t.Run("without TLS", func(t *testing.T) {
		ours, theirs := socketPair(t)
		check(t, NewReader(ours, new(Buffers)), ours, theirs)
	})
	eachTLS(t, func(t *testing.T, p *overTLSPair) {
		check(t, NewReader(p.ours, new(Buffers)), p.ours, p.theirs)
	})
	if n, err := readerOf("x").FillIntoBy(make([]byte, 1), time.Unix(1, 0)); n != 1 || err != nil {
		t.Errorf("%d octets, %v; where there is no short wait", n, err)
	}
}

// Records that are there already come several in one go, as far as there is room.
func TestFillIntoTakesManyRecords(t *testing.T) {
	eachTLS(t, func(t *testing.T, p *overTLSPair) {
		r := NewReader(p.ours, new(Buffers))
		wantLook(t, r, "at first", Quiet)
		p.gate.shut = true
		const records, size = 8, 2000
		for range records {
			write(t, p.theirs, strings.Repeat("x", size))
		}
		p.gate.let(t, p.gate.kept.Len())
		calls, room := 0, make([]byte, LargeBuffer)
		for got := 0; got < records*size; calls++ {
			n, err := r.FillInto(room)
			if err != nil {
				t.Fatal(err)
			}
			got += n
		}
		if calls > records/2 {
			t.Errorf("%d records came in %d goes", records, calls)
		}
		r.Unread([]byte("y"))
		wantLook(t, r, "with something put back", Spoke)
		r.Release()
		wantLook(t, r, "with everything read", Quiet)
	})
}
