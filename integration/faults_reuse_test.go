package integration

import (
	"strings"
	"sync"
	"testing"

	"weir/internal/faulty"
)

// used sends n messages, each from a sender of its own, and returns how many connections to connectors that took.
func (f *flock) used(n int) int64 {
	f.t.Helper()
	before := f.connections()
	for range n {
		f.delivered(f.message("reuse", 500))
	}
	return f.connections() - before
}

func TestReuse_AcrossTransactionsAndSenders(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 1, opts{pool: []string{"reuse: {idle: 1m}"}})
	if n := f.used(20); n != 1 {
		t.Errorf("%d connections for 20 messages of 20 senders, want 1", n)
	}
	if n := f.c[0].Heard("EHLO"); n != 1 {
		t.Errorf("%d EHLOs, want 1", n)
	}
}

func TestReuse_BudgetOfMessages(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 1, opts{pool: []string{"reuse: {messages: 3, idle: 1m}"}})
	if n := f.used(9); n != 3 {
		t.Errorf("%d connections for 9 messages, want 3", n)
	}
}

func TestReuse_IdleConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 1, opts{pool: []string{"reuse: {idle: 200ms}"}})
	f.used(1)
	eventually(t, ceiling, func() bool { return f.c[0].Stats().Open == 0 }, "an idle connection is still open")
	f.used(1)
	if n := f.failures(f.c[0]); n != 0 {
		t.Errorf("%d failures counted", n)
	}
}

func TestReuse_AgeEndsAConnection(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 1, opts{pool: []string{"reuse: {age: 200ms, idle: 200ms}"}})
	f.used(1)
	eventually(t, ceiling, func() bool { return f.c[0].Stats().Open == 0 }, "an old connection is still open")
}

func TestReuse_DeadIdleConnectionIsReplacedUnnoticed(t *testing.T) {
	for name, reset := range map[string]bool{"closed": false, "reset": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 1, opts{pool: []string{"reuse: {idle: 1m}"}})
			for range 5 {
				f.used(1)
				f.c[0].DropConnections(reset)
				eventually(t, ceiling, func() bool { return f.c[0].Stats().Open == 0 }, "connections are still open")
			}
			f.used(1)
			f.unharmed()
		})
	}
}

// The connection may also die at the very moment it is used: only MAIL shows it.
func TestReuse_ConnectionThatDiesAtMailIsReplacedUnnoticed(t *testing.T) {
	for name, fault := range map[string]faulty.Fault{
		"drop": faulty.At(faulty.MAIL, faulty.Drop), "reset": faulty.At(faulty.MAIL, faulty.Reset), "421": faulty.Say(faulty.MAIL, "421 4.4.2 idle too long"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 1, opts{pool: []string{"reuse: {idle: 1m}"}})
			f.c[0].Hurt(fault.WhenReused())
			f.used(6)
			if f.c[0].Heard("(fault at mail)") == 0 {
				t.Error("no connection was reused: the fault was not met")
			}
			f.unharmed()
		})
	}
}

func TestReuse_FiveRefusalsEndAConnection(t *testing.T) {
	for _, x := range []struct {
		refusals int
		wanted   int64
	}{{4, 0}, {5, 1}} {
		t.Run(strings.Repeat("x", x.refusals), func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 1, opts{pool: []string{"reuse: {idle: 1m}"}})
			f.c[0].Hurt(faulty.Say(faulty.RCPT, "550 5.1.1 no such user").Limited(x.refusals))
			c := f.dial()
			f.expect(c, 250, "MAIL FROM:<a@sender.example>")
			for range x.refusals {
				f.expect(c, 550, "RCPT TO:<b@test.example>")
			}
			f.expect(c, 250, "RCPT TO:<b@test.example>")
			f.expect(c, 354, "DATA")
			f.expect(c, 250, "hello\r\n.")
			if n := f.used(1); n != x.wanted {
				t.Errorf("%d new connections after %d refusals, want %d", n, x.refusals, x.wanted)
			}
		})
	}
}

func TestReuse_EnvelopeGivenUpLeavesTheConnectionUsable(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 1, opts{pool: []string{"reuse: {idle: 1m}"}})
	before := f.connections()
	c := f.dial()
	for range 3 {
		f.expect(c, 250, "MAIL FROM:<a@sender.example>")
		f.expect(c, 250, "RCPT TO:<b@test.example>")
		f.expect(c, 250, "RSET")
	}
	f.used(2)
	if n := f.connections() - before; n > 2 {
		t.Errorf("%d connections, want one or two", n)
	}
	if n := f.seen(); n != 2 {
		t.Errorf("%d ends of data, want 2", n)
	}
}

// limited is a flock of one connector that takes one connection at a time.
func limited(t *testing.T, n, queue string) *flock {
	t.Helper()
	return newFlock(t, 1, opts{timeouts: defaultTimeouts, pool: []string{"max_connections: " + n, "queue_timeout: " + queue}})
}

func TestMaxConnections_SenderIsToldAfterTheQueueTimeout(t *testing.T) {
	t.Parallel()
	f := limited(t, "1", "500ms")
	m := f.message("holder", 500)
	holder, _ := f.begin(m)
	late := f.message("late", 500)
	f.own(f.deliver(late), "451")
	f.logs(late, "outcome", "deferred", "by", "weir", "code", "451")
	if rep := f.finish(holder, m.stuffed()); rep.code != 250 {
		t.Fatalf("the one that was first: %s", rep)
	}
	f.delivered(f.message("free", 500))
}

func TestMaxConnections_QueuedSenderIsServedWhenAPlaceIsFree(t *testing.T) {
	t.Parallel()
	f := limited(t, "1", "30s")
	m := f.message("holder", 500)
	holder, _ := f.begin(m)
	queued := f.message("queued", 500)
	c := f.dial()
	f.expect(c, 250, "MAIL FROM:<%s>", queued.from)
	f.write(c, []byte("RCPT TO:<"+queued.to[0]+">\r\n"))
	if rep := f.finish(holder, m.stuffed()); rep.code != 250 {
		t.Fatalf("the one that was first: %s", rep)
	}
	if rep, err := c.read(); err != nil || rep.code != 250 {
		t.Fatalf("the one that waited: %s, %v", rep, err)
	}
	f.expect(c, 354, "DATA")
	if rep := f.finish(c, queued.stuffed()); rep.code != 250 {
		t.Fatalf("the one that waited: %s", rep)
	}
	f.storedOnce(m)
	f.storedOnce(queued)
}

func TestMaxConnections_IsNeverExceeded(t *testing.T) {
	t.Parallel()
	f := limited(t, "2", "30s")
	var wg sync.WaitGroup
	failed := make(chan error, 16*10)
	for range 16 {
		wg.Go(func() {
			for range 10 {
				failed <- sendOne(f.smtp, f.message("crowd", 500))
			}
		})
	}
	wg.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			t.Errorf("a queued sender: %v", err)
		}
	}
	if st := f.c[0].Stats(); st.Peak > 2 || st.Messages != 160 {
		t.Errorf("at most 2 connections and 160 messages wanted: %+v", st)
	}
}

// sendOne sends a message on a connection of its own.
func sendOne(addr string, m *message) error {
	c, err := dialSMTP(addr)
	if err != nil {
		return err
	}
	defer c.quit()
	_, err = c.sendData(m)
	return err
}
