package balancer_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/balancer"
	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/faulty"
	"weir/internal/fiber"
)

// startOnFibers is bench.start as app does it: fibers accept, too. The recorder is the
// test's; all listeners of the config are served, and their addresses returned.
func (b *bench) startOnFibers(recorder balancer.Recorder) (addrs []string) {
	b.t.Helper()
	fibers := new(fiber.Group)
	b.setUp(0, recorder, fibers)
	listeners := map[string]net.Listener{}
	for _, l := range b.cfg.Listeners {
		ln := watchedSocket(b.t, fibers)
		addrs = append(addrs, ln.Addr().String())
		listeners[l.Name] = ln
	}
	b.addr = addrs[0]
	b.run(listeners)
	b.t.Cleanup(fibers.Close)
	b.t.Cleanup(b.stop)
	return addrs
}

func watchedSocket(t testing.TB, fibers *fiber.Group) net.Listener {
	t.Helper()
	ln, err := fibers.Listen(loopback(t))
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// heardOut reads up to the end of the connection.
func (s *talker) heardOut() {
	s.t.Helper()
	if rest, err := io.ReadAll(s.in); err != nil || len(rest) != 0 {
		s.t.Errorf("at the end came %q, %v", rest, err)
	}
}

// stalled is a recorder as a log that nobody takes lines of any more: its first calls
// last until it is released.
type stalled struct {
	*witness
	left     atomic.Int64 // calls that are still to last
	waiting  atomic.Int64
	released chan struct{}
}

func (b *bench) recorder() *stalled {
	return &stalled{witness: b.witness, released: make(chan struct{})}
}

// hold has the next calls last, until the function that it returns is called.
func (r *stalled) hold(t *testing.T, calls int) (release func()) {
	r.left.Store(int64(calls))
	release = sync.OnceFunc(func() {
		r.left.Store(0)
		close(r.released)
	})
	t.Cleanup(release) // before the balancer is stopped, which waits for all
	return release
}

func (r *stalled) last() {
	if r.left.Add(-1) >= 0 {
		r.waiting.Add(1)
		<-r.released
		r.waiting.Add(-1)
	}
}

func (r *stalled) Session(rec *balancer.SessionRecord) {
	r.last()
	r.witness.Session(rec)
}

func (r *stalled) Transaction(rec *balancer.Record) {
	r.last()
	r.witness.Transaction(rec)
}

// tooMany is more than there are workers at a time, and more than a few replacements.
func tooMany() int { return 2*runtime.GOMAXPROCS(0) + 12 }

// A log that takes no lines holds up those who have something to log, and nobody else:
// neither new senders, nor sessions that are open, however the others have ended.
func TestStalledRecorder(t *testing.T) {
	for _, row := range []struct {
		name string
		end  func(b *bench, stalled int)
	}{
		{"quit", func(b *bench, _ int) {
			s := b.dial().hello()
			s.ask("QUIT\r\n", "221 *")
			s.heardOut()
		}},
		{"denied", func(b *bench, _ int) {
			s := b.dialFrom("127.0.0.66")
			s.ask("", "554 *")
			s.heardOut()
		}},
		{"closed while it waited", func(b *bench, stalled int) {
			s := b.dial().hello()
			waitFor(b.t, "the session to be parked", func() bool { return busySessions() == stalled })
			_ = s.nc.Close()
		}},
		{"transaction", func(b *bench, _ int) {
			s := b.dial().hello()
			s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
			s.ask("RCPT TO:<to@mx.test>\r\n", "250 *")
			if _, err := io.WriteString(s.nc, "RSET\r\n"); err != nil {
				b.t.Error(err)
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t, "a")
			b.listener().Limits.Deny = []netip.Prefix{netip.MustParsePrefix("127.0.0.66/32")}
			r := b.recorder()
			b.startOnFibers(r)
			open := b.dial().hello()
			b.delivers(open)
			release := r.hold(t, tooMany())
			for i := range tooMany() {
				row.end(b, i)
				waitFor(t, "the recorder to stall", func() bool { return r.waiting.Load() == int64(i+1) })
			}
			b.delivers(open)
			later := b.dial().hello()
			b.delivers(later)
			open.ask("NOOP\r\n", "250 *")
			release()
			waitFor(t, "the recorder to go on", func() bool { return r.waiting.Load() == 0 })
			b.delivers(b.dial().hello())
			b.leavesNothing()
		})
	}
}

// The same in tcp mode, where flows of other senders go on.
func TestStalledRecorderTCPMode(t *testing.T) {
	b := newPassing(t, "a")
	r := b.recorder()
	b.startOnFibers(r)
	open, half := b.dial(), b.dial()
	open.ask("", "220 *")
	half.ask("", "220 *")
	release := r.hold(t, tooMany())
	for i := range tooMany() {
		s := b.dial()
		s.ask("", "220 *")
		if i%2 == 0 {
			s.ask("QUIT\r\n", "221 *")
			s.heardOut()
		}
		_ = s.nc.Close()
		waitFor(t, "the recorder to stall", func() bool { return r.waiting.Load() == int64(i+1) })
	}
	open.ask("NOOP\r\n", "250 *")
	later := b.dial()
	later.ask("", "220 *")
	later.ask("NOOP\r\n", "250 *")
	half.ask("QUIT\r\n", "221 *")
	half.heardOut()
	release()
	waitFor(t, "the recorder to go on", func() bool { return r.waiting.Load() == 0 })
	open.ask("NOOP\r\n", "250 *")
	for _, s := range []*talker{open, later, half} {
		_ = s.nc.Close()
	}
	b.leavesNothing()
}

// mule is a connector that says 354 and then takes nothing of the content, until it says
// what the test wants; it hears the rest only when that is over.
type mule struct {
	tls    *tls.Config   // not nil: STARTTLS is offered
	early  string        // what it says then
	loaded chan struct{} // it has said 354
	speak  chan struct{} // it is to say that
	rest   chan []byte   // all that came behind 354
}

func newMule(early string, config *tls.Config) *mule {
	return &mule{tls: config, early: early, loaded: make(chan struct{}, 1), speak: make(chan struct{}), rest: make(chan []byte, 1)}
}

func (m *mule) serve(nc net.Conn) {
	in := bufio.NewReader(nc)
	say := func(text string) { _, _ = io.WriteString(nc, text+"\r\n") }
	offer := "250 mule"
	if m.tls != nil {
		offer = "250-mule\r\n250 STARTTLS"
	}
	for say("220 mule ESMTP"); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch line[:4] {
		case "EHLO":
			say(offer)
		case "STAR":
			say("220 go ahead")
			offer, nc = "250 mule", tls.Server(nc, m.tls)
			in = bufio.NewReader(nc)
		case "DATA":
			say("354 go on")
			m.loaded <- struct{}{}
			<-m.speak
			say(m.early)
			_ = nc.SetDeadline(time.Now().Add(ceiling))
			all, _ := io.ReadAll(in)
			m.rest <- all
			return
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// P28, P8, P13: what a connector says before it has read the content counts, also where
// it reads no more, so that neither side's sockets hold any more. No terminator is
// written, and nobody waits for more than that.
func TestEarlyVerdictOfOneThatReadsNothing(t *testing.T) {
	const size = 8 << 20
	for _, row := range []struct {
		name, early string
		replay      int64
		want        string
		elsewhere   int // messages of the other connector
		failures    int
	}{
		{"552", "552 5.3.4 too big", 256 << 10, "552 5.3.4 too big", 0, 0},
		{"452", "452 4.3.1 no room", 2 * size, "250 *", 1, 0},
		{"421 and the copy is whole", "421 4.3.2 leaving", 2 * size, "250 *", 1, 1},
		{"421 and the copy is not", "421 4.3.2 leaving", 256 << 10, "451 4.*", 0, 1},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s TLS=%v", row.name, secure), func(t *testing.T) {
				b := newBench(t, "a")
				b.pool().ReplayBuffer = row.replay
				m := newMule(row.early, nil)
				if secure {
					k, err := edgeKit()
					if err != nil {
						t.Fatal(err)
					}
					m.tls, b.dialer.TLS = k.server, connector.Security{Mode: connector.TLSRequired}
					other := faulty.Honest()
					other.TLS = k.server
					b.connectors["a"].Set(other)
				}
				b.startOnFibers(b.witness)
				b.join(m)
				s := b.dial()
				s.envelope()
				s.ask("DATA\r\n", "354 *")
				<-m.loaded
				var pushed pushing
				pushed.all(t, s.nc, size)
				pushed.untilStuck(size)
				close(m.speak)
				s.ask("", row.want)
				pushed.Wait()
				if rest := <-m.rest; len(rest) == 0 || len(rest) >= size || bytes.HasSuffix(rest, []byte("\r\n.\r\n")) {
					t.Errorf("%d octets of %d were written, to the terminator: %v", len(rest), size, bytes.HasSuffix(rest, []byte("\r\n.\r\n")))
				}
				s.ask("NOOP\r\n", "250 *")
				if n := len(b.connectors["a"].Messages()); n != row.elsewhere {
					t.Errorf("%d messages at the other connector", n)
				}
				_ = s.nc.Close()
				if n := b.witness.verdicts("mule", backend.Failure); n > row.failures || row.failures == 0 && n != 0 {
					t.Errorf("the connector was blamed %d times", n)
				}
				b.leavesNothing()
			})
		}
	}
}

// join has the mule be the first that is asked, and the bench's own connectors after it.
func (b *bench) join(m *mule) {
	b.t.Helper()
	ln := loopback(b.t)
	var wg sync.WaitGroup
	serveEach(ln, &wg, func(nc *net.TCPConn) {
		_ = nc.SetReadBuffer(64 << 10)
		m.serve(nc)
	})
	b.t.Cleanup(func() {
		b.stop() // which ends what it serves
		_ = ln.Close()
		wg.Wait()
	})
	specs := []backend.Spec{{Pool: "internet", Name: "mule", Address: ln.Addr().String(), Weight: 100}}
	for _, name := range b.names {
		specs = append(specs, backend.Spec{Pool: "internet", Name: name, Address: b.connectors[name].Addr(), Weight: 100, Cost: 10})
	}
	b.registry.SetMembers("internet", specs)
	b.registry.SetHealth(b.member("mule"), backend.HealthFact{Health: backend.HealthUp})
}

// pushing is a sender of content that nobody may take.
type pushing struct {
	sync.WaitGroup
	sent atomic.Int64
}

// all sends so many octets and the end of data.
func (p *pushing) all(t *testing.T, to io.Writer, size int) {
	p.Go(func() {
		line := bytes.Repeat([]byte(strings.Repeat("x", 78)+"\r\n"), 100)
		for p.sent.Load() < int64(size) {
			n, err := to.Write(line)
			if p.sent.Add(int64(n)); err != nil {
				t.Errorf("sending content: %v", err)
				return
			}
		}
		_, _ = io.WriteString(to, ".\r\n")
	})
}

// untilStuck waits until the content goes no further, or is on its way altogether.
func (p *pushing) untilStuck(size int) {
	for last := int64(-1); p.sent.Load() != last && p.sent.Load() < int64(size); {
		last = p.sent.Load()
		time.Sleep(100 * time.Millisecond)
	}
}

// ended waits for the n-th session to be recorded, which has ended for a reason.
func (w *witness) ended(t *testing.T, n int, reason string) balancer.SessionRecord {
	t.Helper()
	rec := w.session(t, n)
	if err := like(rec.Reason, reason); err != nil {
		t.Error(err)
	}
	return rec
}

// unrest reloads the config and disables a connector now and then, until that is done.
func (b *bench) unrest(done <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-done:
			b.setAdmin("a", backend.AdminEnabled)
			return
		case <-time.After(50 * time.Millisecond):
		}
		flag := backend.AdminEnabled
		if i%4 == 0 {
			flag = backend.AdminDisabled
		}
		b.setAdmin("a", flag)
		b.reload(func(c *balancer.Config) {
			c.Pools[0].Reuse.Messages, c.Listeners[0].Limits.Recipients = 10+i%7, 100+i%5
		})
	}
}
