package balancer_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
	"weir/internal/faulty"
)

// TestQueueServesAll: many more senders than places; each gets one in the end, and
// the connector never has more connections than places.
func TestQueueServesAll(t *testing.T) {
	b := newBench(t, "a")
	b.pool().QueueTimeout = ceiling
	b.start(2)
	var wg sync.WaitGroup
	var highest atomic.Int64
	for range 16 {
		wg.Go(func() {
			s := b.dial().hello()
			for range 4 {
				if reply := s.message("Subject: x\r\n\r\ntext\r\n"); reply[:3] != "250" {
					t.Errorf("got %q", reply)
				}
				highest.Store(max(highest.Load(), b.member("a").InFlight()))
			}
			_ = s.nc.Close()
		})
	}
	wg.Wait()
	if n := highest.Load(); n > 2 {
		t.Errorf("%d in flight", n)
	}
	if n := b.connectors["a"].Stats().Peak; n > 2 {
		t.Errorf("%d connections at once", n)
	}
	if n := len(b.connectors["a"].Messages()); n != 64 {
		t.Errorf("%d messages", n)
	}
	b.leavesNothing()
}

// TestQueueWakesWithoutRelease: a place also becomes free when another connector
// becomes eligible.
func TestQueueWakesWithoutRelease(t *testing.T) {
	b := newBench(t, "a", "b")
	b.pool().QueueTimeout = ceiling
	b.start(1)
	b.setHealth("b", backend.HealthDown)
	holder, waiter := b.dial(), b.dial()
	holder.envelope()
	waiter.hello()
	waiter.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	answered := make(chan string)
	go func() { answered <- waiter.say("RCPT TO:<to@mx.test>\r\n") }()
	select {
	case reply := <-answered:
		t.Fatalf("answered without a place: %q", reply)
	case <-time.After(100 * time.Millisecond):
	}
	b.setHealth("b", backend.HealthUp)
	if reply := <-answered; reply[:3] != "250" {
		t.Errorf("got %q", reply)
	}
	if n := b.connectors["b"].Heard("RCPT"); n != 1 {
		t.Errorf("b heard %d RCPT", n)
	}
	_ = holder.nc.Close()
	_ = waiter.nc.Close()
	b.leavesNothing()
}

// TestQueueForgetsWhoLeft: those whose patience ended do not keep others waiting.
func TestQueueForgetsWhoLeft(t *testing.T) {
	b := newBench(t, "a")
	b.pool().QueueTimeout = 100 * time.Millisecond
	b.start(1)
	holder := b.dial()
	holder.envelope()
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			s := b.dial().hello()
			s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
			s.ask("RCPT TO:<to@mx.test>\r\n", "451 4.3.2 *")
			_ = s.nc.Close()
		})
	}
	wg.Wait()
	_ = holder.nc.Close()
	waitFor(t, "the place to be given back", func() bool { return b.member("a").InFlight() == 0 })
	s := b.dial().hello()
	if reply := s.message("text\r\n"); reply[:3] != "250" {
		t.Errorf("got %q", reply)
	}
	_ = s.nc.Close()
	b.leavesNothing()
}

// TestQueueWakesAtOnce: who waits is served in the moment in which a place becomes
// free, in the order of coming.
func TestQueueWakesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		v.fakes = map[string]*fake{"a": v.fakes["a"]}
		v.places = 1
		v.cfg.Pools[0].QueueTimeout = time.Hour
		v.start()
		holder := v.sender()
		holder.envelope()
		var served []int
		for i := range 3 {
			s := v.sender().hello()
			s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
			go func() {
				s.ask("RCPT TO:<to@mx.test>\r\n", "250 *")
				served = append(served, i)
				s.ask("RSET\r\n", "250 *")
			}()
			synctest.Wait()
		}
		start := time.Now()
		holder.ask("RSET\r\n", "250 *")
		synctest.Wait()
		if !slices.Equal(served, []int{0, 1, 2}) || time.Since(start) != 0 {
			t.Errorf("served %v after %v", served, time.Since(start))
		}
	})
}

// TestQueueForWhoWasPassed: a connector that had no place when the transaction came
// by is waited for, when the one that was asked instead has failed.
func TestQueueForWhoWasPassed(t *testing.T) {
	b := newBench(t, "a", "b")
	b.pool().QueueTimeout = ceiling
	b.start(1)
	holder, waiter := b.dial(), b.dial().hello()
	holder.envelope()  // at a
	b.delivers(waiter) // at b
	b.connectors["b"].Hurt(faulty.At(faulty.RCPT, faulty.Drop))
	waiter.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	answer := make(chan string, 1)
	go func() { answer <- waiter.say("RCPT TO:<to@mx.test>\r\n") }() // past a, to b
	waitFor(t, "the waiter to wait", func() bool { return b.server.Waiting("internet") == 1 })
	holder.ask("RSET\r\n", "250 *")
	if reply := <-answer; reply[:3] != "250" {
		t.Errorf("got %q", reply)
	}
	if n := b.connectors["b"].Heard("RCPT"); n != 2 {
		t.Errorf("b heard %d RCPT, want the one before and the one that it dropped", n)
	}
	_, _ = holder.nc.Close(), waiter.nc.Close()
	b.leavesNothing()
}

// TestQueueIsFair: more senders than places, each coming again as soon as it is
// served. Nobody who comes later goes first, so nobody waits for longer than all
// others take together, which is less than the queue's time.
func TestQueueIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		v.fakes = map[string]*fake{"a": v.fakes["a"]}
		v.places = 1
		v.cfg.Pools[0].QueueTimeout = 2 * time.Second
		v.start()
		const senders, rounds, holds = 9, 12, 150 * time.Millisecond
		var wg sync.WaitGroup
		for range senders {
			s := v.sender().hello()
			wg.Go(func() {
				for range rounds {
					s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
					start := time.Now()
					if reply := s.say("RCPT TO:<to@mx.test>\r\n"); reply[:3] != "250" || time.Since(start) > (senders-1)*holds {
						t.Errorf("after %v: %s", time.Since(start), reply)
					}
					time.Sleep(holds)
					s.ask("RSET\r\n", "250 *")
				}
			})
		}
		wg.Wait()
	})
}

// TestQueueKeepsBackOnlyWhoseTurnItIsNot: somebody who waits for the one connector
// that can take his message keeps nobody away from another one.
func TestQueueKeepsBackOnlyWhoseTurnItIsNot(t *testing.T) {
	b := newBench(t, "a", "b")
	b.pool().QueueTimeout = ceiling
	b.caps["a"] = backend.Capabilities{Known: true, Ext: backend.Ext8BitMIME}
	b.caps["b"] = backend.Capabilities{Known: true}
	b.start(1)
	holder, waiter, other := b.dial(), b.dial(), b.dial().hello()
	answers := make(chan string, 1)
	for _, s := range []*talker{holder, waiter} {
		s.ask("", "220 *")
		for reply := s.say("EHLO client.test\r\n"); reply[3] == '-'; {
			reply = s.say("")
		}
		s.ask("MAIL FROM:<from@client.test> BODY=8BITMIME\r\n", "250 *")
		go func() { answers <- s.say("RCPT TO:<to@mx.test>\r\n") }()
		if s == holder {
			<-answers
		}
	}
	waitFor(t, "the waiter to wait", func() bool { return b.server.Waiting("internet") == 1 })
	b.delivers(other) // at b
	if n := b.connectors["b"].Heard("DATA"); n != 1 {
		t.Errorf("b heard %d DATA", n)
	}
	holder.ask("RSET\r\n", "250 *")
	if reply := <-answers; reply[:3] != "250" {
		t.Errorf("got %q", reply)
	}
	for _, s := range []*talker{holder, waiter, other} {
		_ = s.nc.Close()
	}
	b.leavesNothing()
}
