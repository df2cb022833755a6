package integration

import (
	"fmt"
	"strings"
	"testing"

	"weir/internal/faulty"
)

func TestP13_NoConnectors421ReachesASender(t *testing.T) {
	for _, stage := range []faulty.Stage{faulty.Banner, faulty.EHLO, faulty.MAIL, faulty.RCPT, faulty.DATA, faulty.FinalDot} {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 3, opts{})
			f.hurt(f.c, faulty.Say(stage, "421 4.3.2 closing"))
			c := f.dial()
			f.notClosing(f.deliverOn(c, f.message("p13", 500)))
			f.expect(c, 250, "RSET")
			f.healed(c)
		})
	}
}

func TestP14_UnexpectedClassCountsAndDestroysTheConnection(t *testing.T) {
	for _, x := range []struct {
		stage faulty.Stage
		said  string
	}{{faulty.MAIL, "354 what"}, {faulty.RCPT, "354 what"}, {faulty.DATA, "250 what"}, {faulty.DATA, "354 what"}} {
		t.Run(string(x.stage)+x.said[:3], func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 1, opts{})
			f.c[0].Hurt(faulty.Say(x.stage, x.said).Limited(1))
			m := f.message("p14", 500)
			got := f.deliver(m)
			if x.stage == faulty.DATA && x.said[:3] == "354" { // quite expected: proves that the test can tell
				f.storedOnce(m)
				return
			}
			if got.code != 451 {
				t.Errorf("got %s, want 451: there was no other connector", got)
			}
			eventually(t, ceiling, func() bool { return f.c[0].Stats().Open == 0 }, "the connection is still open")
			if n := f.failures(f.c[0]); n != 1 {
				t.Errorf("%d failures counted, want 1", n)
			}
		})
	}
}

func TestP27_RepliesAreMended(t *testing.T) {
	for _, x := range []struct {
		name  string
		fault faulty.Fault
		want  string
	}{
		{"code from class 5", faulty.Say(faulty.RCPT, "550 no such user"), "550 5.0.0 no such user"},
		{"code from class 4", faulty.Say(faulty.RCPT, "450 busy"), "450 4.0.0 busy"},
		{"code from class 2", faulty.Say(faulty.FinalDot, "250 taken"), "250 2.0.0 taken"},
		{"no text", faulty.Say(faulty.FinalDot, "554"), "554 5.0.0"},
		{"several lines", faulty.Say(faulty.FinalDot, "554-5.6.0 first\n554 5.6.0 second"), "554 5.6.0 first\n5.6.0 second"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 1, opts{})
			f.c[0].Hurt(x.fault)
			f.relayed(f.deliver(f.message("mended", 500)), x.want)
		})
	}
}

func TestP27_ControlsAreStripped(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 1, opts{})
	f.c[0].Hurt(faulty.Say(faulty.RCPT, "550 5.1.1 \x1b[31mno\x07 \x00such\x7f user\r"))
	got := f.deliver(f.message("controls", 500))
	f.relayed(got, "550 5.1.1 ")
	if i := strings.IndexFunc(got.text(), func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
		t.Errorf("control at %d of %q", i, got.text())
	}
}

func TestP27_RepliesBeyondTheLimitsAreALoss(t *testing.T) {
	for name, said := range map[string]string{
		"129 lines":   lines(250, 129),
		"long line":   "250 2.1.0 " + strings.Repeat("x", 1000),
		"mixed codes": "250-2.1.0 a\n251 2.1.0 b",
		"no code":     "fine",
		"code 999":    "999 what",
		"code 25":     "25 what",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 2, opts{}) // not more: the same loss on a second connector is P14a
			f.c[0].Hurt(faulty.Say(faulty.MAIL, said))
			for range 2 {
				f.delivered(f.message("limits", 500))
			}
			if n := len(f.c[1].Messages()); n != 2 {
				t.Errorf("%d messages in the good connector, want 2", n)
			}
		})
	}
}

func TestP27_WithinTheLimits(t *testing.T) {
	t.Parallel()
	b := faulty.Honest()
	for i := range 120 {
		b.Capabilities.Extra = append(b.Capabilities.Extra, fmt.Sprintf("X-NUMBER-%d %s", i, strings.Repeat("y", 900)))
	}
	f := newFlockOf(t, opts{}, b)
	f.c[0].Hurt(faulty.Say(faulty.MAIL, lines(250, 128)))
	f.delivered(f.message("within", 500))
}

func TestP27_UnreadBytesEndAConnection(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 1, opts{})
	f.c[0].Hurt(faulty.Say(faulty.FinalDot, "250 2.0.0 taken\n250 2.0.0 and another"))
	before := f.connections()
	for range 3 {
		f.delivered(f.message("unread", 500))
	}
	if n := f.connections() - before; n != 3 {
		t.Errorf("%d connections for 3 messages: one with unread bytes was used again", n)
	}
}

// A connector that never stops talking may cost no more memory than any other.
func TestP27_EndlessRepliesCostNoMemory(t *testing.T) {
	t.Parallel()
	for _, stage := range []faulty.Stage{faulty.Banner, faulty.MAIL, faulty.FinalDot} {
		t.Run(string(stage), func(t *testing.T) {
			f := newFlock(t, 2, opts{})
			f.hurt(f.c, faulty.At(stage, faulty.Endless))
			for range 4 {
				f.own(f.deliver(f.message("endless", 500)), "451")
			}
			f.bounded()
			eventually(t, ceiling, func() bool { return f.c[0].Stats().Open+f.c[1].Stats().Open == 0 }, "connections are still open")
		})
	}
}

// bounded wants weir's memory under a ceiling that only a leak or a hoard reaches.
func (w *weir) bounded() {
	w.t.Helper()
	if kb := w.rssKB(); kb > 256<<10 {
		w.t.Errorf("weir holds %d MB", kb>>10)
	}
}

// group sends a pipelined MAIL, RCPTs, DATA and returns the replies.
func (f *flock) group(c *client, m *message) []reply {
	f.t.Helper()
	text := m.mailLine() + "\r\n"
	for _, to := range m.to {
		text += "RCPT TO:<" + to + ">\r\n"
	}
	f.write(c, []byte(text+"DATA\r\n"))
	replies := make([]reply, len(m.to)+2)
	for i := range replies {
		rep, err := c.read()
		if err != nil {
			f.t.Fatalf("reply %d of the group: %v", i, err)
		}
		replies[i] = rep
	}
	return replies
}

func TestP29_PipelinedDataAfterOnlyRefusedRecipients(t *testing.T) {
	for name, faults := range map[string][]faulty.Fault{
		"connector says 554": {faulty.Say(faulty.RCPT, "550 5.1.1 no such user")},
		"connector says 354": {faulty.Say(faulty.RCPT, "550 5.1.1 no such user"), faulty.Say(faulty.DATA, "354 go on")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 2, opts{})
			f.hurt(f.c, faults...)
			c := f.dial()
			m := f.message("p29", 500)
			m.to = append(m.to, "second-"+m.to[0])
			r := f.group(c, m)
			if r[0].code != 250 {
				t.Errorf("MAIL: %s", r[0])
			}
			f.relayed(r[1], "550 5.1.1 no such user")
			f.relayed(r[2], "550 5.1.1 no such user")
			if !strings.HasPrefix(r[3].String(), "554 5.5.1") {
				t.Errorf("DATA: %s, want 554 5.5.1", r[3])
			}
			f.loneDotOnly()
			f.expect(c, 250, "RSET")
			f.healed(c)
		})
	}
}

// loneDotOnly wants every 354 that was said without a recipient answered by a lone dot, and nothing stored.
func (f *flock) loneDotOnly() {
	f.t.Helper()
	if ends, lone := f.seen(), f.heard("(end of data after 3 octets)"); ends != int64(lone) {
		f.t.Errorf("%d ends of data, %d of them lone dots", ends, lone)
	}
	for _, c := range f.c {
		if n := len(c.Messages()); n != 0 {
			f.t.Errorf("%d messages stored", n)
		}
	}
}

func TestP29_PipelinedGroupsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 2, opts{})
	f.hurt(f.c, faulty.Say(faulty.RCPT, "550 5.1.1 no such user").Containing("bad"))
	c := f.dial()
	for range 5 {
		m := f.message("order", 500)
		m.to = []string{"bad1@test.example", m.to[0], "bad2@test.example"}
		r := f.group(c, m)
		for i, want := range []int{250, 550, 250, 550, 354} {
			if r[i].code != want {
				t.Fatalf("reply %d is %s, want %d", i, r[i], want)
			}
		}
		if rep := f.finish(c, m.stuffed()); rep.code != 250 {
			t.Fatalf("final: %s", rep)
		}
		f.storedOnce(m)
	}
	if n := f.c[0].Stats().Improper + f.c[1].Stats().Improper; n != 0 {
		t.Errorf("%d improper things said to connectors", n)
	}
}

func TestP29_ConnectorWithoutPipelining(t *testing.T) {
	t.Parallel()
	b := faulty.Honest()
	b.Capabilities.Pipelining = false
	b.Capabilities.Chunking = false
	f := newFlockOf(t, opts{}, b)
	c := f.dial()
	for range 3 {
		m := f.message("slow", 500)
		m.to = append(m.to, "second-"+m.to[0])
		if rep, err := c.sendPipelined(m); err != nil || rep.code != 250 {
			t.Fatalf("%s, %v", rep, err)
		}
		f.storedOnce(m)
	}
	if n := f.c[0].Stats().Improper; n != 0 {
		t.Errorf("%d commands were pipelined to a connector that did not offer it", n)
	}
}
