package balancer_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/faulty"
)

// offering has all connectors offer more.
func (b *bench) offering(lines ...string) {
	for name, srv := range b.connectors {
		behaviour := faulty.Honest()
		behaviour.Capabilities.Extra = lines
		srv.Set(behaviour)
		caps := b.caps[name]
		for _, line := range lines {
			caps.Announce(line)
		}
		b.caps[name] = caps
	}
}

// P32: of many clients at once none is ever given a connection that was opened in
// another's name.
func TestP32ManyClients(t *testing.T) {
	const clients, messages = 12, 8
	b := newBench(t, "a", "b")
	b.pool().Identity = connector.IdentityXCLIENT
	b.pool().QueueTimeout = ceiling
	b.pool().Reuse.MaxIdle = 3
	b.offering("XCLIENT NAME ADDR HELO")
	b.start(4)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			name := fmt.Sprintf("client-%d.test", i)
			s := b.dial()
			s.ask("", "220 *")
			s.ask("HELO "+name+"\r\n", "250 *")
			for range messages {
				s.ask("MAIL FROM:<from@"+name+">\r\n", "250 *")
				s.ask("RCPT TO:<to@mx.test>\r\n", "250 *")
				s.ask("DATA\r\n", "354 *")
				s.ask("Subject: x\r\n.\r\n", "250 *")
			}
			_ = s.nc.Close()
		})
	}
	wg.Wait()
	stored := 0
	for name, srv := range b.connectors {
		told := map[int]string{}
		for _, l := range srv.Transcript() {
			if helo, ok := strings.CutPrefix(l.Text, "XCLIENT HELO="); ok {
				told[l.Conn], _, _ = strings.Cut(helo, " ")
			}
		}
		for _, m := range srv.Messages() {
			stored++
			if m.From != "from@"+told[m.Conn] {
				t.Errorf("%s#%d is for %q and got mail from %s", name, m.Conn, told[m.Conn], m.From)
			}
		}
		if idle := b.member(name).Traffic.Idle.Load(); idle > 3 {
			t.Errorf("%s: %d connections are kept", name, idle)
		}
	}
	if stored != clients*messages {
		t.Errorf("%d messages arrived", stored)
	}
	b.leavesNothing()
}

// P32: whoever is told of no client by the connection itself shares connections.
func TestP32SharedConnections(t *testing.T) {
	for _, identity := range []connector.IdentityMode{connector.IdentityNone, connector.IdentityXFORWARD} {
		b := newBench(t, "a")
		b.pool().Identity = identity
		b.offering("XFORWARD NAME ADDR HELO")
		b.start(1)
		for i := range 3 {
			s := b.dial()
			s.ask("", "220 *")
			s.ask(fmt.Sprintf("HELO client-%d.test\r\n", i), "250 *")
			s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
			s.ask("RCPT TO:<to@mx.test>\r\n", "250 *")
			s.ask("RSET\r\n", "250 *")
			waitFor(t, "the connection to be kept", func() bool { return b.member("a").Traffic.Idle.Load() == 1 })
			_ = s.nc.Close()
		}
		if n := b.connectors["a"].Stats().Connections; n != 1 {
			t.Errorf("mode %d: %d connections", identity, n)
		}
		if n := b.witness.verdicts("a", backend.Failure); n != 0 {
			t.Errorf("mode %d: %d failures", identity, n)
		}
		b.leavesNothing()
	}
}
