package health

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/internal/backend"
)

// Whatever connectors, senders and operators do in whatever order: somebody is
// left, operators have their way, every verdict has its reason, and once all is
// well everybody is back.
func TestCourtOnRandomEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 5).Draw(t, "connectors")
		w := newWorld(rapid.Uint64().Draw(t, "seed"), size, rapid.SampledFrom([]float64{0.1, 2, 6}).Draw(t, "rate"))
		w.probes(rapid.SampledFrom([]Depth{DepthTCP, DepthEHLO, DepthEnvelope, DepthMessage}).Draw(t, "probe"))
		w.cfg.Ejection.MaxPercent = rapid.SampledFrom([]int{0, 34, 50, 100}).Draw(t, "max_percent")
		w.senderWait = rapid.SampledFrom([]time.Duration{4 * time.Second, 10 * time.Minute}).Draw(t, "sender")
		table := faults()
		some := rapid.Custom(func(t *rapid.T) *conn { return w.conns[rapid.IntRange(0, size-1).Draw(t, "connector")] })
		t.Repeat(map[string]func(*rapid.T){
			"fault": func(t *rapid.T) { w.hurt(some.Draw(t, "who"), rapid.SampledFrom(pointers(table)).Draw(t, "fault")) },
			"cure":  func(t *rapid.T) { w.cure(some.Draw(t, "who")) },
			"drain": func(t *rapid.T) { c := some.Draw(t, "who"); c.admin = !c.admin },
			"noise": func(t *rapid.T) {
				some.Draw(t, "who").change(rapid.SampledFrom(played[:]).Draw(t, "stage"), w.odds(0.3, rapid.SampledFrom([]int{0, 421, 451, 550}).Draw(t, "code")))
			},
			"time": func(t *rapid.T) { w.run(time.Duration(rapid.IntRange(1, 60).Draw(t, "s")) * time.Second) },
			"":     w.check,
		})
		w.endsWell(t)
	})
}

func pointers(table []fault) []*fault {
	out := make([]*fault, len(table))
	for i := range table {
		out[i] = &table[i]
	}
	return out
}

// check holds at all times.
func (w *world) check(t *rapid.T) {
	closed := 0
	for _, c := range w.conns {
		if c.fact.Breaker == backend.BreakerClosed {
			closed++
		}
		if known := c.fact.Health != backend.HealthUnknown; known && c.fact.Reason == "" {
			t.Fatalf("%s has no reason: %+v", c.name, c.fact)
		}
		if c.fact.Limit < 0 || c.fact.Share < 0 || c.fact.Share > 1 || c.capacity.alone < 0 || c.inFlight < 0 {
			t.Fatalf("%s: %+v", c.name, c.fact)
		}
		if p := c.pause(w.now); p < w.cfg.FastInterval || p > w.cfg.Interval {
			t.Fatalf("%s is probed after %v", c.name, p)
		}
	}
	if closed == 0 {
		t.Fatalf("all are ejected\n%s", w.history())
	}
}

// endsWell lets all be well and sees that everybody comes back.
func (w *world) endsWell(t *rapid.T) {
	for _, c := range w.conns {
		w.cure(c)
		c.admin = false
	}
	w.rate = func(time.Duration) float64 { return 2 }
	all := func() bool {
		for _, c := range w.conns {
			if !c.isFull() {
				return false
			}
		}
		return true
	}
	if w.until(30*time.Minute, all) < 0 {
		for _, c := range w.conns {
			t.Logf("%s: %+v", c.name, c.fact)
		}
		t.Fatalf("not all come back\n%s", w.history())
	}
	w.rate = func(time.Duration) float64 { return 0 }
	w.run(20 * time.Minute) // the longest wait at the final dot, and more
	for _, c := range w.conns {
		if n := c.ledger.underWay(); n != 0 || c.inFlight != 0 {
			t.Fatalf("%s: %d slots are lost, %d in flight", c.name, n, c.inFlight)
		}
	}
}
