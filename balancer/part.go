package balancer

import (
	"time"

	"weir/internal/backend"
)

// part is how a connector did in the part of a transaction that it had, from its
// first stage to its last: what policies learn of it.
type part struct {
	// For the connector, from MAIL on and without the body, whose length is the
	// message's. A connection is opened now and then, and most often to who gets
	// little mail: what that takes counts only where it failed, or a connector that
	// is slow to greet would starve.
	waited time.Duration
	failed bool // lost, silent, or putting off
	void   bool // an operator ended it
}

// took notes how long a stage took.
func (t *transaction) took(b *backend.Backend, stage backend.Stage, d time.Duration) {
	t.rec.Stages[stage] += d
	b.Traffic.Stages[stage].Observe(d)
	if stage >= backend.StageMail && stage != backend.StageBody {
		t.waited(d)
	}
}

// waited notes time that belongs to no stage that was passed, too.
func (t *transaction) waited(d time.Duration) { t.part.waited += d }

// blame notes what a fault means for the part. One that was cut short says
// nothing against the connector, but its silence was real.
func (t *transaction) blame(f *fault) {
	switch f.verdict() {
	case backend.Failure, backend.Deferral, backend.Waited:
		t.part.failed = true
	default:
		t.part.failed = t.part.failed || f.silent
	}
	t.part.void = t.part.void || f.ordered || f.ours
}

// endPart tells how the connector did, when its part is over.
func (t *transaction) endPart(b *backend.Backend) {
	p := t.part
	t.part = part{}
	if p.void || p.waited == 0 || t.s.srv.base.Err() != nil {
		return
	}
	b.Traffic.Latency.Observe(p.waited, p.failed, t.now)
}
