package sim

import (
	"time"

	"weir/health"
	"weir/internal/backend"
)

// planProbe plans the next probe of a connector; one that was planned is void.
func (r *replica) planProbe(i int32, at int64) {
	p := &r.pairs[i]
	p.gen++
	r.w.queue.push(event{at: at, kind: probeBegins, arg: r.pairNumber(i), gen: p.gen})
}

func (r *replica) pairNumber(i int32) int32 { return r.place*int32(len(r.w.connectors)) + i }

// ofPair finds a pair by its number.
func (w *world) ofPair(number int32) (*replica, int32) {
	n := int32(len(w.connectors))
	return w.replicas[number/n], number % n
}

func (w *world) beginProbe(e *event) {
	r, i := w.ofPair(e.arg)
	p := &r.pairs[i]
	if p.gen != e.gen || w.sending == 0 {
		return
	}
	p.probing = true
	p.probe = w.ask(&w.connectors[i])
	w.queue.push(event{at: w.now + int64(p.probe.Took), kind: probeEnds, arg: e.arg})
}

func (w *world) endProbe(e *event) {
	r, i := w.ofPair(e.arg)
	p := &r.pairs[i]
	p.probing = false
	due := p.Probed(p.probe, w.time())
	r.look()
	r.planProbe(i, int64(due.Sub(time.Unix(epoch, 0))))
}

// hurry has the next probe come soon, where traffic has asked for that.
func (r *replica) hurry(i int32) {
	p := &r.pairs[i]
	if p.probing {
		return // it asks at the end of that one for the next
	}
	if due, ok := p.Hurried(); ok {
		r.planProbe(i, max(int64(due.Sub(time.Unix(epoch, 0))), r.w.now))
	}
}

// ask is how a probe that begins now ends.
func (w *world) ask(c *connector) health.Probe {
	if c.refusing || c.restarting {
		return health.Probe{Took: time.Millisecond, Failed: true, Stage: backend.StageConnect, Why: "connection refused"}
	}
	cfg := &w.sc.pool.health
	total := 0.0
	if c.latency.whole {
		total = c.latency.total.sample(w.rng)
	}
	var took time.Duration
	for stage := backend.StageConnect; stage <= deepest(cfg.Probe); stage = next(stage) {
		share := w.sc.parts[stage] * total
		if !c.latency.whole {
			share = c.latency.stages[stage].sample(w.rng)
		}
		took += time.Duration(share * c.factor)
		switch {
		case c.mute == stage, took > cfg.Timeout:
			return health.Probe{Took: cfg.Timeout, Failed: true, Stage: stage, Why: "no answer in time"}
		case c.share > 0 && c.deferring == stage && w.rng.Float64() < c.share:
			return health.Probe{Took: took, Failed: true, Stage: stage, Code: 451}
		}
	}
	return health.Probe{Took: took}
}

// deepest is the last stage that a probe passes.
func deepest(d health.Depth) backend.Stage {
	switch d {
	case health.DepthTCP:
		return backend.StageConnect
	case health.DepthBanner:
		return backend.StageBanner
	case health.DepthEHLO, health.DepthStartTLS:
		return backend.StageEHLO
	case health.DepthEnvelope:
		return backend.StageRcpt
	default:
		return backend.StageFinalDot
	}
}
