package balancer_test

import (
	"crypto/tls"
	"sync/atomic"
	"testing"

	"weir/internal/connector"
	"weir/internal/faulty"
)

// P3: TLS to a connector is resumed on the next connection, which is verified too.
func TestP3ResumesTLS(t *testing.T) {
	kit, err := edgeKit()
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, "a")
	b.dialer.TLS = connector.Security{Mode: connector.TLSRequired, Verify: true, ServerName: "mx.test", Roots: kit.roots}
	b.pool().Reuse.Messages = 1
	var handshakes, resumed atomic.Int64
	behaviour := faulty.Honest()
	behaviour.TLS = kit.server.Clone()
	behaviour.TLS.VerifyConnection = func(state tls.ConnectionState) error {
		handshakes.Add(1)
		if state.DidResume {
			resumed.Add(1)
		}
		return nil
	}
	b.connectors["a"].Set(behaviour)
	b.start(0)
	s := b.dial().hello()
	for range 3 {
		if reply := s.message("Subject: x\r\n\r\ntext\r\n"); reply[:3] != "250" {
			t.Fatalf("got %q", reply)
		}
	}
	if h, r := handshakes.Load(), resumed.Load(); h != 3 || r != 2 {
		t.Errorf("%d of %d handshakes resumed a session, want 2 of 3", r, h)
	}
	_ = s.nc.Close()
	b.leavesNothing()
}

// P3: a certificate for another name, or of somebody unknown, is no TLS where it is
// to be verified: the sender comes back, and the connector has failed at tls.
func TestP3UnverifiedTLS(t *testing.T) {
	kit, err := edgeKit()
	if err != nil {
		t.Fatal(err)
	}
	for what, security := range map[string]connector.Security{
		"another name":   {Mode: connector.TLSRequired, Verify: true, ServerName: "other.test", Roots: kit.roots},
		"an unknown one": {Mode: connector.TLSRequired, Verify: true, ServerName: "mx.test"},
	} {
		t.Run(what, func(t *testing.T) {
			b := newBench(t, "a")
			b.dialer.TLS = security
			behaviour := faulty.Honest()
			behaviour.TLS = kit.server
			b.connectors["a"].Set(behaviour)
			b.start(0)
			s := b.dial().hello()
			s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
			s.ask("RCPT TO:<to@mx.test>\r\n", "451 4.7.5 *")
			_ = s.nc.Close()
			if r := b.witness.transaction(t, 1); r.Stage.String() != "tls" || b.connectors["a"].Heard("MAIL") != 0 {
				t.Errorf("it ended at %s", r.Stage)
			}
			b.leavesNothing()
		})
	}
}
