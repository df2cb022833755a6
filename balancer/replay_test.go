package balancer_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"weir/internal/faulty"
)

// TestReplayMemoryIsShared sends messages in parallel past connectors that drop in
// the body, with memory for a few of them only. The bound holds at every moment,
// messages without a copy are counted, and all is given back.
func TestReplayMemoryIsShared(t *testing.T) {
	b := newBench(t, "a", "b", "c", "d")
	b.cfg.ReplayMemory = 300 << 10
	b.pool().ReplayBuffer = 256 << 10
	b.connectors["a"].Hurt(faulty.InBody(50000, faulty.Drop))
	b.start(0)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			s := b.dial().hello()
			for j := range 5 {
				body := fmt.Sprintf("Subject: %d-%d\r\n\r\n", i, j) + strings.Repeat("0123456789abcdef\r\n", 6000)
				if reply := s.message(body); reply[:3] != "250" && reply[:3] != "451" {
					t.Errorf("got %q", reply)
				}
				if used := b.server.ReplayMemory(); used > b.cfg.ReplayMemory {
					t.Errorf("%d octets of replay memory in use", used)
				}
			}
			_ = s.nc.Close()
		})
	}
	wg.Wait()
	if unbuffered := b.server.Unbuffered(); unbuffered == 0 || unbuffered > 60 {
		t.Errorf("%d messages without a copy", unbuffered)
	}
	b.leavesNothing()
}

// TestReplayMemoryReturns after each way in which a message can end.
func TestReplayMemoryReturns(t *testing.T) {
	half := "Subject: x\r\n\r\n" + strings.Repeat("text\r\n", 1000)
	endings := map[string]func(*talker){
		"delivered": func(s *talker) { s.ask(half+".\r\n", "250 *") },
		"closed":    func(s *talker) { _, _ = s.nc.Write([]byte(half)); _ = s.nc.Close() },
		"refused":   func(s *talker) { s.ask(strings.Repeat("Received: x\r\n", 60)+half+".\r\n", "554 *") },
		"too large": func(s *talker) { s.ask(strings.Repeat(half, 40)+".\r\n", "552 *") },
	}
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, "a", "b")
			b.listener().Limits.MessageSize = 200000
			b.start(0)
			s := b.dial()
			s.envelope()
			s.ask("DATA\r\n", "354 *")
			end(s)
			b.witness.transaction(t, 1)
			if used := b.server.ReplayMemory(); used != 0 {
				t.Errorf("%d octets still in use", used)
			}
			_ = s.nc.Close()
			b.leavesNothing()
		})
	}
}
