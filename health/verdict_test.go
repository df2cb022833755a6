package health

import (
	"errors"
	"strings"
	"testing"
	"time"

	"weir/internal/backend"
)

// A connector that relapses is out for twice as long each time, up to open_max;
// one that has been well for a while begins anew.
func TestOpenTimeDoubles(t *testing.T) {
	w := newWorld(4, 4, 40)
	w.cfg.Breaker.OpenMax = 40 * time.Second
	c := w.conns[0]
	w.run(10 * time.Second)
	w.hurt(c, &fault{backend.StageFinalDot, reply{code: 451}})
	for i, want := range []time.Duration{5, 10, 20, 40, 40} {
		if w.until(2*time.Minute, c.isOut) < 0 {
			t.Fatalf("not out\n%s", w.history())
		}
		if got := c.circuit.openFor; got != want*time.Second {
			t.Errorf("time %d lasts %v, want %v", i+1, got, want*time.Second)
		}
		if w.until(time.Hour, func() bool { return !c.isOut() }) < 0 {
			t.Fatalf("no trial\n%s", w.history())
		}
		if c.fact.Breaker != backend.BreakerHalfOpen || !c.fact.Recovering || c.fact.Limit != 1 {
			t.Fatalf("a shallow probe closed it: %+v", c.fact)
		}
	}
	w.cure(c)
	if w.until(3*time.Minute, c.isFull) < 0 {
		t.Fatalf("not back\n%s", w.history())
	}
	w.run(5 * time.Minute)
	w.hurt(c, &fault{backend.StageFinalDot, reply{code: 451}})
	if w.until(time.Minute, c.isOut) < 0 || c.circuit.openFor != 5*time.Second {
		t.Errorf("after five good minutes it is out for %v", c.circuit.openFor)
	}
}

// A probe as deep as the failure closes the circuit without any mail.
func TestDeepProbeClosesTheCircuit(t *testing.T) {
	w := newWorld(5, 4, 40)
	w.probes(DepthMessage)
	c := w.conns[0]
	w.run(10 * time.Second)
	w.hurt(c, &fault{backend.StageFinalDot, reply{code: 451}})
	w.until(time.Minute, c.isOut)
	w.run(20 * time.Second)
	seen := w.deferred
	if w.run(time.Minute); w.deferred != seen {
		t.Errorf("%d senders were the trial", w.deferred-seen)
	}
	w.cure(c)
	w.rate = func(time.Duration) float64 { return 0 }
	if w.until(10*time.Minute, c.isFull) < 0 {
		t.Errorf("not back without mail\n%s", w.history())
	}
}

// After a return the share grows from a tenth to all.
func TestSlowStart(t *testing.T) {
	w := newWorld(6, 4, 100)
	c := w.conns[0]
	w.run(10 * time.Second)
	w.hurt(c, &fault{backend.StageMail, reply{}})
	w.until(time.Minute, c.isOut)
	w.cure(c)
	w.until(5*time.Minute, func() bool { return c.fact.Breaker == backend.BreakerClosed && c.fact.Health == backend.HealthUp })
	var shares []float64
	for range 7 {
		shares = append(shares, c.fact.Share)
		w.run(5 * time.Second)
	}
	wantAll(t, "the share every 5 s", shares, []float64{0.1, 0.1, 0.3, 0.5, 0.6, 0.8, 0})
}

// One that takes three times as long gets a smaller share, and stays.
func TestSlownessLowersTheShare(t *testing.T) {
	w := newWorld(7, 4, 40)
	w.one(backend.StageFinalDot, func(r reply) reply {
		r.after *= 4
		return r
	})
	w.run(5 * time.Minute)
	for i, c := range w.conns {
		switch {
		case i == 0 && (c.fact.Share < 0.15 || c.fact.Share > 0.45):
			t.Errorf("the slow one's share is %v", c.fact.Share)
		case i == 0 && !strings.HasPrefix(c.fact.Reason, "slower than the others: gets"):
			t.Errorf("its reason: %s", c.fact.Reason)
		case i > 0 && !c.isFull():
			t.Errorf("%s: %+v", c.name, c.fact)
		}
	}
	want(t, "ejections", w.ejections, 0)
	w.cure(w.conns[0])
	if w.until(5*time.Minute, w.conns[0].isFull) < 0 {
		t.Errorf("its share stays: %+v", w.conns[0].fact)
	}
}

// Where all are slow, moving on is of no use and ends.
func TestFutileMovesEnd(t *testing.T) {
	w := newWorld(8, 4, 5)
	w.run(time.Minute)
	w.all(backend.StageRcpt, func(reply) reply { return ok(15 * time.Second) })
	if w.until(time.Minute, func() bool { return w.jury.moves.futile(w.now) }) < 0 {
		t.Error("moves go on")
	}
	w.run(5 * time.Minute)
	want(t, "ejections", w.ejections, 0)
}

// A connector with room for three at a time, which says so in one of three ways.
func TestLackOfRoom(t *testing.T) {
	ways := []struct {
		name  string
		stage backend.Stage
		reply reply
	}{
		{"421 at the banner", backend.StageBanner, reply{code: 421, after: time.Millisecond}},
		{"452 4.3.1", backend.StageMail, reply{code: 452, full: true, after: time.Millisecond}},
		{"no banner", backend.StageBanner, reply{}},
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			w := newWorld(9, 4, 40)
			w.senderWait = time.Hour
			w.all(backend.StageFinalDot, func(reply) reply { return ok(time.Duration((0.3 + w.rng.Float64()/2) * float64(time.Second))) })
			c, limited := w.conns[0], false
			before := c.reply
			const room = 3
			c.reply = func(stage backend.Stage, probe bool) reply {
				if !probe && stage == way.stage && c.inFlight > room {
					if way.reply.code == 0 { // it waits for its turn
						return ok(time.Duration(c.inFlight-room) * 180 * time.Millisecond)
					}
					return way.reply
				}
				return before(stage, probe)
			}
			for range 600 {
				w.run(time.Second)
				limited = limited || c.fact.Limit > 0
			}
			if !limited || w.ejections > 0 {
				t.Errorf("limited: %t; %d ejections\n%s", limited, w.ejections, w.history())
			}
			c.reply = before
			if w.until(2*time.Minute, c.isFull) < 0 {
				t.Errorf("the limit stays: %+v", c.fact)
			}
		})
	}
}

// A connector that has no room even for one at a time is out in the end, at any rate.
func TestLackOfRoomThatLasts(t *testing.T) {
	for rate, limit := range map[float64]time.Duration{100: 15 * time.Second, 1. / 60: 40 * time.Minute} {
		w := newWorld(10, 4, rate)
		w.run(10 * time.Minute)
		c := w.conns[0]
		w.one(backend.StageFinalDot, func(r reply) reply { return reply{code: 452, full: true, after: r.after} })
		if w.until(limit, c.isOut) < 0 {
			t.Errorf("%g a second: still in after %s: %+v\n%s", rate, limit, c.fact, w.history())
		}
		w.cure(c)
		if w.until(time.Hour, c.isFull) < 0 {
			t.Errorf("%g a second: not back: %+v\n%s", rate, c.fact, w.history())
		}
	}
}

// At most half of them go, whatever they do, and those kept say why; only
// connectors that refuse connections may be more, and the last one stays.
func TestCaps(t *testing.T) {
	tests := []struct {
		name       string
		fault      fault
		hurt, want int
	}{
		{"two of four", fault{backend.StageFinalDot, reply{}}, 2, 2},
		{"three of four", fault{backend.StageFinalDot, reply{}}, 3, 2},
		{"all four", fault{backend.StageFinalDot, reply{}}, 4, 2},
		{"three of four refuse", fault{backend.StageConnect, reply{refused: true}}, 3, 3},
		{"all four refuse", fault{backend.StageConnect, reply{refused: true}}, 4, 3},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(11, 4, 40)
			w.run(10 * time.Second)
			for _, c := range w.conns[:tc.hurt] {
				w.hurt(c, &tc.fault)
			}
			w.run(1500 * time.Millisecond) // the probes are not that fast
			out, kept := 0, 0
			for _, c := range w.conns {
				if c.fact.Breaker != backend.BreakerClosed {
					out++
				}
				if strings.Contains(c.fact.Reason, "; kept, because ") {
					kept++
				}
			}
			want(t, "out", out, tc.want)
			want(t, "kept", kept, tc.hurt-tc.want)
			for _, c := range w.conns {
				w.cure(c)
			}
			w.run(10 * time.Minute)
			for _, c := range w.conns {
				if !c.isFull() || strings.Contains(c.fact.Reason, "kept") {
					t.Errorf("%s is not back: %+v", c.name, c.fact)
				}
			}
		})
	}
}

// max_percent 0 leaves refused connections only.
func TestNobodyMayGo(t *testing.T) {
	w := newWorld(12, 4, 40)
	w.cfg.Ejection.MaxPercent = 0
	w.run(10 * time.Second)
	w.hurt(w.conns[0], &fault{backend.StageFinalDot, reply{}})
	w.run(time.Minute)
	want(t, "ejections", w.ejections, 0)
}

// A pool of one has nobody to compare with, and nobody to move to.
func TestPoolOfOne(t *testing.T) {
	for _, f := range faults() {
		w := newWorld(13, 1, 5)
		w.run(10 * time.Second)
		w.hurt(w.conns[0], &f)
		w.run(2 * time.Minute)
		want(t, f.String()+": ejections", w.ejections, 0)
		w.cure(w.conns[0])
		if w.until(15*time.Minute, w.conns[0].isFull) < 0 {
			t.Errorf("%s: not back: %+v", &f, w.conns[0].fact)
		}
	}
}

// Two that go silent at once are no excuse for each other.
func TestTwoOfFourGoSilent(t *testing.T) {
	for _, f := range []fault{{backend.StageMail, reply{silent: true}}, {backend.StageFinalDot, reply{silent: true}}} {
		w := newWorld(18, 4, 40)
		w.run(time.Minute)
		w.hurt(w.conns[0], &f)
		w.hurt(w.conns[1], &f)
		both := func() bool { return w.conns[0].isOut() && w.conns[1].isOut() }
		if w.until(w.cfg.Breaker.StuckAfter[f.stage]+5*time.Second, both) < 0 {
			t.Errorf("%s: not both ejected\n%s", &f, w.history())
		}
	}
}

// One message that hangs for ever neither hides a connector that has gone silent
// nor makes it look so.
func TestOneMessageThatHangs(t *testing.T) {
	w := newWorld(14, 4, 40)
	w.run(10 * time.Second)
	c, hung := w.conns[0], 0
	w.one(backend.StageFinalDot, func(r reply) reply {
		if hung++; hung <= 2 {
			return reply{silent: true}
		}
		return r
	})
	w.run(5 * time.Minute)
	want(t, "ejections", w.ejections, 0)
	w.hurt(c, &fault{backend.StageFinalDot, reply{silent: true}})
	if w.until(61*time.Second, c.isOut) < 0 {
		t.Errorf("not ejected: %+v", c.fact)
	}
}

// A connector that dies at one of two messages is found by the ratio, though no
// five attempts fail in a row, and though all other stages pass.
func TestRatioByStage(t *testing.T) {
	w := newWorld(15, 4, 40)
	w.run(10 * time.Second)
	n := 0
	w.one(backend.StageFinalDot, func(r reply) reply {
		if n++; n%3 != 0 {
			return reply{}
		}
		return r
	})
	if w.until(time.Minute, w.conns[0].isOut) < 0 {
		t.Errorf("not ejected: %+v", w.conns[0].fact)
	}
	if r := w.conns[0].fact.Reason; !strings.Contains(r, "attempts at final_dot failed within 30s") {
		t.Errorf("the reason: %s", r)
	}
}

// Two thirds of 451 among good answers are found too.
func TestDeferralsAmongOthers(t *testing.T) {
	w := newWorld(16, 4, 40)
	w.all(backend.StageRcpt, w.odds(0.02, 451))
	w.run(5 * time.Minute)
	w.one(backend.StageRcpt, w.odds(0.66, 451))
	if took := w.until(time.Minute, w.conns[0].isOut); took < 0 || took > 10*time.Second {
		t.Errorf("ejected after %s: %+v", took, w.conns[0].fact)
	}
}

// While everybody greylists, a trial still comes to its end.
func TestTrialWhileAllGreylist(t *testing.T) {
	w := newWorld(17, 4, 20)
	w.run(time.Minute)
	c := w.conns[0]
	w.hurt(c, &fault{backend.StageData, reply{}})
	w.until(time.Minute, c.isOut)
	w.cure(c)
	w.all(backend.StageRcpt, w.odds(0.6, 451))
	if w.until(3*time.Minute, c.isFull) < 0 {
		t.Errorf("not back: %+v\n%s", c.fact, w.history())
	}
}

// A connector that comes and goes with its probes needs more good ones each time.
func TestFlapsAreDamped(t *testing.T) {
	m := newMachine(machineConfig())
	now := time.Unix(0, 0)
	m.probed(now, nil)
	for i, want := range []int{2, 4, 8, 16, 16, 2} {
		if i == 5 {
			now = now.Add(flapTime)
		}
		for m.verdict == backend.HealthUp {
			now = now.Add(time.Second)
			m.probed(now, errors.New("banner: 554 go away"))
		}
		n := 0
		for ; m.verdict != backend.HealthUp; n++ {
			now = now.Add(time.Second)
			m.probed(now, nil)
		}
		if n != want {
			t.Errorf("time %d: %d probes, want %d", i+1, n, want)
		}
	}
}
