package balancer_test

import (
	"testing"
	"time"

	"weir/internal/backend"
)

// TestP18FullClosesOlderConnections: once a connector has no room, connections
// from before are not kept, idle or not; ones that were greeted since are.
func TestP18FullClosesOlderConnections(t *testing.T) {
	b := newBench(t, "a")
	b.start(0)
	s := b.dial().hello()
	s.message("Subject: one\r\n\r\ntext\r\n")
	waitFor(t, "the connection to be kept", func() bool { return b.member("a").Traffic.Idle.Load() == 1 })
	b.registry.SetHealth(b.member("a"), backend.HealthFact{
		Health: backend.HealthUp, Limit: 2, FullAt: time.Now(), Capabilities: b.caps["a"],
	})
	waitFor(t, "the older connection to be closed", func() bool { return b.connectors["a"].Stats().Open == 0 })
	for range 3 {
		s.message("Subject: two\r\n\r\ntext\r\n")
	}
	if n := b.connectors["a"].Stats().Connections; n != 2 {
		t.Errorf("%d connections in all, want the older one and one that was used three times", n)
	}
	_ = s.nc.Close()
}
