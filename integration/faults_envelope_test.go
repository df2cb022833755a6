package integration

import (
	"testing"

	"weir/internal/faulty"
)

func TestP4_NoneLeftRelaysThe4xx(t *testing.T) {
	for _, x := range []struct{ said, want string }{
		{"451 4.7.1 busy here", "451 4.7.1 busy here"},
		{"452 4.3.1 full here", "452 4.3.1 full here"},
		{"421 4.3.2 closing here", "451"}, // P13
	} {
		t.Run(x.said[:3], func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 3, opts{})
			f.hurt(f.c, faulty.Say(faulty.MAIL, x.said))
			m := f.message("p4", 500)
			got := f.deliver(m)
			if x.said[:3] == "421" {
				f.notClosing(got)
			} else {
				f.relayed(got, x.want)
			}
			l := f.logs(m, "outcome", "deferred", "code", x.want[:3], "stage", "mail")
			f.leftBehind(l, f.tried(m)...)
			if n := len(f.tried(m)); n != 3 {
				t.Errorf("%d connectors were asked, want 3", n)
			}
		})
	}
}

// notClosing wants a connector's 421 to have become 451.
func (f *flock) notClosing(got reply) {
	f.t.Helper()
	if got.code != 451 {
		f.t.Errorf("got %s, want 451", got)
	}
}

func TestP4_AtMostThreeCandidates(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 4, opts{})
	f.hurt(f.c, faulty.Say(faulty.MAIL, "451 4.7.1 busy here"))
	m := f.message("three", 500)
	f.relayed(f.deliver(m), "451 4.7.1 busy here")
	if n := len(f.tried(m)); n != 3 {
		t.Errorf("%d connectors were asked, want 3", n)
	}
}

func TestP5_MailRefusedForGood(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 3, opts{})
	f.hurt(f.c, faulty.Say(faulty.MAIL, "550 5.7.1 not from you"))
	m := f.message("p5", 500)
	f.relayed(f.deliver(m), "550 5.7.1 not from you")
	f.logs(m, "outcome", "rejected", "by", "connector", "code", "550", "stage", "mail")
	if n := len(f.tried(m)); n != 1 {
		t.Errorf("%d connectors were asked, want one: a 5xx is final", n)
	}
}

func TestP5_OurOwnMistakes(t *testing.T) {
	for _, said := range []string{"500 5.5.2 what", "502 5.5.1 what", "503 5.5.1 order", "530 5.7.0 login", "555 5.5.4 parameter"} {
		t.Run(said[:3], func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 3, opts{})
			f.hurt(f.c[:2], faulty.Say(faulty.MAIL, said))
			for range 3 {
				f.delivered(f.message("mistake", 500))
			}
			f.hurt(f.c, faulty.Say(faulty.MAIL, said))
			m := f.message("mistake", 500)
			f.own(f.deliver(m), "451 4.3.5")
			f.logs(m, "outcome", "deferred", "by", "weir", "code", "451")
		})
	}
}

func TestP5_RefusalOnAReusedConnectionIsAskedAgainOnANewOne(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 1, opts{})
	f.c[0].Hurt(faulty.Say(faulty.MAIL, "550 5.7.1 tired of you").WhenReused())
	for range 4 {
		f.delivered(f.message("reused", 500))
	}
	if n := f.c[0].Heard("(fault at mail)"); n == 0 {
		t.Error("no connection was reused: the fault was not met")
	}
}

func TestP6_RcptRefusalIsRelayed(t *testing.T) {
	for _, said := range []string{"451 4.7.1 greylisted", "450 4.2.1 mailbox busy", "452 4.2.2 mailbox full", "550 5.1.1 no such user", "553 5.1.3 odd"} {
		t.Run(said[:3], func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 4, opts{})
			f.hurt(f.c, faulty.Say(faulty.RCPT, said).Containing("refused"))
			m := f.message("p6", 500)
			c := f.dial()
			f.expect(c, 250, "MAIL FROM:<%s>", m.from)
			f.relayed(f.must(c, "RCPT TO:<refused@test.example>"), said)
			f.expect(c, 250, "RCPT TO:<%s>", m.to[0])
			f.relayed(f.must(c, "RCPT TO:<refused2@test.example>"), said)
			f.expect(c, 354, "DATA")
			if rep := f.finish(c, m.stuffed()); rep.code != 250 {
				t.Fatalf("final: %s", rep)
			}
			f.storedOnce(m)
			f.logs(m, "outcome", "delivered", "by", "connector")
			if n := f.heard("RCPT TO:<refused"); n != 2 || len(f.tried(m)) != 1 {
				t.Errorf("%d refused RCPTs heard in %d connectors, want 2 in one", n, len(f.tried(m)))
			}
		})
	}
}

func TestP6_OnlyRecipientRefused(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 4, opts{})
	f.hurt(f.c, faulty.Say(faulty.RCPT, "451 4.7.1 greylisted"))
	m := f.message("p6only", 500)
	c := f.dial()
	f.relayed(f.deliverOn(c, m), "451 4.7.1 greylisted")
	f.expect(c, 250, "RSET")
	f.logs(m, "outcome", "deferred", "by", "connector", "code", "451", "stage", "rcpt")
	if n := len(f.tried(m)); n != 1 {
		t.Errorf("%d connectors were asked, want one", n)
	}
}

// p7 has one connector lose a transaction between RCPT and 354, after two recipients were taken.
func p7(t *testing.T, fault faulty.Fault, others ...faulty.Fault) (*flock, *client, *message, *faulty.Server) {
	t.Helper()
	f := newFlock(t, 3, opts{})
	m := f.message("p7", 500)
	m.to = append(m.to, "second-"+m.to[0])
	c := f.dial()
	if err := c.envelope(m); err != nil {
		t.Fatal(err)
	}
	h := f.holder(m)
	h.Hurt(fault)
	f.hurt(f.others(h), others...)
	return f, c, m, h
}

func TestP7_EnvelopeMovesToTheNextCandidate(t *testing.T) {
	for name, fault := range map[string]faulty.Fault{
		"drop": faulty.At(faulty.DATA, faulty.Drop), "reset": faulty.At(faulty.DATA, faulty.Reset), "mute": faulty.At(faulty.DATA, faulty.Mute),
		"421": faulty.Say(faulty.DATA, "421 4.3.2 closing"), "451": faulty.Say(faulty.DATA, "451 4.3.0 later"),
		"P14 250": faulty.Say(faulty.DATA, "250 2.0.0 what"), "P27 endless": faulty.At(faulty.DATA, faulty.Endless),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, c, m, h := p7(t, fault)
			f.expect(c, 354, "DATA")
			if rep := f.finish(c, m.stuffed()); rep.code != 250 {
				t.Fatalf("final: %s", rep)
			}
			f.storedOnce(m)
			if _, at := f.stored(m); at == h || at.Messages()[0].To[1] != m.to[1] {
				t.Errorf("stored in %s for %v", at.Name(), at.Messages()[0].To)
			}
			f.leftBehind(f.logs(m, "outcome", "delivered", "by", "connector"), h)
		})
	}
}

func TestP7_LostAtALaterRecipient(t *testing.T) {
	for name, fault := range map[string]faulty.Fault{
		"drop": faulty.At(faulty.RCPT, faulty.Drop), "mute": faulty.At(faulty.RCPT, faulty.Mute),
		"421": faulty.Say(faulty.RCPT, "421 4.3.2 closing"), "P14 354": faulty.Say(faulty.RCPT, "354 what"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, c, m, h := p7(t, fault)
			f.expect(c, 250, "RCPT TO:<third-%s>", m.to[0])
			f.expect(c, 354, "DATA")
			if rep := f.finish(c, m.stuffed()); rep.code != 250 {
				t.Fatalf("final: %s", rep)
			}
			f.storedOnce(m)
			if _, at := f.stored(m); at == h || len(at.Messages()[0].To) != 3 {
				t.Errorf("stored in %s for %v", at.Name(), at.Messages()[0].To)
			}
		})
	}
}

func TestP7_NextCandidateRefusesAnAcceptedRecipient(t *testing.T) {
	t.Parallel()
	f, c, m, _ := p7(t, faulty.At(faulty.DATA, faulty.Drop), faulty.Say(faulty.RCPT, "550 5.1.1 not here").Containing("second-"))
	f.own(f.must(c, "DATA"), "451 4.4.2")
	f.logs(m, "outcome", "deferred", "by", "weir", "code", "451")
	if n := f.seen(); n != 0 {
		t.Errorf("%d ends of data", n)
	}
	f.expect(c, 250, "NOOP")
}

func TestP7_NoneLeftRelaysThe4xx(t *testing.T) {
	for _, x := range []struct{ said, want string }{{"451 4.3.0 later here", "451 4.3.0 later here"}, {"421 4.3.2 closing here", "451"}} {
		t.Run(x.said[:3], func(t *testing.T) {
			t.Parallel()
			f, c, m, _ := p7(t, faulty.Say(faulty.DATA, x.said), faulty.Say(faulty.DATA, x.said))
			got := f.must(c, "DATA")
			if f.notClosing(got); x.said[:3] != "421" {
				f.relayed(got, x.want)
			}
			f.logs(m, "outcome", "deferred", "code", "451", "stage", "data")
			f.expect(c, 250, "NOOP") // a connector's 421 never closes a sender's connection
		})
	}
}

func TestP7_DataRefusedForGoodIsRelayed(t *testing.T) {
	t.Parallel()
	f, c, m, _ := p7(t, faulty.Say(faulty.DATA, "554 5.7.1 no data today"))
	f.relayed(f.must(c, "DATA"), "554 5.7.1 no data today")
	f.logs(m, "outcome", "rejected", "by", "connector", "code", "554", "stage", "data")
	if n := len(f.tried(m)); n != 1 {
		t.Errorf("%d connectors were asked, want one", n)
	}
}
