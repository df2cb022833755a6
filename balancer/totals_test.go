package balancer_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
)

// The totals of P15 stay inside the sender's own clock (RFC 5321 section
// 4.5.3.2), whatever the stages' deadlines would allow.

func TestRcptIsAnsweredInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		v.cfg.Pools[0].Timeouts[backend.StageMail] = 2 * time.Minute
		v.fakes["a"].mute, v.fakes["b"].mute, v.fakes["c"].mute = "banner", "MAIL", "RCPT"
		v.cfg.Pools[0].Timeouts[backend.StageBanner] = time.Minute
		v.start()
		s := v.sender()
		s.ask("", "220 *")
		s.ask("HELO client.test\r\n", "250 *")
		s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
		// A minute at a, two at b, and what is left of the total at c.
		if took := s.ask("RCPT TO:<to@mx.test>\r\n", "451 4.4.2 *"); took != 4*time.Minute+30*time.Second {
			t.Errorf("RCPT was answered after %v", took)
		}
	})
}

// A stage's deadline is for the answer (P15): how long the command took to go out, to
// a connector that reads when it likes, is not taken off it.
func TestAnswerHasItsWholeTime(t *testing.T) {
	for _, tardy := range []string{"EHLO", "MAIL", "RCPT"} { // so MAIL, RCPT, DATA
		t.Run("behind "+tardy, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVirtual(t)
				for _, f := range v.fakes {
					f.tardy, f.pause = tardy, 40*time.Second
				}
				for _, stage := range []backend.Stage{backend.StageMail, backend.StageRcpt, backend.StageData} {
					v.cfg.Pools[0].Timeouts[stage] = time.Minute
				}
				v.start()
				s := v.sender()
				s.envelope()
				s.ask("DATA\r\n", "354 *")
				s.ask("Subject: x\r\n\r\ntext\r\n.\r\n", "250 *")
				if tries := v.witness.transaction(t, 1).Tries; len(tries) > 0 {
					t.Errorf("it went by %v", tries)
				}
			})
		})
	}
}

// A failure that waits for what the next connector does (P14a) counts from when it is
// told: a circuit that opened in the past would be tried again at once.
func TestHeldFailureIsTellingNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		v.cfg.Pools[0].Timeouts[backend.StageMail] = time.Minute
		v.cfg.Pools[0].Timeouts[backend.StageRcpt] = time.Minute
		v.fakes["a"].mute, v.fakes["b"].mute = "RCPT", "MAIL"
		v.start()
		s := v.sender()
		s.ask("", "220 *")
		s.ask("HELO client.test\r\n", "250 *")
		s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
		s.ask("RCPT TO:<to@mx.test>\r\n", "250 *")
		s.ask("RSET\r\n", "250 *")
		if n := v.witness.verdicts("a", backend.Failure); n != 1 {
			t.Fatalf("a was blamed %d times", n)
		}
		v.witness.mu.Lock()
		defer v.witness.mu.Unlock()
		for _, o := range v.witness.outcomes {
			if !o.At.Equal(o.told) {
				t.Errorf("%s at %s is %v of %v ago", o.backend, o.stage, o.Verdict, o.told.Sub(o.At))
			}
		}
	})
}

func TestDataIsAnsweredInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		v.cfg.Pools[0].Timeouts[backend.StageData] = time.Minute
		v.fakes["a"].mute, v.fakes["b"].mute = "DATA", "MAIL"
		v.start()
		s := v.sender()
		s.envelope()
		if took := s.ask("DATA\r\n", "451 4.4.2 *"); took != time.Minute+50*time.Second {
			t.Errorf("DATA was answered after %v", took)
		}
		if n := v.witness.verdicts("c", backend.Failure); n != 0 {
			t.Errorf("c was blamed %d times for what it had no time to do", n)
		}
	})
}

func TestFinalDotIsAnsweredInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		v.fakes["a"].mute = "."
		v.start()
		s := v.sender()
		s.envelope()
		s.ask("DATA\r\n", "354 *")
		if took := s.ask("Subject: x\r\n\r\ntext\r\n.\r\n", "451 4.4.2 *"); took != 9*time.Minute+30*time.Second {
			t.Errorf("the end of data was answered after %v", took)
		}
	})
}

// The connectors read, but far too slowly: the body may not stall the sender for
// long, over all of them together.
func TestBodyStallsNotForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		v.fakes["a"].pause, v.fakes["b"].pause = time.Hour, time.Hour
		v.cfg.Pools[0].ReplayBuffer = 1 << 20
		v.cfg.Pools[0].Timeouts[backend.StageBody] = 2 * time.Minute
		v.start()
		s := v.sender()
		s.envelope()
		s.ask("DATA\r\n", "354 *")
		start := time.Now()
		if _, err := s.nc.Write([]byte(strings.Repeat(strings.Repeat("x", 62)+"\r\n", 4000))); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 2*time.Minute+30*time.Second {
			t.Errorf("the sender was stalled for %v", took)
		}
		s.ask(".\r\n", "451 4.4.2 *")
	})
}

// A terminator that is written too late would have its answer too late.
func TestNoTerminatorIsWrittenLate(t *testing.T) {
	for _, pause := range []time.Duration{5 * time.Second, 59 * time.Second, 61 * time.Second, time.Hour} {
		t.Run(pause.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { lateTerminator(t, pause) })
		})
	}
}

func lateTerminator(t *testing.T, pause time.Duration) {
	v := newVirtual(t)
	for _, f := range v.fakes {
		f.pause = pause
	}
	v.cfg.Pools[0].Timeouts[backend.StageBody] = 5 * time.Minute
	v.start()
	s := v.sender()
	s.envelope()
	s.ask("DATA\r\n", "354 *")
	start := time.Now() // a little before the end of data
	took := s.ask(strings.Repeat(strings.Repeat("x", 62)+"\r\n", 200)+".\r\n", "*")
	for name, f := range v.fakes {
		if dot := f.ended(); !dot.IsZero() && dot.Sub(start) > time.Minute {
			t.Errorf("%s had the terminator after %v", name, dot.Sub(start))
		}
	}
	if took > 2*time.Minute {
		t.Errorf("the sender was answered after %v", took)
	}
}

// A sender that takes no replies has one deadline, not one for each thing that
// weir would like to tell it.
func TestDeafSenderHasOneDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		v.cfg.Listeners[0].Timeouts.Command = time.Minute
		v.start()
		v.sender() // it does not even read the greeting
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(v.witness.sessions); n != 1 {
			t.Errorf("%d sessions have ended after a minute", n)
		}
	})
}
