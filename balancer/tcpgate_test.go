package balancer_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/faulty"
)

// TestTCPModeReplacesConnectors: P3 and P16 before a sender has got its first octet.
func TestTCPModeReplacesConnectors(t *testing.T) {
	for name, hurt := range map[string]faulty.Fault{
		"mute":      faulty.At(faulty.Banner, faulty.Mute),
		"drops":     faulty.At(faulty.Banner, faulty.Drop),
		"resets":    faulty.At(faulty.Connect, faulty.Reset),
		"421":       faulty.Say(faulty.Banner, "421 4.3.2 busy"),
		"554":       faulty.Say(faulty.Banner, "554-go\n554 away"),
		"250":       faulty.Say(faulty.Banner, "250 hello"),
		"no SMTP":   faulty.At(faulty.Banner, faulty.Garbage),
		"endless":   faulty.At(faulty.Banner, faulty.Endless),
		"half mute": {Stage: faulty.Banner, Reply: "220-a\n220 b", Pause: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			b := newPassing(t, "a", "b", "c")
			if strings.Contains(name, "mute") {
				b.witness.patience[backend.StageBanner] = 100 * time.Millisecond // P16: once
			}
			b.connectors["a"].Hurt(hurt)
			b.start(0)
			s := b.dial()
			s.ask("", "220 b *")
			s.ask("QUIT\r\n", "221 *")
			_ = s.nc.Close()
			_, p := b.witness.passage(t, 1)
			if p.Backend != "b" || len(p.Tries) != 1 || !strings.HasPrefix(p.Tries[0].Backend, "internet/a") {
				t.Errorf("recorded %+v", p)
			}
			if n := b.witness.verdicts("a", backend.Failure) + b.witness.verdicts("a", backend.Waited); n != 1 {
				t.Errorf("a was judged %d times: %+v", n, b.witness.at("a"))
			}
			b.leavesNothing()
		})
	}
}

// TestTCPModeNobodyLeft: P1 at the greeting, when nobody greets us, and P2, when
// there is nobody; at most three are asked.
func TestTCPModeNobodyLeft(t *testing.T) {
	b := newPassing(t, "a", "b", "c", "d")
	for _, c := range b.connectors {
		c.Hurt(faulty.Say(faulty.Banner, "554 no"))
	}
	b.start(0)
	s := b.dial()
	s.ask("", "421 4.3.2 No connector could be reached, try again later (weir *)")
	_, p := b.witness.passage(t, 1)
	if len(p.Tries) != 3 || p.Backend != "" {
		t.Errorf("recorded %+v", p)
	}
	for _, name := range b.names {
		b.setHealth(name, backend.HealthDown)
	}
	b.dial().ask("", "421 4.3.2 No connector is available, try again later (weir *)")
	if rec, _ := b.witness.passage(t, 2); !strings.HasPrefix(rec.Reason, "no connector") {
		t.Errorf("recorded %+v", rec)
	}
	b.leavesNothing()
}

// TestTCPModeDisabledBeforeTheGreeting: a connector that is disabled while it keeps a
// sender waiting is left for another.
func TestTCPModeDisabledBeforeTheGreeting(t *testing.T) {
	b := newPassing(t, "a", "b")
	b.connectors["a"].Hurt(faulty.At(faulty.Banner, faulty.Mute))
	b.start(0)
	s := b.dial()
	waitFor(t, "the sender to wait", func() bool { return b.connectors["a"].Heard("(fault") == 1 })
	b.setAdmin("a", backend.AdminDisabled)
	s.ask("", "220 b *")
	if n := b.witness.verdicts("a", backend.Failure); n != 0 {
		t.Errorf("a was blamed %d times", n)
	}
	_ = s.nc.Close()
	b.leavesNothing()
}

// TestP3aTCPMode: behind a PROXY header a refusal speaks of the client: it gets to
// hear it, no other connector is asked, and nothing counts.
func TestP3aTCPMode(t *testing.T) {
	b := newPassing(t)
	b.pool().Identity = connector.IdentityProxyV1
	b.start(0)
	header := make(chan string, 1)
	b.peer(func(nc *net.TCPConn) {
		in := bufio.NewReader(nc)
		line, _ := in.ReadString('\n')
		header <- line
		_, _ = io.WriteString(nc, "554-5.7.1 we know you\r\n554 5.7.1 go away\r\n")
		_, _ = io.Copy(io.Discard, in)
	})
	s := b.dial()
	s.ask("", "554-5.7.1 we know you")
	s.ask("", "554 5.7.1 go away")
	if _, err := s.in.ReadByte(); err == nil {
		t.Error("the connection goes on")
	}
	if got, want := <-header, s.nc.LocalAddr().(*net.TCPAddr); !strings.HasPrefix(got, "PROXY TCP4 127.0.0.1 127.0.0.1 ") || !strings.Contains(got, want.AddrPort().String()[10:]) {
		t.Errorf("the header is %q, the client %v", got, want)
	}
	rec, p := b.witness.passage(t, 1)
	if p.Backend != "peer" || len(p.Tries) != 1 || rec.Reason != "refused by the connector: 554 5.7.1 we know you / go away" {
		t.Errorf("recorded %+v: %+v", rec, p)
	}
	if got := b.witness.at("peer"); len(got) != 2 || got[1].Verdict != backend.Neutral {
		t.Errorf("observed %+v", got)
	}
	if n := b.witness.tickets.Load(); n != 0 {
		t.Errorf("%d stages were begun and never ended", n)
	}
}

// TestTCPModeImplicitTLS: where the connector begins with TLS it is the sender who
// speaks first, behind the PROXY header, and no word in plaintext is ever said.
func TestTCPModeImplicitTLS(t *testing.T) {
	b := newPassing(t)
	b.pool().Identity, b.dialer.TLS.Mode = connector.IdentityProxyV2, connector.TLSImplicit
	b.start(0)
	b.peer(func(nc *net.TCPConn) {
		header := make([]byte, 16+12)
		_, _ = io.ReadFull(nc, header)
		if string(header[:12]) != "\r\n\r\n\x00\r\nQUIT\n" {
			t.Errorf("it begins with %q", header)
		}
		_, _ = io.Copy(nc, nc)
	})
	s := b.dial()
	if got := s.say("\x16\x03\x01 hello\r\n"); got != "\x16\x03\x01 hello" {
		t.Errorf("got %q", got)
	}
	_ = s.nc.Close()
	if got := b.witness.at("peer"); len(got) != 1 || got[0].stage != backend.StageConnect {
		t.Errorf("observed %+v", got)
	}
	b.registry.SetMembers("internet", nil)
	s = b.dial()
	if got, err := io.ReadAll(s.in); err != nil || len(got) != 0 {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestTCPModeGreetsAndLeaves: a connector that has closed behind its greeting is left
// for another, before the sender has got an octet (P3).
func TestTCPModeGreetsAndLeaves(t *testing.T) {
	b := newPassing(t, "b")
	b.start(0)
	b.peer(func(nc *net.TCPConn) { // its end comes in the same segment, unless that takes it 0.2 s
		raw, err := nc.SyscallConn()
		if err == nil {
			err = raw.Control(func(fd uintptr) {
				_, _ = syscall.SendmsgN(int(fd), []byte("220 peer\r\n"), nil, nil, syscall.MSG_MORE)
				_ = syscall.Shutdown(int(fd), syscall.SHUT_WR)
			})
		}
		if err != nil {
			t.Error(err)
		}
	})
	peer := b.registry.Snapshot().Pool("internet").Members[0].Spec
	b.registry.SetMembers("internet", []backend.Spec{
		peer, {Pool: "internet", Name: "b", Address: b.connectors["b"].Addr(), Weight: 100, Cost: 10},
	})
	b.setHealth("b", backend.HealthUp)
	var said string
	for range 5 {
		s := b.dial()
		said = s.say("")
		_ = s.nc.Close()
		if strings.HasPrefix(said, "220 b ") {
			break
		}
	}
	rec, p := b.witness.passage(t, 1)
	if !strings.HasPrefix(said, "220 b ") || b.witness.verdicts("peer", backend.Failure) == 0 {
		t.Errorf("the sender was told %q, recorded %+v: %+v", said, rec, p)
	}
}
