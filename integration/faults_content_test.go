package integration

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"weir/internal/faulty"
)

func TestP8_LostInBodyMovesWhileTheMessageIsInTheReplayBuffer(t *testing.T) {
	for name, do := range map[string]faulty.Action{"drop": faulty.Drop, "reset": faulty.Reset} {
		for _, via := range []string{"DATA", "BDAT"} {
			for _, after := range []int{0, 1, 4000} {
				t.Run(fmt.Sprintf("%s %s after %d", via, name, after), func(t *testing.T) {
					t.Parallel()
					f := newFlock(t, 3, opts{})
					m := f.message("p8", 20000)
					c, h, rest := f.beginVia(m, via, faulty.InBody(after, do))
					f.waitHeard("(closed by us)", 1) // the sender pauses: the loss shows before the terminator
					if rep := f.finish(c, rest); rep.code != 250 {
						t.Fatalf("final: %s", rep)
					}
					f.moved(m, h)
				})
			}
		}
	}
}

// beginVia sends the envelope, hurts the connector that has it, and sends the first half of the content. rest is what
// the sender has still to write.
func (f *flock) beginVia(m *message, via string, faults ...faulty.Fault) (c *client, h *faulty.Server, rest []byte) {
	f.t.Helper()
	c = f.dial()
	if err := c.envelope(m); err != nil {
		f.t.Fatalf("envelope of %s: %v", m.id, err)
	}
	h = f.holder(m)
	h.Hurt(faults...)
	if via == "DATA" {
		f.expect(c, 354, "DATA")
		first, rest := halves(m)
		f.write(c, first)
		return c, h, rest
	}
	half := len(m.raw) / 2
	f.write(c, append(fmt.Appendf(nil, "BDAT %d\r\n", half), m.raw[:half]...))
	if rep, err := c.read(); err != nil || rep.code != 250 {
		f.t.Fatalf("first chunk: %s, %v", rep, err)
	}
	return c, h, append(fmt.Appendf(nil, "BDAT %d LAST\r\n", len(m.raw)-half), m.raw[half:]...)
}

// moved wants a message stored once, elsewhere, with one replay in the log.
func (f *flock) moved(m *message, from *faulty.Server) {
	f.t.Helper()
	f.storedOnce(m)
	if _, at := f.stored(m); at == from {
		f.t.Errorf("stored in %s, which was hurt", at.Name())
	}
	l := f.logs(m, "outcome", "delivered", "by", "connector", "code", "250")
	f.leftBehind(l, from)
	if n := l.num("replays"); n != 1 {
		f.t.Errorf("log: replays is %d, want 1", n)
	}
	if n := len(f.tried(m)); n != 2 {
		f.t.Errorf("%d connectors had the message, want 2", n)
	}
	if n := f.seen(); n != 1 {
		f.t.Errorf("%d ends of data, want 1", n)
	}
}

func TestP8_BiggerThanTheReplayBuffer(t *testing.T) {
	for name, fault := range map[string]faulty.Fault{
		"drop": faulty.InBody(100000, faulty.Drop), "P28 451": faulty.EarlyReply(100000, "451 4.3.0 disk"),
		"P28 421": faulty.EarlyReply(100000, "421 4.3.2 closing"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 3, opts{pool: []string{"replay_buffer: 16KiB"}})
			m := f.message("big", 400000)
			c, _, rest := f.beginVia(m, "DATA", fault)
			f.waitHeard(map[string]string{"drop": "(closed by us)", "P28 451": "(early reply", "P28 421": "(said goodbye)"}[name], 1)
			got := f.finish(c, rest) // taken to its end, or this write and the reply would fail
			f.own(got, "451 4.4.2")
			f.logs(m, "outcome", "deferred", "by", "weir", "code", "451", "stage", "body")
			if n := f.seen(); n != 0 || len(f.tried(m)) != 1 {
				t.Errorf("%d ends of data in %d connectors, want none in one", n, len(f.tried(m)))
			}
			f.healed(c)
		})
	}
}

// healed wants the sender's session to go on, once no connector is hurt.
func (f *flock) healed(c *client) {
	f.t.Helper()
	f.hurt(f.c)
	m := f.message("after", 500)
	if rep := f.deliverOn(c, m); rep.code != 250 {
		f.t.Fatalf("the next message of the session: %s", rep)
	}
	f.storedOnce(m)
}

// lostAtTheEnd are the ways in which a message's fate stays unknown (P9).
func lostAtTheEnd() map[string]faulty.Fault {
	return map[string]faulty.Fault{
		"drop": faulty.At(faulty.FinalDot, faulty.Drop), "reset": faulty.At(faulty.FinalDot, faulty.Reset),
		"mute": faulty.At(faulty.FinalDot, faulty.Mute), "store then drop": faulty.StoreThen(faulty.Drop),
		"store then mute": faulty.StoreThen(faulty.Mute), "P27 garbage": faulty.At(faulty.FinalDot, faulty.Garbage),
		"P27 endless": faulty.StoreThen(faulty.Endless), "P14 354": faulty.Say(faulty.FinalDot, "354 what"),
	}
}

func TestP9_LossAfterTheTerminatorIsAmbiguousAndNeverReplayed(t *testing.T) {
	for name, fault := range lostAtTheEnd() {
		for _, via := range []string{"DATA", "BDAT"} {
			t.Run(via+" "+name, func(t *testing.T) {
				t.Parallel()
				f := newFlock(t, 3, opts{})
				m := f.message("p9", 4000)
				c, h, rest := f.beginVia(m, via, fault)
				f.own(f.finish(c, rest), "451 4.4.2")
				f.ambiguous(m, h, fault.Store)
				f.healed(c)
			})
		}
	}
}

// ambiguous wants one connector to have met the message's end, and the log to say that nobody knows.
func (f *flock) ambiguous(m *message, h *faulty.Server, stored bool) {
	f.t.Helper()
	f.logs(m, "outcome", "ambiguous", "by", "weir", "code", "451", "backend", h.Name(), "stage", "final_dot")
	if n := len(f.tried(m)); n != 1 {
		f.t.Errorf("%d connectors had the message, want one", n)
	}
	if n := f.seen(); n != 1 {
		f.t.Errorf("%d ends of data, want 1", n)
	}
	want := 0
	if stored {
		want = 1
	}
	if n, _ := f.stored(m); n != want {
		f.t.Errorf("stored %d times, want %d", n, want)
	}
	if got := string(f.status().backend(poolName, h.Name()).Ambiguous); got == "0" || got == "" || got == "[]" {
		f.t.Errorf("status: ambiguous is %q", got)
	}
}

func TestP10_RefusalOfTheTerminatorIsRelayed(t *testing.T) {
	for _, x := range []struct{ said, want, outcome string }{
		{"451 4.3.0 queue is full", "451 4.3.0 queue is full", "deferred"},
		{"452 4.3.1 disk is full", "452 4.3.1 disk is full", "deferred"},
		{"421 4.3.2 closing", "451", "deferred"}, // P13
		{"554 5.6.0 spam", "554 5.6.0 spam", "rejected"},
	} {
		t.Run(x.said[:3], func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 3, opts{})
			m := f.message("p10", 4000)
			c, _, rest := f.beginVia(m, "DATA", faulty.Say(faulty.FinalDot, x.said))
			got := f.finish(c, rest)
			if !strings.HasPrefix(got.String(), x.want) {
				t.Errorf("got %s, want %s", got, x.want)
			}
			f.logs(m, "outcome", x.outcome, "by", "connector", "code", x.want[:3], "stage", "final_dot")
			if n := f.seen(); n != 1 || len(f.tried(m)) != 1 {
				t.Errorf("%d ends of data in %d connectors, want one", n, len(f.tried(m)))
			}
			f.healed(c)
		})
	}
}

func TestP11_SenderVanishesInTheBody(t *testing.T) {
	for _, how := range []string{"close", "reset"} {
		for _, via := range []string{"DATA", "BDAT"} {
			t.Run(via+" "+how, func(t *testing.T) {
				t.Parallel()
				f := newFlock(t, 2, opts{})
				m := f.message("p11", 20000)
				c, h, _ := f.beginVia(m, via)
				if how == "reset" {
					_ = c.conn.(*net.TCPConn).SetLinger(0)
				}
				c.close()
				f.logs(m, "outcome", "aborted")
				if n, _ := f.stored(m); n != 0 || f.seen() != 0 {
					t.Errorf("stored %d times, %d ends of data: want none", n, f.seen())
				}
				if via == "DATA" {
					f.waitHeard("(content broken off", 1)
				}
				if n := f.failures(h); n != 0 {
					t.Errorf("%d failures counted: a sender's abort says nothing", n)
				}
			})
		}
	}
}

func TestP12_SenderVanishesAfterItsEndOfData(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 2, opts{timeouts: defaultTimeouts})
	m := f.message("p12", 4000)
	c, _, rest := f.beginVia(m, "DATA", faulty.Fault{Stage: faulty.FinalDot, Delay: time.Second})
	f.write(c, rest)
	f.waitHeard("(end of data", 1)
	_ = c.conn.(*net.TCPConn).SetLinger(0)
	c.close()
	f.logs(m, "outcome", "delivered-unacknowledged", "code", "250")
	f.storedOnce(m)
}

func TestP28_Early5xxIsRelayedAfterTheContent(t *testing.T) {
	for _, via := range []string{"DATA", "BDAT"} {
		t.Run(via, func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 3, opts{})
			m := f.message("p28", 40000)
			c, _, rest := f.beginVia(m, via, faulty.EarlyReply(25000, "552 5.3.4 too much of it"))
			f.write(c, rest[:10000]) // by BDAT: in the middle of the last chunk
			f.waitHeard("(early reply 552", 1)
			f.relayed(f.finish(c, rest[10000:]), "552 5.3.4 too much of it")
			f.logs(m, "outcome", "rejected", "by", "connector", "code", "552")
			if n := f.seen(); n != 0 {
				t.Errorf("%d ends of data: no terminator may follow an early reply", n)
			}
			if n := len(f.tried(m)); n != 1 {
				t.Errorf("%d connectors had the message, want one", n)
			}
			f.healed(c)
		})
	}
}

func TestP28_Early4xxMovesTheMessage(t *testing.T) {
	for said, event := range map[string]string{"451 4.3.0 disk": "(early reply 451", "421 4.3.2 closing": "(said goodbye)"} {
		t.Run(said[:3], func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 3, opts{})
			m := f.message("p28", 20000)
			c, h, rest := f.beginVia(m, "DATA", faulty.EarlyReply(1000, said))
			f.waitHeard(event, 1)
			if rep := f.finish(c, rest); rep.code != 250 {
				t.Fatalf("final: %s", rep)
			}
			f.moved(m, h)
		})
	}
}

func TestP14_Early2xxIsAmbiguous(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 3, opts{})
	m := f.message("p14", 20000)
	c, h, rest := f.beginVia(m, "DATA", faulty.EarlyReply(1000, "250 2.0.0 enough"))
	f.waitHeard("(early reply 250", 1)
	f.own(f.finish(c, rest), "451 4.4.2")
	f.logs(m, "outcome", "ambiguous", "by", "weir", "code", "451", "backend", h.Name())
	if n := len(f.tried(m)); n != 1 {
		t.Errorf("%d connectors had the message, want one", n)
	}
	if n := f.seen(); n != 0 {
		t.Errorf("%d ends of data", n)
	}
	f.healed(c)
}

// A connector that stops reading is a body without progress: its deadline makes it a loss in the body.
func TestP15_ConnectorStopsReadingInTheBody(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 3, opts{
		timeouts: "{connect: 2s, banner: 2s, ehlo: 2s, mail: 2s, rcpt: 2s, data: 2s, body: 1500ms, final_dot: 5s}",
		pool:     []string{"replay_buffer: 64MiB"},
	})
	m := f.message("deaf", 20<<20) // more than all buffers between weir and the connector
	c, h, rest := f.beginVia(m, "DATA", faulty.InBody(1000, faulty.StopReading))
	if rep := f.finish(c, rest); rep.code != 250 {
		t.Fatalf("final: %s", rep)
	}
	f.moved(m, h)
}

func TestP14a_PoisonAtDataCountsAgainstNobody(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 4, opts{health: "{probe: tcp, interval: 1h, fast_interval: 100ms, timeout: 5s, rise: 1, fall: 2}"})
	f.hurt(f.c, faulty.At(faulty.DATA, faulty.Drop).Containing("poison"))
	for range 8 {
		m := f.message("poison", 500)
		f.own(f.deliver(m), "451")
		f.suspect(m)
	}
	f.unharmed()
}

func TestP14a_PoisonInTheBody(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 4, opts{health: "{probe: tcp, interval: 1h, fast_interval: 100ms, timeout: 5s, rise: 1, fall: 2}"})
	f.hurt(f.c, faulty.InBody(0, faulty.Drop).Containing("POISON"))
	for i := range 8 {
		m := f.message("body", 2000)
		p := bytes.Replace(m.stuffed(), []byte("Subject: "), []byte("Subject: POISON "), 1)
		c, _ := f.begin(m)
		f.write(c, p[:1000])
		f.waitHeard("(closed by us)", 2*i+1)
		f.write(c, p[1000:1500]) // by now the loss shows, the message moves, and is lost again
		f.waitHeard("(closed by us)", 2*i+2)
		f.own(f.finish(c, p[1500:]), "451")
		f.suspect(m)
	}
	f.unharmed()
}

// suspect wants a message given up after two connectors, and named so.
func (f *flock) suspect(m *message) {
	f.t.Helper()
	l := f.logs(m, "outcome", "deferred", "by", "weir", "code", "451")
	if !strings.Contains(fmt.Sprint(l), "suspect") {
		f.t.Errorf("log: no word of %q in %v", "suspect", l)
	}
	if n := len(f.tried(m)); n != 2 {
		f.t.Errorf("%d connectors had the message, want 2", n)
	}
	if n := f.seen(); n != 0 {
		f.t.Errorf("%d ends of data", n)
	}
}

// unharmed wants all connectors eligible and without a failure.
func (f *flock) unharmed() {
	f.t.Helper()
	if n := f.status().eligible(poolName); n != len(f.c) {
		f.t.Errorf("%d of %d connectors are eligible", n, len(f.c))
	}
	for _, c := range f.c {
		if n := f.failures(c); n != 0 {
			f.t.Errorf("%s has %d failures", c.Name(), n)
		}
	}
}
