package balancer_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/balancer"
	"weir/balancer/gate"
)

// Counts are kept over a reload, and new limits hold for who comes next.
func TestReloadKeepsCounts(t *testing.T) {
	b := newBench(t, "a")
	b.start(0)
	first := b.dial()
	first.ask("", "220 *")
	b.reload(func(c *balancer.Config) { c.Listeners[0].Limits.PerIP = 1 })
	b.dial().ask("", "421 4.7.0 Too many connections from your address*")
	b.reload(func(c *balancer.Config) { c.Listeners[0].Limits.PerIP = 2 })
	b.dial().ask("", "220 *")
	first.ask("NOOP\r\n", "250 *")
}

// What senders do before they are served does not keep weir from shutting down: a
// pause before the greeting, a handshake that does not go on, a PROXY header that
// does not come.
func TestP1ShutdownAtTheEdge(t *testing.T) {
	for name, change := range map[string]func(*bench){
		"greeting delay": func(b *bench) { b.listener().GreetingDelay = time.Hour },
		"handshake":      func(b *bench) { b.sealed(balancer.TLSImplicit) },
		"PROXY header": func(b *bench) {
			b.listener().Proxy = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "a")
			b.listener().Timeouts.Greeting = time.Hour
			change(b)
			b.start(0)
			s := b.dial()
			if name == "PROXY header" {
				_, _ = io.WriteString(s.nc, "PROXY ")
			}
			waitFor(t, "the session to wait", b.server.AtBoundary)
			b.stop() // fails where it takes longer than the ceiling
		})
	}
}

// P23: a transaction under TLS is like any other, and what weir says at its end is
// said under TLS too.
func TestP23Shutdown(t *testing.T) {
	b := newBench(t, "a")
	k := b.sealed(balancer.TLSImplicit)
	b.start(0)
	s := b.sealedTalker(k)
	s.ask("", "220 *")
	s.ask("HELO client.test\r\n", "250 *")
	s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	s.ask("RCPT TO:<to@mx.test>\r\n", "250 *")
	s.ask("DATA\r\n", "354 *")
	body := "Subject: large\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 20000)
	go b.stop()
	waitFor(t, "the shutdown to begin", b.server.Draining)
	s.ask(body+".\r\n", "250 2.*")
	s.ask("", "421 4.3.2 Service is shutting down*")
	if _, err := s.in.ReadByte(); err != io.EOF {
		t.Errorf("the end was not said: %v", err)
	}
	r := b.witness.transaction(t, 1)
	if r.Outcome != balancer.Delivered || !strings.HasPrefix(r.TLS, "TLSv1.3 TLS_") {
		t.Errorf("recorded as %s with TLS %q", r.Outcome, r.TLS)
	}
	if got := string(b.connectors["a"].Messages()[0].Content); got != body {
		t.Errorf("the content changed on its way: %d octets, want %d", len(got), len(body))
	}
}

// P24, P26: an offender waits for each reply; but not while a connector waits too.
func TestTarpit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		v.cfg.Listeners[0].Limits.Errors = 1
		v.cfg.Listeners[0].Limits.Tarpit = 7 * time.Second
		v.start()
		s := v.senderFrom("192.0.2.1")
		s.ask("", "220 *")
		s.ask("HELO client.test\r\n", "250 *")
		s.ask("FOO\r\n", "500 *")
		s.ask("", "421 4.7.0 Too many errors*")
		s = v.senderFrom("192.0.2.1")
		for i, step := range []struct {
			send, want string
			took       time.Duration
		}{
			{"", "220 *", 14 * time.Second}, // for the connection, and for the reply
			{"HELO client.test\r\n", "250 *", 7 * time.Second},
			{"MAIL FROM:<from@client.test>\r\n", "250 *", 7 * time.Second},
			{"RCPT TO:<to@mx.test>\r\n", "250 *", 0},
			{"DATA\r\n", "354 *", 0},
			{"text\r\n.\r\n", "250 *", 7 * time.Second},
			{"NOOP\r\n", "250 *", 7 * time.Second},
		} {
			if took := s.ask(step.send, step.want); took != step.took {
				t.Errorf("step %d took %v, want %v", i, took, step.took)
			}
		}
		honest := v.senderFrom("192.0.2.2")
		if took := honest.ask("", "220 *"); took != 0 {
			t.Errorf("another client waited %v", took)
		}
	})
}

// P26: the pause before the greeting is as long as it should be.
func TestP26Delay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		v.cfg.Listeners[0].GreetingDelay = 6 * time.Second
		v.start()
		if took := v.sender().ask("", "220 *"); took != 6*time.Second {
			t.Errorf("greeted after %v", took)
		}
		early := v.sender()
		early.ask("EHLO client.test\r\n", "554 5.5.0 *")
		if took := v.sender().ask("", "220 *"); took != 6*time.Second {
			t.Errorf("greeted after %v", took)
		}
	})
}

// addressed is a pipe that claims to come from somewhere.
type addressed struct {
	net.Conn
	from net.Addr
}

func (a addressed) RemoteAddr() net.Addr { return a.from }

// The rate of connections has the unit that it is given in.
func TestRateOfConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		v.cfg.Listeners[0].Limits.Rate = gate.Rate{Events: 2, Per: time.Minute}
		v.start()
		for _, want := range []string{"220 *", "220 *", "421 4.7.0 You connect too often*"} {
			v.senderFrom("192.0.2.1").ask("", want)
		}
		v.senderFrom("192.0.2.2").ask("", "220 *")
		time.Sleep(30 * time.Second)
		v.senderFrom("192.0.2.1").ask("", "220 *")
		v.senderFrom("192.0.2.1").ask("", "421 *")
	})
}

// A handshake for the sake of a refusal is not waited for longer than a goodbye.
func TestRefusalNeedsNoHandshake(t *testing.T) {
	t.Parallel()
	b := newBench(t, "a")
	b.sealed(balancer.TLSImplicit)
	b.listener().Limits.Deny = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	b.start(0)
	s := b.dial()
	if _, err := s.in.ReadByte(); err == nil {
		t.Error("something was said in plaintext")
	}
	ctx, cancel := context.WithTimeout(t.Context(), ceiling)
	defer cancel()
	if err := b.server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}
