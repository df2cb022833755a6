package balancer_test

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"weir/balancer"
)

// offended is a listener on which loopback's address counts as an offender's, and open
// sessions of that address. From here on each reply to it is held back for an hour.
func offended(t *testing.T, sessions int, change func(*bench)) (*bench, []*talker) {
	t.Helper()
	b := newBench(t, "a")
	b.listener().Limits.Errors, b.listener().Limits.Tarpit = 1, time.Millisecond
	change(b)
	var k *kit
	if b.listener().TLS == balancer.TLSImplicit {
		k = b.sealed(balancer.TLSImplicit)
	}
	dial := func() *talker {
		if k != nil {
			return b.sealedTalker(k)
		}
		return b.dial()
	}
	b.start(0)
	s := dial()
	s.ask("", "220 *")
	s.ask("FOO\r\n", "500 *")
	s.ask("", "421 4.7.0 Too many errors*")
	_ = s.nc.Close()
	var open []*talker
	for range sessions {
		open = append(open, dial().hello())
	}
	waitFor(t, "the offender to be gone", func() bool { return b.inside() == sessions })
	b.reload(func(c *balancer.Config) { c.Listeners[0].Limits.Tarpit = time.Hour })
	return b, open
}

func (b *bench) inside() int { return b.server.Sessions()[0].Sessions }

func (b *bench) waitHeld(n int) {
	b.t.Helper()
	waitFor(b.t, "the sessions to be held", func() bool { return b.server.Held() == n })
}

// P24: who hangs up in the tarpit takes up no place any more, wherever it is held and
// whatever it has said before.
func TestP24TarpitHangUp(t *testing.T) {
	for _, row := range []struct{ name, say string }{
		{"before the greeting", ""},
		{"with commands unread", "EHLO client.test\r\nQUIT\r\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			b, _ := offended(t, 0, func(b *bench) { b.listener().Limits.Connections = 4 })
			for range 4 {
				s := b.dial()
				defer s.nc.Close()
				if _, err := io.WriteString(s.nc, row.say); err != nil {
					t.Fatal(err)
				}
				b.hangUpHeld(s)
			}
			waitFor(t, "the places to be free", func() bool { return b.inside() == 0 })
		})
	}
	for name, mode := range map[string]balancer.TLSMode{"plain": balancer.TLSOff, "TLS": balancer.TLSImplicit} {
		t.Run("before a reply, "+name, func(t *testing.T) {
			b, open := offended(t, 2, func(b *bench) { b.listener().TLS = mode })
			for _, s := range open {
				_, _ = io.WriteString(s.nc, "NOOP\r\n")
			}
			b.waitHeld(2)
			_, _ = io.WriteString(open[1].nc, "NOOP\r\nMAIL FROM:<from@client.test>\r\n")
			for _, s := range open {
				_ = s.nc.Close()
			}
			waitFor(t, "the places to be free", func() bool { return b.inside() == 0 })
		})
	}
}

// hangUpHeld closes a connection once it is held.
func (b *bench) hangUpHeld(s *talker) {
	b.t.Helper()
	b.waitHeld(1)
	_ = s.nc.Close()
	b.waitHeld(0)
}

// P24: who has only ended its half of the connection is told what was answered.
func TestP24TarpitHalfClosed(t *testing.T) {
	b, open := offended(t, 1, func(*bench) {})
	s := open[0]
	_, _ = io.WriteString(s.nc, "NOOP\r\n")
	b.waitHeld(1)
	if err := s.nc.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	s.ask("", "250 *")
	if _, err := s.in.ReadByte(); err != io.EOF {
		t.Errorf("the session goes on: %v", err)
	}
}

// P1: the tarpit does not keep weir from shutting down, and what was begun is finished.
func TestP1TarpitShutdown(t *testing.T) {
	b, open := offended(t, 2, func(*bench) {})
	_, _ = io.WriteString(open[0].nc, "NOOP\r\n")
	_, _ = io.WriteString(open[1].nc, "MAIL FROM:<from@client.test>\r\n")
	entering := b.dial()
	b.waitHeld(3)
	go b.stop() // fails where it takes longer than the ceiling
	entering.ask("", "421 4.3.2 Service is shutting down*")
	open[0].ask("", "250 *")
	open[0].ask("", "421 4.3.2 Service is shutting down*")
	open[1].ask("", "250 *")
	open[1].ask("RCPT TO:<to@mx.test>\r\n", "250 *")
	open[1].ask("DATA\r\n", "354 *")
	open[1].ask("text\r\n.\r\n", "250 *")
	open[1].ask("", "421 4.3.2 Service is shutting down*")
	b.stop()
}

// P1: an offender that is held makes room at once.
func TestP1TarpitMakesRoom(t *testing.T) {
	b, _ := offended(t, 0, func(b *bench) { b.listener().Limits.Connections = 3 })
	held := []*talker{b.dial(), b.dial(), b.dial()}
	b.waitHeld(3)
	nc, err := dialFrom("127.200.1.1", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(ceiling))
	newTalker(t, nc).ask("", "220 *")
	waitFor(t, "one to make room", func() bool { return b.inside() == 3 })
	b.waitHeld(2)
	for _, s := range held {
		_ = s.nc.Close()
	}
}

// Who has to send a PROXY header and does not takes up a place, and nobody can take up
// more than there are.
func TestPlacesWithoutProxyHeader(t *testing.T) {
	b := newBench(t, "a")
	b.listener().Proxy = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	b.listener().Limits.Connections = 2
	b.start(0)
	const most = 16 // so many may be over the limit while they say who they are
	var mute []*talker
	for range most {
		mute = append(mute, b.dial())
	}
	waitFor(t, "all of them to be counted", func() bool { return b.inside() == most })
	if _, err := b.dial().in.ReadByte(); err == nil {
		t.Error("something was said without a PROXY header")
	}
	var reason string
	waitFor(t, "one to be turned away", func() bool {
		b.witness.mu.Lock()
		defer b.witness.mu.Unlock()
		if len(b.witness.sessions) > 0 {
			reason = b.witness.sessions[0].Reason
		}
		return reason != ""
	})
	if !strings.HasPrefix(reason, "too many connections have sent no PROXY header") {
		t.Errorf("turned away because: %s", reason)
	}
	for _, s := range mute[1:] {
		_ = s.nc.Close()
	}
	waitFor(t, "the others to be gone", func() bool { return b.inside() == 1 })
	mute[0].ask("PROXY TCP4 192.0.2.1 198.51.100.1 4711 25\r\n", "220 *")
	if got := b.inside(); got != 1 {
		t.Errorf("%d are inside, want 1", got)
	}
}
