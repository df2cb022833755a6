package balancer_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/internal/backend"
	"weir/internal/faulty"
)

func (b *bench) setAdmin(name string, flag backend.Admin) {
	b.registry.SetAdmin(backend.ID{Pool: "internet", Name: name}, backend.AdminFact{Admin: flag, By: "alice"})
}

// TestDisableUnderTraffic: connectors are disabled and enabled while mail flows. A
// sender hears 250 for what is there once, and else a 451 for what was cut behind
// its final dot, or moved too often; nothing counts against anybody.
func TestDisableUnderTraffic(t *testing.T) {
	b := newBench(t, "a", "b", "c", "d")
	b.pool().QueueTimeout = ceiling
	for _, name := range []string{"a", "b", "c"} {
		b.connectors[name].Hurt(
			faulty.Fault{Stage: faulty.RCPT, Delay: 5 * time.Millisecond, Contains: "3 of"},
			faulty.Fault{Stage: faulty.DATA, Delay: 3 * time.Millisecond},
		)
	}
	b.start(0)
	const senders, each = 6, 15
	var done atomic.Int64
	var mu sync.Mutex
	taken := map[string]bool{}
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			s := b.dial().hello()
			defer s.nc.Close()
			for n := range each {
				subject := fmt.Sprintf("Subject: %d of %d", n, i)
				reply := s.message(subject + "\r\n\r\n" + strings.Repeat("text\r\n", 40))
				if reply[:3] != "250" && reply[:3] != "451" {
					t.Errorf("%s: %q", subject, reply)
				}
				mu.Lock()
				taken[subject] = reply[:3] == "250"
				mu.Unlock()
				done.Add(1)
			}
		})
	}
	for i := 0; done.Load() < senders*each && !t.Failed(); i++ {
		name := string(rune('a' + i%3))
		b.setAdmin(name, backend.AdminDisabled)
		time.Sleep(3 * time.Millisecond)
		b.setAdmin(name, backend.AdminEnabled)
	}
	wg.Wait()
	there := map[string]int{}
	for _, srv := range b.connectors {
		for _, m := range srv.Messages() {
			subject, _, _ := strings.Cut(string(m.Content), "\r\n")
			there[subject]++
		}
	}
	for subject, ok := range taken {
		if n := there[subject]; n > 1 || ok && n != 1 {
			t.Errorf("%s is there %d times, taken: %v", subject, n, ok)
		}
	}
	for _, name := range b.names {
		if n := b.witness.verdicts(name, backend.Failure); n != 0 {
			t.Errorf("%s was blamed %d times", name, n)
		}
	}
	b.leavesNothing()
}

// TestQueueIsNotGivenADrainedOne: a place that becomes free at a drained connector
// is nobody's; at another one it is the waiter's.
func TestQueueIsNotGivenADrainedOne(t *testing.T) {
	b := newBench(t, "a", "b")
	b.pool().QueueTimeout = ceiling
	b.start(1)
	first, second, waiter := b.dial(), b.dial(), b.dial().hello()
	first.envelope()
	second.envelope()
	waiter.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	answer := make(chan string, 1)
	go func() { answer <- waiter.say("RCPT TO:<to@mx.test>\r\n") }()
	waitFor(t, "the waiter to wait", func() bool { return b.server.Waiting("internet") == 1 })
	at, other := "a", "b" // where the first sender is
	if b.connectors["b"].Transcript()[0].When.Before(b.connectors["a"].Transcript()[0].When) {
		at, other = other, at
	}
	b.setAdmin(at, backend.AdminDrain)
	first.ask("RSET\r\n", "250 *")
	waitFor(t, "the drained one to be left", func() bool { return b.connectors[at].Stats().Open == 0 })
	waitFor(t, "the waiter to wait again", func() bool { return b.server.Waiting("internet") == 1 })
	second.ask("RSET\r\n", "250 *")
	if reply := <-answer; !strings.HasPrefix(reply, "250") {
		t.Errorf("got %q", reply)
	}
	if n := b.connectors[other].Heard("RCPT"); n != 2 {
		t.Errorf("%s heard %d RCPT", other, n)
	}
	for _, s := range []*talker{first, second, waiter} {
		_ = s.nc.Close()
	}
	b.leavesNothing()
}

// TestGoneIsDrained: what runs at a connector that discovery does not know any
// more ends there, its kept connections close, and the next message of the same
// session goes elsewhere.
func TestGoneIsDrained(t *testing.T) {
	b := newBench(t, "a", "b")
	b.start(0)
	idle, busy := b.dial().hello(), b.dial()
	b.delivers(idle) // at a
	b.delivers(idle) // at b
	waitFor(t, "the connection to a to be kept", func() bool { return b.member("a").Traffic.Idle.Load() == 1 })
	hold := b.dial()
	hold.envelope() // on the kept connection to a
	b.delivers(busy.hello())
	record := b.member("a")
	b.registry.SetMembers("internet", []backend.Spec{
		{Pool: "internet", Name: "b", Address: b.connectors["b"].Addr(), Weight: 100},
	})
	if m := b.registry.Snapshot().Pool("internet").Member("a"); m == nil || !m.Gone {
		t.Fatal("a should be drained, as a message is under way there")
	}
	for range 3 {
		b.delivers(busy)
	}
	hold.ask("DATA\r\n", "354 *")
	hold.ask(short+".\r\n", "250 *")
	b.delivers(hold)
	if n := len(b.connectors["a"].Messages()); n != 2 {
		t.Errorf("%d messages at a, want the one before and the one under way", n)
	}
	waitFor(t, "its connections to be closed", func() bool { return b.connectors["a"].Stats().Open == 0 })
	waitFor(t, "its place to be given back", func() bool { return record.InFlight() == 0 })
	for _, s := range []*talker{idle, busy, hold} {
		_ = s.nc.Close()
	}
	b.stop()
}
