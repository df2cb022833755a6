package balancer_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"weir/balancer"
)

// busySessions is how many sessions are in code of theirs, on a fiber or a goroutine, and do
// not just wait for their sender there: one that could not be parked because something
// seemed to have come does that.
func busySessions() int {
	buf := make([]byte, 1<<20)
	size := runtime.Stack(buf, true)
	for size == len(buf) {
		buf = make([]byte, 2*size)
		size = runtime.Stack(buf, true)
	}
	n := 0
	for stack := range bytes.SplitSeq(buf[:size], []byte("\n\n")) {
		waits := bytes.Contains(stack, []byte("balancer.(*session).listen")) && bytes.Contains(stack, []byte("fiber.(*Fiber).wait"))
		if bytes.Contains(stack, []byte("balancer.(*session)")) && !waits {
			n++
		}
	}
	return n
}

// atRest waits until all sessions wait for their senders, nearly all of them parked.
func atRest(t testing.TB) {
	t.Helper()
	waitFor(t, "all sessions to be at rest", func() bool { return busySessions() == 0 })
}

// ways are how a sender may come to where its session waits.
var ways = []struct {
	name string
	mode balancer.TLSMode
	slow bool // all that it sends comes in single octets
}{
	{"plain", balancer.TLSOff, false},
	{"STARTTLS", balancer.TLSStartTLS, false},
	{"TLS", balancer.TLSImplicit, false},
	{"TLS in octets", balancer.TLSImplicit, true},
}

// octets is a connection that carries single octets, or nothing after half of a write.
type octets struct {
	net.Conn
	single bool
	half   bool
}

func (o *octets) Write(p []byte) (int, error) {
	switch {
	case o.half:
		if _, err := o.Conn.Write(p[:len(p)/2]); err != nil {
			return 0, err
		}
		return len(p), nil
	case !o.single:
		return o.Conn.Write(p)
	}
	for i := range p {
		if n, err := o.Conn.Write(p[i : i+1]); err != nil {
			return i + n, err
		}
	}
	return len(p), nil
}

// way has the listener be ready for senders that come so. It returns what connects one,
// up to HELO.
func (b *bench) way(mode balancer.TLSMode, slow bool) func() *talker {
	if mode != balancer.TLSOff {
		b.sealed(mode)
	}
	return func() *talker {
		b.t.Helper()
		s := b.dial()
		s.nc = &octets{Conn: s.nc, single: slow}
		if mode == balancer.TLSStartTLS {
			s.hello()
			s.ask("STARTTLS\r\n", "220 *")
		}
		if mode != balancer.TLSOff {
			secure := &peer{nc: s.nc}
			if err := secure.seal(""); err != nil {
				b.t.Fatal(err)
			}
			s.nc, s.in = secure.nc, secure.in
		}
		if mode == balancer.TLSStartTLS {
			s.ask("HELO client.test\r\n", "250 *")
			return s
		}
		return s.hello()
	}
}

// under is the connection that a sender's own is made over.
func (s *talker) under() *octets {
	if secure, ok := s.nc.(*tls.Conn); ok {
		return secure.NetConn().(*octets)
	}
	return s.nc.(*octets)
}

// A session that waits outside of transactions has nothing of its own that runs, and has
// it again when its sender speaks.
func TestParkedSessionsHoldNoGoroutines(t *testing.T) {
	const many = 200
	for _, way := range ways[:3] {
		t.Run(way.name, func(t *testing.T) {
			b := newBench(t, "a")
			b.listener().Timeouts.Command = time.Hour
			connect := b.way(way.mode, way.slow)
			b.startOnFibers(b.witness)
			b.delivers(connect())
			atRest(t)
			before := runtime.NumGoroutine()
			var senders []*talker
			for range many {
				senders = append(senders, connect())
			}
			atRest(t)
			if n := runtime.NumGoroutine() - before; n > many/2 {
				t.Errorf("%d goroutines more for %d sessions behind HELO", n, many)
			}
			for _, s := range senders {
				b.delivers(s)
			}
			atRest(t)
			if n := runtime.NumGoroutine() - before; n > many/2 {
				t.Errorf("%d goroutines more for %d sessions behind a message", n, many)
			}
			for _, s := range senders {
				s.ask("NOOP\r\n", "250 *")
			}
			for _, s := range senders {
				_ = s.under().Close()
			}
			b.leavesNothing()
		})
	}
}

// What ends a session ends it where it is parked, too, and in words where there are any.
func TestParkedSessionEnds(t *testing.T) {
	for _, row := range []struct {
		name   string
		do     func(b *bench, s *talker)
		reply  string // empty: only the end
		reason string
	}{
		{"closed", func(_ *bench, s *talker) { _ = s.under().Close() }, "-", "closed by the sender"},
		{"half closed", func(b *bench, s *talker) { // under TLS by close_notify alone
			if half, ok := s.nc.(*tls.Conn); ok {
				_ = half.CloseWrite()
			} else {
				_ = s.under().Conn.(*net.TCPConn).CloseWrite()
			}
		}, "", "closed by the sender"},
		{"reset", func(_ *bench, s *talker) {
			_ = s.under().Conn.(*net.TCPConn).SetLinger(0)
			_ = s.under().Close()
		}, "-", "connection reset*"},
		{"shutdown", func(b *bench, _ *talker) { go b.stop() }, "421 4.3.2 Service is shutting down *", "shutting down"},
		{"listener removed", func(b *bench, _ *talker) {
			b.reload(func(c *balancer.Config) { c.Listeners = c.Listeners[1:] })
		}, "421 4.3.2 This listener is closed*", "listener removed"},
	} {
		for _, way := range ways {
			for _, messages := range []int{0, 1} {
				t.Run(fmt.Sprintf("%s/%s/%d messages", row.name, way.name, messages), func(t *testing.T) {
					b := newBench(t, "a")
					connect := b.way(way.mode, way.slow)
					second := *b.listener()
					second.Name, second.TLS = "second", balancer.TLSOff
					b.cfg.Listeners = append(b.cfg.Listeners, second)
					b.startOnFibers(b.witness)
					s := connect()
					for range messages {
						b.delivers(s)
					}
					atRest(t)
					row.do(b, s)
					s.ends(row.reply)
					if messages == 0 {
						b.witness.ended(t, 1, row.reason)
					}
					waitFor(t, "the session to be gone", func() bool { return b.inside() == 0 })
					b.leavesNothing()
				})
			}
		}
	}
}

// ends reads the last words, and the end; "-" is for who cannot read any more.
func (s *talker) ends(words string) {
	s.t.Helper()
	if words == "-" {
		return
	}
	if words != "" {
		s.ask("", words)
	}
	s.heardOut()
}

// A parked session makes room for a client of a lighter network.
func TestParkedSessionMakesRoom(t *testing.T) {
	b := newBench(t, "a")
	b.listener().Limits.Connections = 3
	b.startOnFibers(b.witness)
	heard := make(chan string, 3)
	for range 3 {
		s := b.dial().hello()
		go func() {
			line, _ := s.in.ReadString('\n')
			heard <- line
		}()
	}
	atRest(t)
	light := b.dialFrom("127.9.9.9").hello()
	if err := like(strings.TrimSpace(<-heard), "421 4.3.2 *"); err != nil {
		t.Error(err)
	}
	b.witness.ended(t, 1, "made room for a client of a lighter network")
	b.delivers(light)
	_ = light.nc.Close()
	b.leavesNothing()
}

// A parked session ends when its patience or its time is over, counted from when the
// waiting began, whatever comes that is not a command.
func TestParkedSessionTimesOut(t *testing.T) {
	const patience = 500 * time.Millisecond
	tooLate, tooOld := "421 4.4.2 No command in time *", "421 4.7.0 Session has lasted too long *"
	byCommand := func(l *balancer.ListenerConfig) { l.Timeouts.Command = patience }
	for _, row := range []struct {
		name  string
		limit func(*balancer.ListenerConfig)
		do    func(s *talker)
		reply string
	}{
		{"silence", byCommand, func(*talker) {}, tooLate},
		{"half a line", byCommand, func(s *talker) { _, _ = io.WriteString(s.nc, "NOO") }, tooLate},
		{"half a write", byCommand, func(s *talker) {
			s.under().half = true
			_, _ = io.WriteString(s.nc, "NOOP\r\n")
		}, tooLate},
		{"octet by octet", byCommand, func(s *talker) {
			go func() {
				for err := error(nil); err == nil; time.Sleep(patience / 20) { // a line would take more than the ceiling
					_, err = io.WriteString(s.nc, "x")
				}
			}()
		}, tooLate},
		{"age", func(l *balancer.ListenerConfig) { l.Limits.Session = 4 * patience }, func(*talker) {}, tooOld},
	} {
		for _, way := range []int{0, 2} {
			t.Run(row.name+"/"+ways[way].name, func(t *testing.T) {
				b := newBench(t, "a")
				connect := b.way(ways[way].mode, ways[way].slow)
				row.limit(b.listener())
				b.startOnFibers(b.witness)
				s := connect()
				row.do(s)
				s.ask("", row.reply)
				_ = s.under().Close()
				rec := b.witness.ended(t, 1, map[string]string{tooLate: "timeout", tooOld: "session limit"}[row.reply])
				if rec.Duration < patience {
					t.Errorf("it ended after %v already", rec.Duration)
				}
				b.leavesNothing()
			})
		}
	}
}

// A deadline that was armed for the greeting passes while the session is parked, and means
// nothing any more: it is parked again, and goes on, or ends when it is due.
func TestParkedAgain(t *testing.T) {
	const greeting = 300 * time.Millisecond
	for _, patience := range []time.Duration{ceiling, 3 * greeting} {
		t.Run(patience.String(), func(t *testing.T) {
			b := newBench(t, "a")
			b.listener().Timeouts.Greeting, b.listener().Timeouts.Command = greeting, patience
			b.startOnFibers(b.witness)
			var s *talker
			var began time.Time
			for got := ""; !strings.HasPrefix(got, "250"); { // a machine may be too slow for that
				s = b.dial()
				s.ask("", "220 *")
				began = time.Now()
				got = s.say("HELO client.test\r\n")
			}
			if patience < ceiling {
				s.ask("", "421 4.4.2 No command in time *")
				if took := time.Since(began); took < patience {
					t.Errorf("ended after %v, with a patience of %v", took, patience)
				}
			} else {
				time.Sleep(2 * greeting)
				atRest(t)
				b.delivers(s)
				atRest(t)
				s.ask("QUIT\r\n", "221 *")
			}
			s.heardOut()
			b.leavesNothing()
		})
	}
}

// However what a sender says is cut up, a parked session understands it.
func TestParkedSessionHearsPieces(t *testing.T) {
	const group = "NOOP\r\nRSET\r\nVRFY x\r\n"
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			b := newBench(t, "a")
			connect := b.way(way.mode, way.slow)
			b.startOnFibers(b.witness)
			s := connect()
			atRest(t)
			for i := 1; i < len(group); i++ {
				_, _ = io.WriteString(s.nc, group[:i])
				time.Sleep(time.Millisecond) // it may be parked meanwhile, or not
				s.ask(group[i:], "250 2.0.0 OK")
				s.ask("", "250 2.0.0 OK")
				s.ask("", "252 *")
			}
			for i := range len(group) {
				_, _ = io.WriteString(s.nc, group[i:i+1])
				time.Sleep(time.Millisecond)
			}
			s.ask("", "250 *")
			s.ask("", "250 *")
			s.ask("", "252 *")
			atRest(t)
			s.ask("NOOP\r\nMAIL FROM:<from@client.test>\r\nRCPT TO:<to@mx.test>\r\nDATA\r\n", "250 2.0.0 OK")
			s.ask("", "250 *")
			s.ask("", "250 *")
			s.ask("", "354 *")
			s.ask(short+".\r\nNOOP\r\n", "250 *")
			s.ask("", "250 2.0.0 OK")
			atRest(t)
			s.ask("NOOP\r\nQUIT\r\n", "250 2.0.0 OK")
			s.ask("", "221 *")
			s.heardOut()
			_ = s.under().Close()
			if n := len(b.connectors["a"].Messages()); n != 1 {
				t.Errorf("%d messages", n)
			}
			b.leavesNothing()
		})
	}
}

// P34: a sender that is parked behind AUTH is told when its connector is not to be used
// any more; where that has gone by itself, at the next command.
func TestP34ParkedSession(t *testing.T) {
	certificate := selfSigned(t)
	for name, then := range map[string][]string{
		"drained":  {"drain a", "< 421 4.3.2 *", "< EOF"},
		"disabled": {"disable a", "< 421 4.3.2 *", "< EOF"},
		"lost":     {"a close", "until 421", "< EOF"},
		"spoke":    {"a> 421 4.3.2 leaving", "until 421", "< EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newAuthPlayer(t, certificate)
			defer p.hangUp()
			play := func(lines ...string) {
				t.Helper()
				for _, line := range lines {
					if err := p.line(line); err != nil {
						t.Fatalf("%s: %v", line, err)
					}
				}
			}
			play("hello *", "> AUTH PLAIN AHVzZXIAU0VDUkVU", "a< AUTH PLAIN *", "a> 235 2.7.0 ok", "< 235 2.7.0 ok")
			atRest(t)
			play(then...)
			p.hangUp()
			p.leavesNothing()
		})
	}
}
