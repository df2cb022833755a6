package balancer_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/balancer"
	"weir/internal/backend"
	"weir/internal/faulty"
)

// TestShutdownCutsWhatIsLeft: sessions and connectors that would wait for minutes
// are cut off when the context ends, wherever they are.
func TestShutdownCutsWhatIsLeft(t *testing.T) {
	b := newBench(t, "a", "b", "c", "d")
	for i := range b.pool().Timeouts {
		b.pool().Timeouts[i] = 10 * time.Minute
	}
	b.pool().QueueTimeout = 10 * time.Minute
	b.listener().Timeouts = balancer.ListenerTimeouts{Command: 10 * time.Minute, Data: 10 * time.Minute, Greeting: 10 * time.Minute}
	b.connectors["a"].Hurt(faulty.At(faulty.FinalDot, faulty.Mute))
	b.connectors["c"].Hurt(faulty.At(faulty.Banner, faulty.Mute))
	b.connectors["d"].Hurt(faulty.At(faulty.MAIL, faulty.Mute))
	b.start(1)
	unanswered := b.sendsContent("Subject: x\r\n\r\ntext\r\n.\r\n") // at a
	inBody := b.sendsContent("Subject: x\r\n")                      // at b
	unwelcome := b.asksRcpt()                                       // at c
	unheard := b.asksRcpt()                                         // at d
	inQueue := b.asksRcpt()
	deaf := b.neverReads()
	waitFor(t, "all to be where they wait", func() bool {
		return b.connectors["a"].Heard("(end of data") == 1 && b.connectors["b"].Heard("DATA") == 1 &&
			b.connectors["c"].Heard("(fault") == 1 && b.connectors["d"].Heard("MAIL") == 1
	})
	done := make(chan error)
	go func() { done <- b.shutDown(300 * time.Millisecond) }()
	select {
	case err := <-done:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown returned %v", err)
		}
	case <-time.After(ceiling):
		t.Fatal("Shutdown did not return")
	}
	for _, nc := range []net.Conn{unanswered.nc, inBody.nc, unwelcome.nc, unheard.nc, inQueue.nc, deaf} {
		_ = nc.Close()
	}
	outcomes := map[balancer.Outcome]int{}
	for _, r := range b.witness.records() {
		outcomes[r.Outcome]++
	}
	// The unanswered message may have been taken; the others were given up.
	if outcomes[balancer.Ambiguous] != 1 || len(b.witness.records()) != 5 {
		t.Errorf("outcomes %v", outcomes)
	}
	for _, name := range b.names {
		if n := b.witness.verdicts(name, backend.Failure); n != 0 {
			t.Errorf("%s was blamed %d times for the cut", name, n)
		}
	}
	b.leavesNothing()
}

// TestShutdownCutsGoodbyes: connections that wait for an answer to RSET or QUIT
// are cut off too.
func TestShutdownCutsGoodbyes(t *testing.T) {
	for _, verb := range []string{"RSET", "QUIT"} {
		t.Run(verb, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVirtual(t)
				v.fakes["a"].mute = verb
				v.start()
				s := v.sender()
				s.envelope()
				s.ask("RSET\r\n", "250 *")
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				_ = v.server.Shutdown(ctx)
				if took := time.Since(start); took != time.Second {
					t.Errorf("Shutdown took %v", took)
				}
			})
		})
	}
}

func (b *bench) sendsContent(content string) *talker {
	s := b.dial()
	s.envelope()
	s.ask("DATA\r\n", "354 *")
	_, _ = s.nc.Write([]byte(content))
	return s
}

func (b *bench) asksRcpt() *talker {
	s := b.dial().hello()
	s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	_, _ = s.nc.Write([]byte("RCPT TO:<to@mx.test>\r\n"))
	return s
}

// neverReads sends commands until nothing more is taken, and reads no reply.
func (b *bench) neverReads() net.Conn {
	nc := connectTo(b.t, b.addr)
	_ = nc.SetReadBuffer(4 << 10)
	commands := []byte("HELO client.test\r\n" + strings.Repeat("NOOP\r\n", 10000))
	for {
		_ = nc.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		if _, err := nc.Write(commands); err != nil {
			return nc
		}
	}
}

// TestSenderNeverReads: one that takes no replies is given up after one deadline.
func TestSenderNeverReads(t *testing.T) {
	b := newBench(t, "a")
	b.listener().Timeouts.Command = 300 * time.Millisecond
	b.start(0)
	nc := b.neverReads()
	defer nc.Close()
	if reason := b.witness.session(t, 1).Reason; !strings.HasPrefix(reason, "replies were not taken") {
		t.Errorf("it ended because: %s", reason)
	}
	b.leavesNothing()
}

// TestShutdownFinishesMessages: a message whose terminator is on its way is not
// cut, and a shutdown without a hurry returns no error.
func TestShutdownFinishesMessages(t *testing.T) {
	b := newBench(t, "a")
	b.connectors["a"].Hurt(faulty.Fault{Stage: faulty.FinalDot, Delay: 400 * time.Millisecond})
	b.start(0)
	s := b.sendsContent("Subject: x\r\n\r\ntext\r\n.\r\n")
	waitFor(t, "the end of data", func() bool { return b.connectors["a"].Heard("(end of data") == 1 })
	done := make(chan error)
	go func() { done <- b.shutDown(ceiling) }()
	s.ask("", "250 *")
	s.ask("", "421 4.3.2 *")
	if err := <-done; err != nil {
		t.Errorf("Shutdown returned %v", err)
	}
	if _, err := s.in.ReadByte(); err == nil {
		t.Error("the session goes on")
	}
	b.leavesNothing()
}

// TestLateComer: a connection that was accepted while weir was shutting down is
// told so.
func TestLateComer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		v.start()
		holder := v.sender()
		holder.envelope()
		done := make(chan error)
		go func() { done <- v.server.Shutdown(context.Background()) }()
		synctest.Wait()
		ours, theirs := net.Pipe()
		v.late <- theirs
		late := newTalker(t, ours)
		late.ask("", "421 4.3.2 Service is shutting down *")
		_ = ours.Close()
		holder.ask("RSET\r\n", "250 *")
		holder.ask("", "421 4.3.2 Service is shutting down *")
		_ = holder.nc.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
