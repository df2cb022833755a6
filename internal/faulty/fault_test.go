package faulty

import (
	"strings"
	"testing"
	"time"
)

func TestFaultsBeforeContent(t *testing.T) {
	reply := func(s *Server, c *raw) { c.expect("451 4.3.0 no") }
	mute := func(s *Server, c *raw) { c.silent(s, "(fault at") }
	gone := func(s *Server, c *raw) { c.gone() }
	say := []struct {
		stage Stage
		said  []string // before the fault; the last one is answered by it
		okays []string
	}{
		{Connect, nil, nil},
		{Banner, nil, nil},
		{EHLO, []string{"EHLO me"}, []string{"220"}},
		{MAIL, []string{"EHLO me", "MAIL FROM:<a@x>"}, []string{"220", "250"}},
		{RCPT, []string{"EHLO me", "MAIL FROM:<a@x>", "RCPT TO:<b@y>"}, []string{"220", "250", "250"}},
		{DATA, []string{"EHLO me", "MAIL FROM:<a@x>", "RCPT TO:<b@y>", "DATA"}, []string{"220", "250", "250", "250"}},
		{QUIT, []string{"EHLO me", "QUIT"}, []string{"220", "250"}},
	}
	do := []struct {
		name  string
		fault Fault
		then  func(*Server, *raw)
	}{
		{"reply", Fault{Reply: "451-4.3.0 no\n451 4.3.0 no"}, reply},
		{"late", Fault{Reply: "451 4.3.0 no", Delay: time.Millisecond}, reply},
		{"pieces", Fault{Reply: "451-4.3.0 no\n451 4.3.0 no", Pause: time.Millisecond}, reply},
		{"mute", Fault{Do: Mute}, mute},
		{"deaf", Fault{Do: StopReading}, mute},
		{"drop", Fault{Do: Drop}, gone},
		{"reset", Fault{Do: Reset}, gone},
	}
	for _, st := range say {
		for _, d := range do {
			t.Run(string(st.stage)+" "+d.name, func(t *testing.T) {
				s := start(t, Honest())
				f := d.fault
				f.Stage = st.stage
				s.Hurt(f)
				c := dial(t, s)
				if d.name == "reset" && c == nil {
					return // the connection was reset before dialling returned: just as well
				}
				for i, line := range st.said {
					c.expect(st.okays[i])
					c.send(line + "\r\n")
				}
				d.then(s, c)
			})
		}
	}
}

func TestWrongClasses(t *testing.T) {
	s := start(t, Honest())
	s.Hurt(Say(RCPT, "354 what").Limited(1), Say(DATA, "250 what").Limited(1), Say(EHLO, "502 5.5.1 no"))
	c := dial(t, s)
	c.expect("220")
	c.send("EHLO me\r\nHELO me\r\nMAIL FROM:<a@x>\r\n")
	c.expect("502", "250 c1", "250")
	c.send("RCPT TO:<b@y>\r\n")
	c.expect("354 what")
	c.send("RCPT TO:<b@y>\r\n")
	c.expect("250")
	c.send("DATA\r\n")
	c.expect("250 what")
	c.send("DATA\r\n")
	c.expect("354")
}

func Test421Closes(t *testing.T) {
	s := start(t, Honest())
	s.Hurt(Say(RCPT, "421 4.3.2 bye"))
	c := dial(t, s)
	c.hello()
	c.send("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\nmore\r\n")
	c.expect("250", "421 4.3.2 bye")
	c.gone()
}

func TestGarbageAndEndlessReplies(t *testing.T) {
	s := start(t, Honest())
	s.Hurt(At(EHLO, Garbage))
	c := dial(t, s)
	c.expect("220")
	c.send("EHLO me\r\n")
	c.expect("\x00\xff")
	s.Hurt(At(NOOP, Endless))
	c.send("NOOP\r\n")
	for range 1000 {
		if l, err := c.r.ReadString('\n'); err != nil || !strings.HasPrefix(l, "250-") {
			t.Fatalf("%q %v", l, err)
		}
	}
}

func TestFaultsInTheBody(t *testing.T) {
	s := start(t, Honest())
	for _, via := range []string{"DATA", "BDAT"} {
		c := begun(t, s, via)
		s.Hurt(InBody(10, Drop))
		c.send("1234567890")
		c.gone()
		s.Heal()

		c = begun(t, s, via)
		s.Hurt(EarlyReply(5, "552 5.3.4 too big"))
		c.send("12345")
		c.expect("552 5.3.4 too big")
		s.Heal()
		c.send("\r\n.\r\n" + strings.Repeat("x", 90))
		c.silent(s, "(end of data after an early reply)")

		s.Hurt(InBody(0, Mute))
		c = begun(t, s, via)
		c.send("12345\r\n.\r\n")
		c.silent(s, "(fault at body)")
		s.Heal()
	}
	if n := len(s.Messages()); n != 0 {
		t.Errorf("%d messages stored", n)
	}
}

// begun is a client that has just begun to send content; a chunk has 100 octets.
func begun(t *testing.T, s *Server, via string) *raw {
	t.Helper()
	c := dial(t, s)
	c.hello()
	if via == "DATA" {
		c.envelope()
		return c
	}
	c.send("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 100 LAST\r\n")
	c.expect("250", "250")
	return c
}

func TestEarlyAcceptanceStoresAPart(t *testing.T) {
	s := start(t, Honest())
	s.Hurt(EarlyReply(5, "250 2.0.0 fine"))
	c := begun(t, s, "DATA")
	c.send("12345")
	c.expect("250 2.0.0 fine")
	if m := s.Messages(); len(m) != 1 || !m[0].Partial {
		t.Fatalf("%+v", m)
	}
}

func TestFaultsAtTheEnd(t *testing.T) {
	for _, x := range []struct {
		fault  Fault
		expect string // "" is loss
		stored int
	}{
		{At(FinalDot, Drop), "", 0},
		{At(FinalDot, Reset), "", 0},
		{StoreThen(Drop), "", 1},
		{StoreThen(Mute), "", 1},
		{Say(FinalDot, "451 4.3.0 no"), "451", 0},
		{Say(FinalDot, "250 2.0.0 mine"), "250 2.0.0 mine", 1},
		{Fault{Stage: FinalDot, Reply: "451 4.3.0 no", Store: true}, "451", 1},
		{Fault{Stage: FinalDot, Delay: time.Millisecond}, "250", 1},
		{InBody(1, Drop), "", 0}, // body and terminator in one write: the body's fault is first
	} {
		s := start(t, Honest())
		c := begun(t, s, "DATA")
		s.Hurt(x.fault)
		c.send("hello\r\n.\r\n")
		if x.expect != "" {
			c.expect(x.expect)
		} else if x.fault.Do == Mute {
			c.await(func() bool { return len(s.Messages()) == 1 })
			s.DropConnections(false)
			c.gone()
		} else {
			c.gone()
		}
		if n := len(s.Messages()); n != x.stored {
			t.Errorf("%+v: %d stored", x.fault, n)
		}
	}
}

func TestLimitsOfFaults(t *testing.T) {
	s := start(t, Honest())
	s.Hurt(Say(MAIL, "451 4.0.0 reused").WhenReused().Limited(1), Say(FinalDot, "554 5.6.0 poison").Containing("POISON"),
		Say(RCPT, "550 5.1.1 no").Containing("bad@"))
	c := begun(t, s, "DATA")
	c.send("a\r\n.\r\n")
	c.expect("250")
	c.send("MAIL FROM:<a@x>\r\n")
	c.expect("451")
	c.envelope()
	c.send("POISON\r\n.\r\nMAIL FROM:<a@x>\r\nRCPT TO:<bad@y>\r\nRCPT TO:<good@y>\r\n")
	c.expect("554", "250", "550", "250")
}

func TestAnswersWithoutRecipients(t *testing.T) {
	s := start(t, Honest())
	s.Hurt(Say(RCPT, "550 5.1.1 no"), Say(DATA, "354 anyway"))
	c := dial(t, s)
	c.hello()
	c.send("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n")
	c.expect("250", "550", "354")
	c.send(".\r\n")
	c.expect("554 5.5.1")
	if s.Stats().Messages != 0 || s.Heard("(end of data after 3 octets)") != 1 {
		t.Errorf("%+v", s.Transcript())
	}
}

func TestBelieves(t *testing.T) {
	for name, form := range Forms() {
		t.Run(name, func(t *testing.T) {
			b := Honest()
			b.Believes = []string{form}
			if n := smuggled(t, b, form); n != 2 {
				t.Errorf("believer took %d messages", n)
			}
			if n := smuggled(t, Honest(), form); n != 1 {
				t.Errorf("strict server took %d messages", n)
			}
		})
	}
	b := Honest()
	b.StripNUL = true
	if n := smuggled(t, b, "\r\n\x00.\x00\r\n"); n != 2 {
		t.Errorf("NUL stripper took %d messages", n)
	}
}

// smuggled sends one message that is two to those who believe form, an octet a write, and counts.
func smuggled(t *testing.T, b Behaviour, form string) int {
	t.Helper()
	s := start(t, b)
	c := begun(t, s, "DATA")
	for _, o := range []byte("one" + form + "MAIL FROM:<evil@x>\r\nRCPT TO:<b@y>\r\nDATA\r\ntwo\r\n.\r\nQUIT\r\n") {
		c.send(string(o))
	}
	for {
		if _, err := c.r.ReadByte(); err != nil {
			return len(s.Messages())
		}
	}
}

func TestScannersAgree(t *testing.T) {
	const stream = "..\r\n.a\r.\r\n\n.\n\r\r\n.\r\r\nx\r\n..\r\n.\r\nrest"
	strict, end, _ := (&strictScanner{state: atLine}).scan(nil, []byte(stream))
	slow, slowEnd, _ := newScanner(arm(Behaviour{StripNUL: true})).scan(nil, []byte(stream))
	if string(strict) != string(slow) || end != slowEnd || stream[end:] != "rest" {
		t.Errorf("%q (%d) and %q (%d)", strict, end, slow, slowEnd)
	}
}
