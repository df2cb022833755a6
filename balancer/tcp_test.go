package balancer_test

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/balancer"
	"weir/internal/backend"
	"weir/internal/faulty"
)

// newPassing starts honest connectors behind a listener in tcp mode.
func newPassing(t testing.TB, names ...string) *bench {
	t.Helper()
	b := newBench(t, names...)
	b.listener().Mode = balancer.ModeTCP
	return b
}

// passage waits for the n-th connection (from 1) to be recorded.
func (w *witness) passage(t testing.TB, n int) (balancer.SessionRecord, balancer.Passage) {
	t.Helper()
	rec := w.session(t, n)
	if rec.Passage == nil {
		t.Fatal("nothing is recorded of where the connection was passed to")
	}
	return rec, *rec.Passage
}

// at returns what was observed of a connector, in order.
func (w *witness) at(name string) []observed {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.outcomes), func(o observed) bool { return o.backend != name })
}

// peer is a connector of the test's own, the only one in the pool.
func (b *bench) peer(serve func(*net.TCPConn)) {
	b.t.Helper()
	ln := loopback(b.t)
	var wg sync.WaitGroup
	serveEach(ln, &wg, func(nc *net.TCPConn) {
		_ = nc.SetDeadline(time.Now().Add(ceiling))
		serve(nc)
	})
	b.t.Cleanup(wg.Wait)
	b.t.Cleanup(func() { _ = ln.Close() })
	b.registry.SetMembers("internet", []backend.Spec{{Pool: "internet", Name: "peer", Address: ln.Addr().String(), Weight: 100}})
	b.registry.SetHealth(b.member("peer"), backend.HealthFact{Health: backend.HealthUp})
}

// TestTCPMode: the sender talks with the connector itself, and every octet is the
// connector's or the sender's own.
func TestTCPMode(t *testing.T) {
	b := newPassing(t, "a")
	b.connectors["a"].Set(faulty.Behaviour{Banner: "220-a.test\n220-no spam\n220 welcome", Capabilities: faulty.Honest().Capabilities})
	b.start(0)
	s := b.dial()
	s.ask("", "220-a.test")
	s.ask("", "220-no spam")
	s.ask("", "220 welcome")
	s.ask("EHLO client.test\r\n", "250-a")
	for !strings.HasPrefix(s.say(""), "250 ") {
	}
	s.message("Subject: x\r\n\r\n..text\r\n")
	if n := b.member("a").InFlight(); n != 1 {
		t.Errorf("%d places are taken", n)
	}
	s.ask("QUIT\r\n", "221 *")
	if rest, err := io.ReadAll(s.in); err != nil || len(rest) != 0 {
		t.Errorf("then came %q, %v", rest, err)
	}
	_ = s.nc.Close()
	rec, p := b.witness.passage(t, 1)
	if p.Pool != "internet" || p.Backend != "a" || len(p.Tries) != 0 || rec.Reason != "closed by the connector" {
		t.Errorf("recorded %+v: %+v", rec, p)
	}
	if in, out := p.In, p.Out; in < 100 || out < 200 {
		t.Errorf("%d octets in, %d out", in, out)
	}
	if b.witness.count() != 0 || len(b.connectors["a"].Messages()) != 1 {
		t.Error("a message is a matter between the sender and the connector")
	}
	if got := b.witness.at("a"); len(got) != 2 || got[0].stage != backend.StageConnect || got[1].stage != backend.StageBanner ||
		got[0].Verdict != backend.Success || got[1].Verdict != backend.Success {
		t.Errorf("observed %+v", got)
	}
	if b.latency("a") == 0 {
		t.Error("the policy has learned nothing")
	}
	b.leavesNothing()
}

// TestTCPModePlaces: a connection holds a place at its connector for as long as it
// lasts; who finds none waits for one.
func TestTCPModePlaces(t *testing.T) {
	b := newPassing(t, "a")
	b.start(1)
	first := b.dial().hello()
	b.dial().ask("", "421 4.3.2 No connector is available, *") // after queue_timeout
	b.cfg.Pools[0].QueueTimeout = 0
	b.reload(func(c *balancer.Config) { c.Pools[0].QueueTimeout = ceiling })
	waiting := b.dial()
	waitFor(t, "it to wait", func() bool { return b.server.Waiting("internet") == 1 })
	first.ask("QUIT\r\n", "221 *")
	_ = first.nc.Close()
	waiting.ask("", "220 *")
	_ = waiting.nc.Close()
	b.leavesNothing()
}

// TestTCPModeDrainAndDisable: who is passed through to a connector that is drained
// stays there; when it is disabled, the connection is cut.
func TestTCPModeDrainAndDisable(t *testing.T) {
	b := newPassing(t, "a", "b")
	b.start(0)
	first := b.dial().hello() // at a
	b.setAdmin("a", backend.AdminDrain)
	second := b.dial()
	second.ask("", "220 b *")
	first.ask("NOOP\r\n", "250 *")
	b.setAdmin("a", backend.AdminDisabled)
	if got, err := io.ReadAll(first.in); err != nil || len(got) != 0 {
		t.Errorf("got %q, %v", got, err)
	}
	if rec, p := b.witness.passage(t, 1); p.Backend != "a" || rec.Reason != "connector disabled by alice" {
		t.Errorf("recorded %+v: %+v", rec, p)
	}
	if n := b.witness.verdicts("a", backend.Failure); n != 0 {
		t.Errorf("a was blamed %d times", n)
	}
	_ = second.nc.Close()
	b.leavesNothing()
}

// TestTCPModeShutdown: connections go on after the listeners are closed, until the
// shutdown's time is over.
func TestTCPModeShutdown(t *testing.T) {
	b := newPassing(t, "a")
	b.start(0)
	stays, ends := b.dial().hello(), b.dial().hello()
	done := make(chan error)
	ctx, timeIsUp := context.WithCancel(context.Background())
	defer timeIsUp()
	go func() { done <- b.server.Shutdown(ctx) }()
	waitFor(t, "the shutdown to begin", b.server.Draining)
	ends.ask("QUIT\r\n", "221 *")
	_ = ends.nc.Close()
	b.witness.passage(t, 1)
	timeIsUp()
	if err := <-done; err == nil {
		t.Error("nothing was cut")
	}
	if _, err := stays.in.ReadByte(); err == nil {
		t.Error("the connection goes on")
	}
	if rec, _ := b.witness.passage(t, 2); rec.Reason != "shutting down" {
		t.Errorf("recorded %+v", rec)
	}
	if n := b.witness.verdicts("a", backend.Failure); n != 0 {
		t.Errorf("a was blamed %d times", n)
	}
}

// TestTCPModeMakesRoom: when connections run short the heaviest network gives some up.
func TestTCPModeMakesRoom(t *testing.T) {
	b := newPassing(t, "a")
	b.listener().Limits.Connections = 3
	b.start(0)
	for range 3 {
		b.dial().ask("", "220 *")
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 9, 9, 9)}}
	nc, err := d.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(ceiling))
	other := newTalker(t, nc)
	other.ask("", "220 *")
	other.ask("EHLO client.test\r\n", "250-a")
	if rec, p := b.witness.passage(t, 1); rec.Reason != "made room for a client of a lighter network" || p.Backend != "a" {
		t.Errorf("recorded %+v: %+v", rec, p)
	}
	if n := b.witness.verdicts("a", backend.Failure); n != 0 {
		t.Errorf("a was blamed %d times", n)
	}
}

// TestTCPModeHalfClose: either side may close its direction and still listen.
func TestTCPModeHalfClose(t *testing.T) {
	b := newPassing(t)
	b.start(0)
	b.peer(func(nc *net.TCPConn) {
		_, _ = io.WriteString(nc, "220 peer\r\n")
		all, _ := io.ReadAll(nc) // to the sender's end
		_, _ = io.WriteString(nc, "250 "+string(all))
		_ = nc.CloseWrite()
	})
	s := b.dial()
	s.ask("", "220 peer")
	_, _ = io.WriteString(s.nc, "from behind\r\n")
	_ = s.nc.(*net.TCPConn).CloseWrite()
	s.ask("", "250 from behind")
	if rest, err := io.ReadAll(s.in); err != nil || len(rest) != 0 {
		t.Errorf("then came %q, %v", rest, err)
	}
	if rec, p := b.witness.passage(t, 1); rec.Reason != "closed by the sender" || p.In != 13 || p.Out != 10+4+13 {
		t.Errorf("recorded %+v: %+v", rec, p)
	}
	if got := b.witness.at("peer"); len(got) != 2 {
		t.Errorf("observed %+v", got)
	}
}

// TestTCPModeLostAtOnce: a connector that greets and then leaves without another
// word has failed; when the sender has left first it has not.
func TestTCPModeLostAtOnce(t *testing.T) {
	b := newPassing(t, "a")
	b.connectors["a"].Hurt(faulty.At(faulty.EHLO, faulty.Drop).Limited(1))
	b.start(0)
	s := b.dial()
	s.ask("", "220 *")
	_, _ = io.WriteString(s.nc, "EHLO client.test\r\n")
	if _, err := s.in.ReadByte(); err == nil {
		t.Error("somebody answers")
	}
	_ = s.nc.Close()
	waitFor(t, "the failure", func() bool { return b.witness.verdicts("a", backend.Failure) == 1 })
	if got := b.witness.at("a"); got[len(got)-1].stage != backend.StageEHLO || got[len(got)-1].Why != "ehlo: connection closed behind the greeting" {
		t.Errorf("observed %+v", got)
	}
	for range 3 {
		s := b.dial()
		s.ask("", "220 *")
		_ = s.nc.Close()
	}
	b.witness.passage(t, 4)
	if n := b.witness.verdicts("a", backend.Failure); n != 1 {
		t.Errorf("a was blamed %d times", n)
	}
	b.leavesNothing()
}
