package balancer_test

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"weir/internal/backend"
)

// TestTCPModeCarriesAll: whatever goes in comes out, both ways at once and in pieces
// of all sizes, to a side that reads slower than the other writes.
func TestTCPModeCarriesAll(t *testing.T) {
	const each = 6 << 20
	b := newPassing(t)
	b.start(0)
	sums := make(chan []byte, 2)
	b.peer(func(nc *net.TCPConn) {
		_ = nc.SetReadBuffer(16 << 10)
		_, _ = io.WriteString(nc, "220 peer\r\n")
		sent := make(chan []byte)
		go func() { sent <- babble(nc, 1, each) }()
		heard := sha256.New()
		_, _ = io.Copy(pausing{heard}, nc)
		sums <- heard.Sum(nil)
		sums <- <-sent
	})
	s := b.dial()
	s.ask("", "220 peer")
	got := sha256.New()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(got, s.in)
	}()
	sent := babble(s.nc.(*net.TCPConn), 2, each)
	<-done
	if heard := <-sums; !bytes.Equal(heard, sent) {
		t.Error("the connector has not heard what the sender said")
	}
	if said := <-sums; !bytes.Equal(got.Sum(nil), said) {
		t.Error("the sender has not heard what the connector said")
	}
	if rec, p := b.witness.passage(t, 1); p.In != each || p.Out != each+10 || !strings.HasPrefix(rec.Reason, "closed by") {
		t.Errorf("recorded %+v: %+v", rec, p)
	}
}

// babble writes so many random octets, closes its direction and returns their sum.
func babble(nc *net.TCPConn, seed uint64, total int) []byte {
	random := rand.New(rand.NewPCG(seed, seed))
	sum := sha256.New()
	buf := make([]byte, 300<<10)
	for total > 0 {
		n := min(total, 1+random.IntN(1<<(2+random.IntN(17))))
		for i := range n {
			buf[i] = byte(random.Uint32())
		}
		sum.Write(buf[:n])
		if _, err := nc.Write(buf[:n]); err != nil {
			return nil
		}
		total -= n
	}
	_ = nc.CloseWrite()
	return sum.Sum(nil)
}

// pausing reads slower than others write.
type pausing struct{ hash.Hash }

func (p pausing) Write(b []byte) (int, error) {
	time.Sleep(100 * time.Microsecond)
	return p.Hash.Write(b)
}

// TestTCPModeReset: when one side resets its connection the other side's ends too,
// and soon.
func TestTCPModeReset(t *testing.T) {
	b := newPassing(t)
	b.start(0)
	ended := make(chan struct{}, 1)
	b.peer(func(nc *net.TCPConn) {
		_, _ = io.WriteString(nc, "220 peer\r\n")
		one := make([]byte, 1)
		_, _ = nc.Read(one)
		if one[0] == 'R' {
			_ = nc.SetLinger(0)
			return
		}
		_, _ = io.WriteString(nc, "250 go on\r\n")
		_, _ = io.Copy(io.Discard, nc)
		ended <- struct{}{}
	})
	s := b.dial()
	s.ask("", "220 peer")
	_, _ = io.WriteString(s.nc, "R")
	if _, err := s.in.ReadByte(); err == nil {
		t.Error("somebody answers")
	}
	if rec, _ := b.witness.passage(t, 1); !strings.HasSuffix(rec.Reason, "by the connector: connection reset") && rec.Reason != "closed by the connector" {
		t.Errorf("recorded %+v", rec)
	}
	s = b.dial()
	s.ask("", "220 peer")
	s.ask("x", "250 go on")
	_ = s.nc.(*net.TCPConn).SetLinger(0)
	_ = s.nc.Close()
	<-ended
	if rec, _ := b.witness.passage(t, 2); rec.Reason != "lost by the sender: connection reset" {
		t.Errorf("recorded %+v", rec)
	}
}

// TestTCPModeLimits: a connection on which nothing moves ends, and so does one that is
// busy for too long.
func TestTCPModeLimits(t *testing.T) {
	t.Run("timeout", func(t *testing.T) {
		b := newPassing(t, "a")
		b.listener().Timeouts.Command = 100 * time.Millisecond
		b.start(0)
		s := b.dial()
		s.ask("", "220 *")
		if rest, err := io.ReadAll(s.in); err != nil || len(rest) != 0 {
			t.Errorf("then came %q, %v", rest, err)
		}
		if rec, p := b.witness.passage(t, 1); rec.Reason != "timeout" || p.In != 0 || p.Out == 0 {
			t.Errorf("recorded %+v: %+v", rec, p)
		}
		if n := b.witness.verdicts("a", backend.Failure); n != 0 {
			t.Errorf("a was blamed %d times", n)
		}
	})
	t.Run("session", func(t *testing.T) {
		b := newPassing(t, "a")
		b.listener().Limits.Session = 200 * time.Millisecond
		b.start(0)
		s := b.dial()
		s.ask("", "220 *")
		for err := error(nil); err == nil; {
			if _, err = io.WriteString(s.nc, "NOOP\r\n"); err == nil {
				_, err = s.in.ReadString('\n')
			}
		}
		if rec, _ := b.witness.passage(t, 1); rec.Reason != "session limit" {
			t.Errorf("recorded %+v", rec)
		}
	})
}
