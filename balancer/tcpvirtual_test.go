package balancer_test

import (
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
