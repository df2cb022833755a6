package balancer_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"weir/balancer"
)

// passing is a virtual balancer in tcp mode.
func newVirtualPassing(t *testing.T) *virtual {
	v := newVirtual(t)
	v.cfg.Listeners[0].Mode = balancer.ModeTCP
	v.cfg.Listeners[0].Timeouts.Command = 5 * time.Minute
	return v
}

// ends waits for the end of the connection and returns when that was.
func (s *talker) ends() time.Time {
	s.t.Helper()
	if got, err := io.ReadAll(s.in); err != nil || len(got) != 0 {
		s.t.Errorf("got %q, %v", got, err)
	}
	return time.Now()
}

// TestTCPModeIdle: a connection ends when nothing has moved, either way, for
// timeouts.command, and not before.
func TestTCPModeIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtualPassing(t)
		v.fakes["a"].mute = "QUIET"
		v.start()
		s := v.sender()
		s.ask("", "220 fake")
		for range 10 {
			time.Sleep(4*time.Minute + 59*time.Second)
			_, _ = io.WriteString(s.nc, "QUIET\r\n") // one way counts for both
		}
		last := time.Now()
		if took := s.ends().Sub(last); took != 5*time.Minute {
			t.Errorf("it ended after %v", took)
		}
		if rec, p := v.witness.passage(t, 1); rec.Reason != "timeout" || p.In != 70 {
			t.Errorf("recorded %+v: %+v", rec, p)
		}
	})
}

// TestTCPModeSessionAge: limits.session ends a connection however busy it is.
func TestTCPModeSessionAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtualPassing(t)
		v.cfg.Listeners[0].Limits.Session = 90 * time.Second
		v.start()
		began := time.Now()
		s := v.sender()
		s.ask("", "220 fake")
		for range 8 {
			time.Sleep(11 * time.Second)
			s.ask("NOOP\r\n", "250 fake")
		}
		if took := s.ends().Sub(began); took != 90*time.Second {
			t.Errorf("it ended after %v", took)
		}
		if rec, _ := v.witness.passage(t, 1); rec.Reason != "session limit" {
			t.Errorf("recorded %+v", rec)
		}
	})
}

// TestTCPModeDeadlines: P15, the search for a connector that greets ends within a
// sender's own five minutes.
func TestTCPModeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtualPassing(t)
		for _, f := range v.fakes {
			f.mute = "banner"
		}
		v.start()
		s := v.sender()
		if took := s.ask("", "421 4.3.2 No connector could be reached, *"); took != 4*time.Minute+30*time.Second {
			t.Errorf("it was told after %v", took)
		}
	})
}

// TestTCPModeConnectorCloses: a sender that does not notice that its connector has
// closed gets half a minute from then.
func TestTCPModeConnectorCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtualPassing(t)
		v.start()
		s := v.sender()
		s.ask("", "220 fake")
		s.ask("NOOP\r\n", "250 fake")
		time.Sleep(time.Minute)
		closed := time.Now()
		_, _ = io.WriteString(s.nc, "LEAVE\r\n")
		if took := s.ends().Sub(closed); took != 30*time.Second {
			t.Errorf("it ended after %v", took)
		}
		if rec, _ := v.witness.passage(t, 1); rec.Reason != "closed by the connector" {
			t.Errorf("recorded %+v", rec)
		}
	})
}
