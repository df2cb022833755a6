package smtp

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"weir/internal/socket"
)

// wantLook looks once.
func wantLook(t *testing.T, r *Reader, when string, want Attention) {
	t.Helper()
	if got := r.Look(); got != want {
		t.Errorf("%s it looks like %d, want %d", when, got, want)
	}
}

// Session tickets are on the descriptor, and are no speech.
func TestLookTakesTicketsForNoSpeech(t *testing.T) {
	p := newTLSPair(t, tls.VersionTLS13, true)
	p.handshake(t)
	r := NewReader(p.ours, new(Buffers))
	wantLook(t, r, "with a ticket there", Quiet)
	if p.unread() != Quiet || r.buf != nil {
		t.Error("the ticket was not taken in, or a buffer is held")
	}
	write(t, p.theirs, "250 Ok\r\n")
	waitFor(t, r, Spoke)
}

// A reply may wait decrypted, with nothing on the descriptor.
func TestLookSeesWhatTLSHasRead(t *testing.T) {
	eachTLS(t, func(t *testing.T, p *overTLSPair) {
		r := NewReader(p.ours, new(Buffers))
		wantLook(t, r, "at first", Quiet)
		p.gate.shut = true
		write(t, p.theirs, "250 first\r\n") // a record each, and all of them at once on the wire
		write(t, p.theirs, "421 second\r\n250 third\r\n")
		p.gate.let(t, p.gate.kept.Len())
		var reply Reply
		for _, want := range []string{"250 first", "421 second", "250 third"} {
			if err := r.ReadReply(&reply); err != nil || reply.String() != want {
				t.Fatalf("%s, %v; want %s", &reply, err, want)
			}
			if want == "250 third" {
				break
			}
			if p.unread() != Quiet {
				t.Fatal("TLS left octets on the wire: this test tests nothing")
			}
			wantLook(t, r, "behind "+want, Spoke)
		}
		wantLook(t, r, "with everything read", Quiet)
		if r.buf != nil {
			t.Error("a buffer is held behind the last reply")
		}
	})
}

// Part of a record is nothing yet, and is not lost.
func TestLookKeepsPartOfARecord(t *testing.T) {
	eachTLS(t, func(t *testing.T, p *overTLSPair) {
		r := NewReader(p.ours, new(Buffers))
		wantLook(t, r, "at first", Quiet)
		p.gate.shut = true
		write(t, p.theirs, "250 Ok\r\n")
		for p.gate.kept.Len() > 1 {
			p.gate.let(t, 1)
			p.onTheWire(t)
			wantLook(t, r, "in a record", Quiet)
		}
		p.gate.let(t, 1)
		p.onTheWire(t)
		wantLook(t, r, "behind a record", Spoke)
		if got := string(r.Buffered()); got != "250 Ok\r\n" {
			t.Errorf("%q was read", got)
		}
	})
}

// close_notify is an end even though the connection is open, and so is an end
// without one; what was said before is heard.
func TestLookSeesTheEndOfTLS(t *testing.T) {
	ends := map[string]func(p *overTLSPair) error{
		"close_notify": func(p *overTLSPair) error { return p.theirs.CloseWrite() },
		"FIN":          func(p *overTLSPair) error { return p.tcp.CloseWrite() },
		"reset":        func(p *overTLSPair) error { return errors.Join(p.tcp.SetLinger(0), p.tcp.Close()) },
		"garbage":      func(p *overTLSPair) error { _, err := p.tcp.Write([]byte("421 bye\r\n")); return err },
		"our own":      func(p *overTLSPair) error { return p.under.Close() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			eachTLS(t, func(t *testing.T, p *overTLSPair) {
				r := NewReader(p.ours, new(Buffers))
				write(t, p.theirs, "last words")
				waitFor(t, r, Spoke)
				r.Release()
				if err := end(p); err != nil {
					t.Fatal(err)
				}
				waitFor(t, r, Closed)
				wantLook(t, r, "once more", Closed)
				if err := r.Fill(); err == nil {
					t.Errorf("%q read behind the end", r.Buffered())
				}
			})
		})
	}
}

// Words and close_notify in one go: first the words.
func TestLookHearsLastWordsOverTLS(t *testing.T) {
	eachTLS(t, func(t *testing.T, p *overTLSPair) {
		r := NewReader(p.ours, new(Buffers))
		p.gate.shut = true
		write(t, p.theirs, "421 bye\r\n")
		if err := p.theirs.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		p.gate.let(t, p.gate.kept.Len())
		waitFor(t, r, Spoke)
		var reply Reply
		if err := r.ReadReply(&reply); err != nil || reply.Code != 421 {
			t.Fatalf("%s, %v", &reply, err)
		}
		waitFor(t, r, Closed)
	})
}

// As without TLS a connection that waits holds no buffer, and keeps what it has.
func TestReaderHoldsNothingWhileIdleOverTLS(t *testing.T) {
	eachTLS(t, func(t *testing.T, p *overTLSPair) {
		r := NewReader(p.ours, new(Buffers))
		readNothing(t, p.ours, r)
		if r.buf != nil {
			t.Error("a buffer is held before anything came")
		}
		write(t, p.theirs, "QUI")
		waitFor(t, r, Spoke)
		readNothing(t, p.ours, r)
		if err := p.ours.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if err := r.Fill(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("past the deadline: %v", err)
		}
		write(t, p.theirs, "T\r\n")
		p.onTheWireWithin(t)
		if line, err := r.ReadCommand(2048); err != nil || string(line) != "QUIT" {
			t.Errorf("%q, %v", line, err)
		}
	})
}

// onTheWireWithin lifts the deadline first.
func (p *overTLSPair) onTheWireWithin(t *testing.T) {
	t.Helper()
	if err := p.ours.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	p.onTheWire(t)
}

// Looking pays no regard to the read deadline and leaves it alone: it may be how
// another goroutine breaks the connection off.
func TestLookLeavesTheDeadlineAlone(t *testing.T) {
	eachTLS(t, func(t *testing.T, p *overTLSPair) {
		r := NewReader(p.ours, new(Buffers))
		if err := p.ours.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		wantLook(t, r, "past the deadline", Quiet)
		write(t, p.theirs, "x")
		waitFor(t, r, Spoke)
		r.Release()
		if err := r.Fill(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the deadline has gone: %v", err)
		}
	})
}

// Before the handshake a look disturbs nothing, and reading makes the handshake.
func TestReaderBeforeTheHandshake(t *testing.T) {
	p := newTLSPair(t, tls.VersionTLS13, false)
	r := NewReader(p.ours, new(Buffers))
	wantLook(t, r, "before the handshake", Quiet)
	if seen, err := r.Await(); seen != Quiet || err != nil {
		t.Errorf("awaited before the handshake: %d, %v", seen, err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := p.theirs.Write([]byte("EHLO a\r\n"))
		done <- err
	}()
	if line, err := r.ReadCommand(2048); err != nil || string(line) != "EHLO a" {
		t.Errorf("%q, %v", line, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	wantLook(t, r, "after the handshake", Quiet)
}

func TestAwait(t *testing.T) {
	eachTLS(t, func(t *testing.T, p *overTLSPair) {
		checkAwait(t, NewReader(p.ours, new(Buffers)), p.ours, p.theirs)
	})
	t.Run("without TLS", func(t *testing.T) {
		ours, theirs := socketPair(t)
		checkAwait(t, NewReader(ours, new(Buffers)), ours, theirs)
	})
	if seen, err := readerOf("x").Await(); seen != Quiet || err != nil {
		t.Errorf("without a descriptor: %d, %v", seen, err)
	}
}

// checkAwait waits while our side is written to, as the relay does.
func checkAwait(t *testing.T, r *Reader, ours, theirs net.Conn) {
	t.Helper()
	if err := ours.SetReadDeadline(time.Now().Add(pause)); err != nil {
		t.Fatal(err)
	}
	if seen, err := r.Await(); seen != Quiet || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("with nothing said: %d, %v", seen, err)
	}
	if err := ours.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		body := strings.Repeat("x", 1000)
		_, err := ours.Write([]byte(body))
		if got := make([]byte, len(body)); err == nil {
			for n := 0; n < len(got) && err == nil; {
				var m int
				m, err = theirs.Read(got[n:])
				n += m
			}
		}
		if err == nil {
			_, err = theirs.Write([]byte("250 Ok\r\n"))
		}
		done <- err
	}()
	if seen, err := r.Await(); seen != Spoke || err != nil {
		t.Errorf("%d, %v", seen, err)
	}
	var reply Reply
	if err := errors.Join(<-done, r.ReadReply(&reply)); err != nil || reply.Code != 250 {
		t.Errorf("%s, %v", &reply, err)
	}
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	if seen, err := r.Await(); seen != Closed || err != nil {
		t.Errorf("behind the end: %d, %v", seen, err)
	}
}

func TestUnderTLSWithoutDescriptor(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	r := NewReader(tls.Client(UnderTLS(socket.New(a)), &tls.Config{InsecureSkipVerify: true}), new(Buffers))
	wantLook(t, r, "without a descriptor", Quiet)
}
