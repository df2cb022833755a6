package health

import (
	"fmt"
	"math"
	"testing"
	"time"

	"weir/internal/backend"
)

// fault is what one connector does to mail, at one stage.
type fault struct {
	stage backend.Stage
	reply reply
}

func (f *fault) String() string {
	switch {
	case f.reply.refused:
		return "refuses"
	case f.reply.silent:
		return "mute at " + f.stage.String()
	case f.reply.code == 0:
		return "drops at " + f.stage.String()
	}
	return fmt.Sprintf("%d at %s", f.reply.code, f.stage)
}

// faults is the table of faults that a balancer is measured by.
func faults() []fault {
	out := []fault{
		{backend.StageConnect, reply{refused: true}},
		{backend.StageBanner, reply{}},
		{backend.StageBanner, reply{code: 421}},
		{backend.StageBody, reply{}},
		{backend.StageFinalDot, reply{}},
		{backend.StageFinalDot, reply{code: 451}},
		{backend.StageBanner, reply{silent: true}},
		{backend.StageEHLO, reply{silent: true}},
		{backend.StageFinalDot, reply{silent: true}},
	}
	for _, stage := range []backend.Stage{backend.StageMail, backend.StageRcpt, backend.StageData} {
		out = append(out, fault{stage, reply{silent: true}}, fault{stage, reply{code: 421}},
			fault{stage, reply{code: 451}}, fault{stage, reply{}})
	}
	return out
}

// hurt has a connector do as the fault says.
func (w *world) hurt(c *conn, f *fault) {
	c.reply = func(stage backend.Stage, _ bool) reply {
		if stage == f.stage {
			return f.reply
		}
		return ok(w.usual(stage))
	}
}

func (w *world) cure(c *conn) {
	c.reply = func(stage backend.Stage, _ bool) reply { return ok(w.usual(stage)) }
}

// until runs the world in steps until something holds, and returns after how
// long, or -1 when it did not within the limit.
func (w *world) until(limit time.Duration, holds func() bool) time.Duration {
	began := w.now
	for !holds() {
		if w.now.Sub(began) >= limit {
			return -1
		}
		w.run(50 * time.Millisecond)
	}
	return w.now.Sub(began)
}

func (c *conn) isOut() bool {
	return c.fact.Breaker == backend.BreakerOpen || c.fact.Health == backend.HealthDown
}

// outWithin is how soon a connector must be out when it gets 62 messages a second.
func (f *fault) outWithin(cfg *Config) time.Duration {
	switch {
	case f.reply.silent:
		return cfg.Breaker.StuckAfter[f.stage] + 500*time.Millisecond
	case f.reply.code == 421:
		return 8 * time.Second // as long as it might be a lack of room
	}
	return time.Second
}

func TestEveryFaultIsFound(t *testing.T) {
	for _, size := range []int{4, 3, 2} {
		if testing.Short() && size < 4 {
			break
		}
		for _, f := range faults() {
			t.Run(fmt.Sprintf("%d/%s", size, &f), func(t *testing.T) {
				t.Parallel()
				w := newWorld(1, size, 62*float64(size))
				w.run(15 * time.Second)
				c := w.conns[0]
				w.hurt(c, &f)
				out := w.until(f.outWithin(&w.cfg), c.isOut)
				if out < 0 {
					t.Fatalf("not ejected\n%s", w.history())
				}
				w.rate = func(time.Duration) float64 { return 10 }
				w.run(time.Minute)
				w.wantFewSeen(t, &f)
				w.cure(c)
				back := w.until(10*time.Minute, c.isFull)
				if back < 0 {
					t.Fatalf("not back: %s\n%s", c.fact.Reason, w.history())
				}
				t.Logf("out after %s, deferred %d, failed %d, all of its share after %s: %s", out, w.deferred, w.failed, back, w.log[size])
			})
		}
	}
}

// wantFewSeen checks what senders have seen of a fault: nothing, where the
// message could be moved.
func (w *world) wantFewSeen(t *testing.T, f *fault) {
	t.Helper()
	most := 0
	switch {
	case f.stage == backend.StageFinalDot && f.reply.code == 451, f.stage == backend.StageFinalDot && f.reply.code == 0:
		most = 20
	case f.stage == backend.StageRcpt && f.reply.code == 451:
		most = 30
	}
	if seen := w.deferred + w.failed + w.nobody; !f.reply.silent && seen > most {
		t.Errorf("senders saw %d deferrals, %d failures, %d without a connector; want %d at most", w.deferred, w.failed, w.nobody, most)
	}
}

// Where there is a message a minute for the whole pool, what probes do not see
// takes longer, but not for ever.
func TestEveryFaultIsFoundAtAMessageAMinute(t *testing.T) {
	for _, f := range faults() {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(2, 4, 1./60)
			w.run(2 * time.Hour)
			c := w.conns[0]
			w.hurt(c, &f)
			out := w.until(time.Hour, c.isOut)
			if out < 0 {
				t.Fatalf("not ejected\n%s", w.history())
			}
			w.run(10 * time.Minute)
			w.cure(c)
			back := w.until(time.Hour, c.isFull)
			if back < 0 {
				t.Fatalf("not back: %s\n%s", c.fact.Reason, w.history())
			}
			t.Logf("out after %s, all of its share after %s: %s", out, back, w.log[4])
		})
	}
}

// strain is what a pool that is in order may have to bear.
type strain struct {
	name string
	set  func(w *world)
}

// words are answers that sound like trouble and are none.
func words() []strain {
	return []strain{
		{"nothing", func(*world) {}},
		{"greylisting of a few", func(w *world) { w.all(backend.StageRcpt, w.odds(0.05, 451)) }},
		{"greylisting of some", func(w *world) { w.all(backend.StageRcpt, w.odds(0.1, 451)) }},
		{"greylisting of many", func(w *world) { w.all(backend.StageRcpt, w.odds(0.4, 451)) }},
		{"greylisting of nearly all", func(w *world) { w.all(backend.StageRcpt, w.odds(0.9, 451)) }},
		{"greylisting in bursts", func(w *world) {
			w.all(backend.StageRcpt, func(r reply) reply {
				if w.now.Sub(w.start)%(10*time.Minute) < 20*time.Second {
					return w.odds(0.8, 451)(r)
				}
				return w.odds(0.005, 451)(r)
			})
		}},
		{"5xx in bursts", func(w *world) {
			w.all(backend.StageFinalDot, func(r reply) reply {
				if w.now.Sub(w.start)%(5*time.Minute) < time.Minute {
					return w.odds(0.9, 554)(r)
				}
				return r
			})
		}},
		{"a dictionary attack", func(w *world) { w.all(backend.StageRcpt, w.odds(0.98, 550)) }},
		{"a poison message", func(w *world) {
			w.all(backend.StageFinalDot, func(r reply) reply {
				r.neutral = w.rng.Float64() < 0.2
				return r
			})
		}},
	}
}

// slowness is what takes long and is no trouble.
func slowness() []strain {
	return []strain{
		{"one three times slower", func(w *world) {
			for stage := range backend.Stages {
				w.one(stage, func(r reply) reply {
					r.after *= 3
					return r
				})
			}
		}},
		{"slow DNS behind all", func(w *world) {
			w.all(backend.StageRcpt, func(r reply) reply {
				if since := w.now.Sub(w.start); since > 20*time.Minute && since < 40*time.Minute {
					r.after = time.Duration((10 + 15*w.rng.Float64()) * float64(time.Second))
				}
				return r
			})
		}},
		{"a content filter that takes five minutes", func(w *world) {
			w.all(backend.StageFinalDot, func(reply) reply { return ok(time.Duration((4 + w.rng.Float64()) * float64(time.Minute))) })
		}},
		{"a content filter that hangs for five minutes now and then", func(w *world) {
			w.all(backend.StageFinalDot, func(r reply) reply {
				if w.now.Sub(w.start)%(20*time.Minute) > 15*time.Minute {
					return ok(5 * time.Minute)
				}
				return r
			})
		}},
		{"senders that leave a slow content filter", func(w *world) {
			w.senderWait = 2 * time.Minute
			w.all(backend.StageFinalDot, func(reply) reply { return ok(5 * time.Minute) })
		}},
		{"some big messages", func(w *world) {
			w.all(backend.StageFinalDot, func(r reply) reply {
				if w.rng.Float64() < 0.05 {
					r.after = time.Duration(w.rng.ExpFloat64() * float64(10*time.Second))
				}
				return r
			})
		}},
		{"a blip", func(w *world) { w.all(backend.StageData, w.odds(0.003, 0)) }},
	}
}

// An hour of whatever happens to a pool that is in order.
func TestNoFalseAlarms(t *testing.T) {
	for _, tc := range append(words(), slowness()...) {
		for _, rate := range []float64{1. / 60, 4} {
			for _, size := range []int{2, 4} {
				t.Run(fmt.Sprintf("%s/%g a second/%d", tc.name, rate, size), func(t *testing.T) {
					t.Parallel()
					w := newWorld(3, size, rate)
					w.rate = func(since time.Duration) float64 { // by night and day, with rushes
						wave := 1 + 0.9*math.Sin(since.Minutes()/5)
						if since%(7*time.Minute) < 10*time.Second {
							wave *= 5
						}
						return rate * wave
					}
					w.sitting = time.Second
					tc.set(w)
					w.run(time.Hour)
					if w.ejections > 0 || w.kept > 0 {
						t.Errorf("%d ejections, kept %d times\n%s", w.ejections, w.kept, w.history())
					}
					if w.nobody > w.sent/1000 {
						t.Errorf("%d messages found no connector", w.nobody)
					}
				})
			}
		}
	}
}

// all changes what all connectors do at a stage; one only the first one's.
func (w *world) all(stage backend.Stage, change func(reply) reply) {
	for _, c := range w.conns {
		c.change(stage, change)
	}
}

func (w *world) one(stage backend.Stage, change func(reply) reply) { w.conns[0].change(stage, change) }

func (c *conn) change(stage backend.Stage, change func(reply) reply) {
	before := c.reply
	c.reply = func(at backend.Stage, probe bool) reply {
		r := before(at, probe)
		if at == stage && !probe {
			r = change(r)
		}
		return r
	}
}

// odds makes a share of the replies have that code.
func (w *world) odds(share float64, code int) func(reply) reply {
	return func(r reply) reply {
		if w.rng.Float64() < share {
			r.code = code
		}
		return r
	}
}
