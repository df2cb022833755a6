package health

import (
	"errors"
	"fmt"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/events"
)

// The words for whether the probe of a pool is believed, as an event's "to".
const (
	probeTrusted = "trusted"
	probeSuspect = "suspect"
)

// review reads each probe of a pool in the light of those of the other
// connectors: what only one refuses is its fault (P18), and what many begin to
// refuse at once is the probe's. It is pure.
type review struct {
	suspicion  suspicion
	recipients recipients
	said       [backend.Stages]bool // that the probe is suspect there
}

func newReview(interval time.Duration) *review {
	return &review{suspicion: suspicion{interval: interval}}
}

// finding is what a probe says of its connector after the review.
type finding struct {
	err error // nil: it counts as passed
	// reached is the deepest stage that was passed, when it counts as passed: of
	// a probe that is suspect no more is believed than its EHLO.
	reached backend.Stage
	note    string // why a failed probe counts as passed; else empty
	events  []events.Event
}

// judge takes in a probe, in a pool of that many connectors.
func (r *review) judge(now time.Time, id backend.ID, pool int, report *Report, err error) finding {
	r.recipients.told(id.Name, report.Rcpt.Code)
	if err == nil && r.recipients.refusedAlone(id.Name) {
		err = fmt.Errorf("%w; the other connectors accept this recipient (an empty recipient map?)",
			&connector.Error{Stage: backend.StageRcpt, Reply: report.Rcpt})
	}
	var failure *connector.Error
	failed := errors.As(err, &failure)
	switch {
	case err == nil:
		r.passed(now, id.Name, report.Depth.stage()+1)
	case !failed || failure.Stage < backend.StageMail:
		r.suspicion.forget(id.Name) // it is judged by what is no deep stage
	default:
		r.passed(now, id.Name, failure.Stage)
		r.suspicion.told(now, id.Name, failure.Stage, true)
	}
	found := finding{err: err, reached: report.Depth.stage()}
	for stage := backend.StageMail; stage < backend.Stages; stage++ {
		suspect := r.suspicion.suspect(now, stage, pool)
		if suspect != r.said[stage] {
			r.said[stage] = suspect
			found.events = append(found.events, r.event(id.Pool, stage, suspect, err))
		}
		if suspect && failed && failure.Stage == stage {
			found.err, found.reached = nil, backend.StageEHLO
			found.note = fmt.Sprintf("the probe is suspect at %s, so EHLO decides; it said: %v", stage, err)
		}
	}
	return found
}

// passed tells that a probe has passed the deep stages before one.
func (r *review) passed(now time.Time, name string, before backend.Stage) {
	for stage := backend.StageMail; stage < before; stage++ {
		r.suspicion.told(now, name, stage, false)
	}
}

// forget drops a connector that is no longer a member.
func (r *review) forget(name string) {
	r.suspicion.forget(name)
	r.recipients.told(name, 0)
}

func (r *review) event(pool string, stage backend.Stage, suspect bool, err error) events.Event {
	e := events.Event{Kind: "probe", Pool: pool, From: probeSuspect, To: probeTrusted, By: byPeers}
	e.Why = fmt.Sprintf("no longer do over a third of the connectors fail at %s: the whole probe decides again", stage)
	if suspect {
		e.From, e.To = probeTrusted, probeSuspect
		e.Why = fmt.Sprintf("over a third of the connectors began to fail at %s at the same time, so the probe is doubted: "+
			"EHLO decides until they pass; check probe_from and probe_to; the last one said: %v", stage, err)
	}
	return e
}
