package sim

import (
	"slices"
	"time"

	"weir/internal/backend"
	"weir/policies"
)

// txn is a transaction under way.
type txn struct {
	arrived int64
	cursor  policies.Cursor
	req     policies.Request
	replica *replica
	gen     uint32 // of what it waits for; events of an older one are void
	asked   [maxCandidates]int32
	tried   int
	chosen  bool // the cursor stands in an order
	busy    bool // a candidate of that order had no place
	tiers   policies.Tiers
	queued  bool // it waits for a place

	conn    int32 // of the attempt; -1: none
	ticket  backend.Ticket
	began   int64   // when the stage did
	until   int64   // when it is given up
	total   float64 // of this attempt, where the latency is one
	waited  time.Duration
	place   bool // it has one of the connector's places
	refused bool // the connection is going to be refused

	patience  patience
	unsettled unsettled
	suspect   bool
	bodies    int // connectors lost over the content
}

// patience is a transaction's one move away from a silent connector (P16).
type patience struct {
	ended bool
	stage backend.Stage
	after time.Duration
}

// unsettled is a failure that is not told yet (P14a).
type unsettled struct {
	ticket  backend.Ticket
	outcome backend.Outcome
	conn    int32
	is      bool
}

// maxCandidates is how many connectors a transaction asks, as the relay does.
const maxCandidates = 3

func (w *world) newTxn() int32 {
	w.live++
	if n := len(w.free); n > 0 {
		i := w.free[n-1]
		w.free = w.free[:n-1]
		return i
	}
	w.txns = append(w.txns, txn{})
	return int32(len(w.txns) - 1)
}

// move has the next candidate asked. When none is left the message is deferred.
func (w *world) move(i int32) {
	t := &w.txns[i]
	if t.suspect || t.bodies > 1 || t.tried >= maxCandidates {
		w.finish(i, deferred)
		return
	}
	if w.pick(t) {
		w.attempt(i)
		return
	}
	if !t.busy {
		w.finish(i, deferred)
		return
	}
	t.gen++
	t.queued = true
	t.replica.queued++
	t.replica.waiting.join(waiter{i, t.gen})
	w.queue.push(event{at: w.now + int64(w.sc.pool.queueTimeout), kind: placeAwaits, arg: i, gen: t.gen})
}

// pick takes a place at the next candidate, as [balancer] does.
func (w *world) pick(t *txn) bool {
	r := t.replica
	if !t.chosen {
		t.chosen, t.busy, t.tiers = true, false, policies.Tiers{}
		t.req.Now = w.time()
		r.policy.Start(&t.req, r.cache.Of(r.pool, false), &t.cursor)
	}
	for c := r.policy.Next(&t.cursor); c != nil; c = r.policy.Next(&t.cursor) {
		if t.tiers.End(c.Cost, t.tried > 0) {
			break
		}
		at := r.index[c.Backend]
		switch {
		case slices.Contains(t.asked[:t.tried], at):
		case c.Acquire():
			t.asked[t.tried] = at
			t.tried++
			t.conn = at
			return true
		default:
			t.busy = true
			t.tiers.Full(c.Cost)
		}
	}
	t.chosen = false
	return false
}

// attempt begins the transaction at its connector.
func (w *world) attempt(i int32) {
	t := &w.txns[i]
	c, p := &w.connectors[t.conn], &t.replica.pairs[t.conn]
	w.tally.sent(w, c, t.conn, t.tried)
	t.waited = 0
	if c.latency.whole {
		t.total = c.latency.total.sample(w.rng)
	}
	if p.takeIdle(w.now) {
		w.begin(i, backend.StageMail)
		return
	}
	w.begin(i, backend.StageConnect)
}

// takeIdle takes an idle connection, if there is one.
func (p *pair) takeIdle(now int64) bool {
	n := len(p.idle)
	if n == 0 {
		return false
	}
	last := p.idle[n-1]
	if p.idle = p.idle[:n-1]; now-last <= idleFor {
		return true
	}
	p.idle = p.idle[:0] // the others have waited for longer
	return false
}

// next is the stage after one. TLS is not simulated.
func next(stage backend.Stage) backend.Stage {
	if stage == backend.StageConnect {
		return backend.StageBanner
	}
	return stage + 1
}

// begin begins a stage, and plans how it ends.
func (w *world) begin(i int32, stage backend.Stage) {
	t := &w.txns[i]
	c := &w.connectors[t.conn]
	t.ticket = t.replica.pairs[t.conn].Begin(stage, w.time())
	if t.patience.after > 0 && t.patience.stage == stage {
		t.ticket.Moved, t.patience.after = t.patience.after, 0
	}
	wait := w.sc.pool.timeouts[stage]
	if t.ticket.Patience > 0 {
		if w.mayMove(t, stage) {
			wait = min(wait, t.ticket.Patience)
		} else {
			t.ticket.Patience = 0
		}
	}
	t.gen++
	t.began, t.until = w.now, w.now+int64(wait)
	t.refused = stage == backend.StageConnect && (c.refusing || c.restarting)
	switch {
	case t.refused:
		w.answerIn(i, time.Millisecond)
	case c.mute == stage:
		w.queue.push(event{at: t.until, kind: waitedOut, arg: i, gen: t.gen})
	case stage == backend.StageMail && !w.seat(t, c):
		c.waiting.join(waiter{i, t.gen})
		w.queue.push(event{at: t.until, kind: waitedOut, arg: i, gen: t.gen})
	default:
		w.answerIn(i, w.takes(t, c, stage))
	}
}

// seat takes one of the connector's places, if there is one.
func (w *world) seat(t *txn, c *connector) bool {
	if c.capacity > 0 && c.busy >= c.capacity {
		return false
	}
	c.busy++
	t.place = true
	return true
}

// takes is how long the connector is going to take.
func (w *world) takes(t *txn, c *connector, stage backend.Stage) time.Duration {
	if c.latency.whole {
		return time.Duration(t.total * w.sc.parts[stage] * c.factor)
	}
	return time.Duration(c.latency.stages[stage].sample(w.rng) * c.factor)
}

// answerIn plans the answer, or the end of waiting if that comes first.
func (w *world) answerIn(i int32, d time.Duration) {
	t := &w.txns[i]
	if at := w.now + int64(d); at <= t.until {
		w.queue.push(event{at: at, kind: answered, arg: i, gen: t.gen})
	} else {
		w.queue.push(event{at: t.until, kind: waitedOut, arg: i, gen: t.gen})
	}
}

// mayMove reports whether there is another connector to move to.
func (w *world) mayMove(t *txn, stage backend.Stage) bool {
	if t.patience.ended || t.tried >= maxCandidates || stage == backend.StageFinalDot || t.bodies > 0 {
		return false
	}
	for at, m := range t.replica.pool.Members {
		if m.Eligible && !slices.Contains(t.asked[:t.tried], int32(at)) {
			return true
		}
	}
	return false
}

// wake goes on with a transaction that has waited for what has come.
func (w *world) wake(i int32, k kind) {
	switch k {
	case answered:
		w.answer(i)
	case waitedOut:
		w.giveUp(i)
	default: // no place became free in time
		t := &w.txns[i]
		t.queued = false
		t.replica.queued--
		w.finish(i, deferred)
	}
}

// answer takes in a connector's answer.
func (w *world) answer(i int32) {
	t := &w.txns[i]
	c, stage := &w.connectors[t.conn], t.ticket.Stage
	t.count(w.now, t.refused)
	switch {
	case t.refused:
		w.fail(i, backend.Outcome{Verdict: backend.Failure, Refused: true, Why: "connection refused"})
		return
	case c.share > 0 && c.deferring == stage && w.rng.Float64() < c.share:
		w.defer4xx(i)
		return
	}
	w.settleIfPast(t, stage)
	w.end(t, backend.Outcome{Verdict: backend.Success, Code: 250})
	switch stage {
	case backend.StageRcpt:
		t.replica.policy.Settled(&t.req, t.ticket.Backend)
	case backend.StageFinalDot:
		w.leave(t, true, false)
		w.finish(i, delivered)
		return
	}
	w.begin(i, next(stage))
}

// count adds the stage that ends now to what the policies learn of the connector, by
// the relay's rule: from MAIL on, without the content, which is as slow as its
// sender. Those of a new connection count only where they failed.
func (t *txn) count(now int64, failed bool) {
	stage := t.ticket.Stage
	if stage > backend.StageEHLO && stage != backend.StageBody || failed && stage <= backend.StageEHLO {
		t.waited += time.Duration(now - t.began)
	}
}

// defer4xx takes in a 4xx: at RCPT and at the final dot it is the answer, elsewhere
// the next connector is asked.
func (w *world) defer4xx(i int32) {
	t := &w.txns[i]
	stage := t.ticket.Stage
	w.settleIfPast(t, stage)
	w.end(t, backend.Outcome{Verdict: backend.Deferral, Code: 451, Why: "451 simulated"})
	w.leave(t, stage != backend.StageBody, true) // to put off at once is not to be fast
	if stage == backend.StageRcpt || stage == backend.StageFinalDot {
		w.finish(i, deferred)
		return
	}
	w.move(i)
}

// giveUp ends a stage whose time is over.
func (w *world) giveUp(i int32) {
	t := &w.txns[i]
	now := w.time()
	t.count(w.now, true)
	if t.ticket.Ended(now) {
		t.patience = patience{ended: true, stage: t.ticket.Stage, after: t.ticket.Patience}
		w.fail(i, backend.Outcome{Verdict: backend.Waited, Silent: true, Why: "no answer"})
		return
	}
	w.fail(i, backend.Outcome{Verdict: backend.Failure, Silent: true, Why: "no answer"})
}

// fail leaves a connector that has failed. Past the commit point nothing is known
// of the message (P9); before it the next one is asked.
func (w *world) fail(i int32, o backend.Outcome) {
	t := &w.txns[i]
	stage := t.ticket.Stage
	if stage == backend.StageBody {
		t.bodies++
	}
	w.tell(t, o)
	w.leave(t, false, true)
	if stage == backend.StageFinalDot {
		w.finish(i, ambiguous)
		return
	}
	w.move(i)
}

// tell tells a failure, or holds the first one back that may be the message's
// fault (P14a).
func (w *world) tell(t *txn, o backend.Outcome) {
	stage, u := t.ticket.Stage, &t.unsettled
	switch {
	case o.Verdict != backend.Failure || stage < backend.StageMail || stage > backend.StageBody:
		w.end(t, o)
	case !u.is:
		*u = unsettled{t.ticket, o, t.conn, true}
	default:
		if u.ticket.Stage == stage && u.conn != t.conn {
			t.suspect = true
			u.outcome.Verdict, o.Verdict = backend.Neutral, backend.Neutral
		}
		w.settle(t)
		w.end(t, o)
	}
}

func (w *world) settleIfPast(t *txn, stage backend.Stage) {
	if t.unsettled.is && stage >= t.unsettled.ticket.Stage {
		w.settle(t)
	}
}

// settle tells the failure that was held back.
func (w *world) settle(t *txn) {
	if u := &t.unsettled; u.is {
		u.is = false
		w.report(t.replica, u.conn, u.ticket, u.outcome)
	}
}

func (w *world) end(t *txn, o backend.Outcome) { w.report(t.replica, t.conn, t.ticket, o) }

// report tells the judge how a stage ended.
func (w *world) report(r *replica, conn int32, ticket backend.Ticket, o backend.Outcome) {
	p := &r.pairs[conn]
	o.At = w.time()
	p.End(ticket, o, o.At)
	if o.Verdict == backend.Failure {
		r.hurry(conn)
	}
	r.look()
}

// leave ends the attempt: places become free, and the connection idle if it is
// still in order.
func (w *world) leave(t *txn, alive, failed bool) {
	r, c, p := t.replica, &w.connectors[t.conn], &t.replica.pairs[t.conn]
	if t.waited > 0 {
		p.backend.Traffic.Latency.Observe(t.waited, failed, w.time())
	}
	p.backend.Release()
	if alive && len(p.idle) < maxIdle {
		p.idle = append(p.idle, w.now)
	}
	had := t.place
	t.conn, t.place = -1, false
	t.gen++
	if had {
		c.busy--
		w.admit(c)
	}
	if r.queued > 0 {
		r.serveWaiting()
	}
}

// admit gives a connector's free place to the first in its line.
func (w *world) admit(c *connector) {
	for c.busy < c.capacity {
		next, ok := c.waiting.next()
		if !ok {
			return
		}
		t := &w.txns[next.txn]
		if t.gen != next.gen {
			continue
		}
		w.seat(t, c)
		t.gen++
		w.answerIn(next.txn, w.takes(t, c, backend.StageMail))
	}
}

// serveWaiting gives those that wait for a place another look.
func (r *replica) serveWaiting() {
	w := r.w
	for r.queued > 0 {
		if r.waiting.from == len(r.waiting.waiting) {
			return
		}
		first := r.waiting.waiting[r.waiting.from]
		t := &w.txns[first.txn]
		if t.gen != first.gen {
			r.waiting.next()
			continue
		}
		if !w.pick(t) {
			return
		}
		r.waiting.next()
		t.gen++
		t.queued = false
		r.queued--
		w.attempt(first.txn)
	}
}

// finish ends a transaction.
func (w *world) finish(i int32, end fate) {
	t := &w.txns[i]
	w.settle(t)
	w.tally.finished(t, w.now, end)
	t.gen++
	t.replica = nil
	t.cursor = policies.Cursor{}
	w.free = append(w.free, i)
	w.live--
}
