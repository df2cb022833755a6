package balancer_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
	"weir/internal/faulty"
)

// intakes are messages of all kinds, as their author meant them, and how they are to
// arrive.
func intakes() map[string][2]string {
	kinds := map[string][2]string{}
	for _, size := range []int{1, 8100, 70_000, 300_000} {
		for name, lines := range map[string][2]string{
			"text":      {"a line\r\nand another, longer one\r\n\r\n", "a line\r\nand another, longer one\r\n\r\n"},
			"base64":    {"TG9yZW0gaXBzdW0gZG9sb3Igc2l0\r\n", "TG9yZW0gaXBzdW0gZG9sb3Igc2l0\r\n"},
			"dots":      {".\r\n..\r\nx\r\n", ".\r\n..\r\nx\r\n"},
			"NULs":      {"\x00\x00.\r\n\x00x\r\n", "\x00\x00.\r\n\x00x\r\n"},
			"bare LF":   {"a\nb\n.\nc\r\n", "a\r\nb\r\n.\r\nc\r\n"},
			"bare CR":   {"a\rb\r\r\n", "a b \r\n"},
			"one of it": {strings.Repeat("clean\r\n", 3000) + "\n.\r\n", strings.Repeat("clean\r\n", 3000) + "\r\n.\r\n"},
		} {
			n := (size + len(lines[0]) - 1) / len(lines[0])
			kinds[fmt.Sprintf("%s/%d", name, size)] = [2]string{strings.Repeat(lines[0], n), strings.Repeat(lines[1], n)}
		}
	}
	return kinds
}

// send writes in pieces, some of them behind a pause.
func (s *talker) send(p []byte, r *rand.Rand) {
	s.t.Helper()
	for len(p) > 0 {
		n := min(len(p), 1+r.IntN([]int{10, 5000, 100_000}[r.IntN(3)]))
		if _, err := s.nc.Write(p[:n]); err != nil {
			s.t.Fatal(err)
		}
		if p = p[n:]; r.IntN(10) == 0 {
			time.Sleep(4 * time.Millisecond)
		}
	}
}

// P19, P22: content arrives as it was meant, whatever it is, however it is split and
// whether or not there is room to keep it.
func TestP19ContentArrivesWhole(t *testing.T) {
	for _, chunking := range []bool{true, false} {
		for _, buffer := range []int64{0, 100_000, 1 << 20} {
			b := newBench(t, "a")
			b.pool().ReplayBuffer = buffer
			if !chunking {
				behaviour := faulty.Honest()
				behaviour.Capabilities.Chunking = false
				b.connectors["a"].Set(behaviour)
				c := b.caps["a"]
				c.Ext &^= backend.ExtChunking
				b.caps["a"] = c
			}
			b.start(0)
			s := b.dial().hello()
			r := rand.New(rand.NewPCG(42, uint64(buffer)))
			n := 0
			for name, m := range intakes() {
				for _, how := range []func(*talker, string, *rand.Rand){sendByData, sendByBdat} {
					how(s, m[0], r)
					got := b.connectors["a"].Messages()
					if n++; len(got) != n || string(got[n-1].Content) != m[1] {
						t.Fatalf("%s, replay_buffer %d, chunking %v: got %d messages, the last of %d octets for %d", name, buffer, chunking, len(got), got[len(got)-1].Size, len(m[1]))
					}
				}
			}
			_ = s.nc.Close()
			b.leavesNothing()
			b.stop()
		}
	}
}

func sendByData(s *talker, message string, r *rand.Rand) {
	s.t.Helper()
	s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	s.ask("RCPT TO:<to@mx.test>\r\n", "250 *")
	s.ask("DATA\r\n", "354 *")
	lines := strings.Split(message, "\r\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = "." + line
		}
	}
	s.send([]byte(strings.Join(lines, "\r\n")+".\r\nNOOP\r\n"), r)
	s.ask("", "250 *")
	s.ask("", "250 2.0.0 OK")
}

func sendByBdat(s *talker, message string, r *rand.Rand) {
	s.t.Helper()
	s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	s.ask("RCPT TO:<to@mx.test>\r\n", "250 *")
	var all bytes.Buffer
	chunks := 1
	for ; len(message) > 0; chunks++ {
		n := min(len(message), 1+r.IntN(100_000))
		fmt.Fprintf(&all, "BDAT %d\r\n%s", n, message[:n])
		message = message[n:]
	}
	all.WriteString("BDAT 0 LAST\r\nNOOP\r\n")
	s.send(all.Bytes(), r)
	for range chunks {
		s.ask("", "250 *")
	}
	s.ask("", "250 2.0.0 OK")
}

// A message that comes in two pieces goes out in one, but what a sender that pauses has
// sent goes out before the rest is there, so that a connector that is lost over it is
// noticed (P8).
func TestSmallPiecesWaitForMore(t *testing.T) {
	for pause, apart := range map[time.Duration]bool{time.Millisecond: false, time.Second: true} {
		synctest.Test(t, func(t *testing.T) {
			v := newVirtual(t)
			v.fakes = map[string]*fake{"a": v.fakes["a"]}
			v.start()
			s := v.sender()
			s.envelope()
			s.ask("DATA\r\n", "354 *")
			began := time.Now()
			if _, err := io.WriteString(s.nc, "Subject: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(pause / 2)
			synctest.Wait()
			if got := v.fakes["a"].heardSince(began); got != apart {
				t.Errorf("in the middle of a pause of %v the connector has content: %v", pause, got)
			}
			time.Sleep(pause / 2)
			s.ask("text\r\n.\r\n", "250 *")
			if took := time.Since(began); took > pause+time.Millisecond {
				t.Errorf("with a pause of %v it took %v", pause, took)
			}
		})
	}
}
