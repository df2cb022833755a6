package balancer

import (
	"strconv"
	"time"

	"weir/internal/smtp"
)

// Bounds of a transaction's way (protocol, step 6).
const (
	maxCandidates = 3   // connectors that one transaction is offered to
	maxGroup      = 100 // commands sent to a connector before its answers are read
)

// Totals over all candidates stay inside the sender's own clock (P15; RFC 5321
// section 4.5.3.2).
const (
	totalRcpt     = 4*time.Minute + 30*time.Second
	totalData     = time.Minute + 50*time.Second
	totalBody     = 2*time.Minute + 30*time.Second
	totalFinalDot = 9*time.Minute + 30*time.Second
	lastCommit    = time.Minute // after the sender's end of data
)

// transaction is one MAIL with what belongs to it, from the sender's MAIL to the
// answer to its content. It is lent to a session by the server.
type transaction struct {
	*clock // the session's
	s      *session
	pool   *pool // of the connector that has it, or had it last
	id     string
	began  time.Time
	mail   smtp.Mail

	group     []recipient // gathered, not yet answered
	wanted    []int       // those of the group that a connector is to answer
	accepted  []smtp.Rcpt // the sender was told that these are fine
	refused   bool        // some recipient was refused
	forNobody bool        // content has come when all had been

	choice
	at         *attempt // the connector that has the transaction now
	part       part     // how it does
	spare      attempt  // storage of at
	unsettled  *unsettled
	lastFault  fault
	patience   patience
	maybeTaken bool // the terminator was written and not answered

	// verdict, when its code is set, is the answer to everything that is still
	// to come in this transaction.
	verdict            smtp.Reply
	verdictByConnector bool

	content *content
	store   content // storage of content

	reply   smtp.Reply // the connector's latest answer
	scratch []byte     // a piece of content in its DATA form, where it came by BDAT
	rec     Record
}

// recipient is a RCPT of the group that is being worked on.
type recipient struct {
	smtp.Rcpt
	reply       smtp.Reply
	byConnector bool
	answered    bool // no connector is asked, or none any more
}

func newTransaction() *transaction { return &transaction{} }

// borrow lends the session a transaction.
func (s *session) borrow() *transaction {
	t := s.srv.txs.Get().(*transaction)
	t.s, t.clock, t.began = s, &s.clock, s.now
	return t
}

// begin opens a transaction.
func (s *session) begin(mail smtp.Mail) {
	t := s.borrow()
	s.messages++
	t.mail = mail
	t.id = s.nextID()
	t.rec = Record{
		Session: s.id, ID: t.id, Listener: s.front.Name, Client: s.client, HELO: s.helo, Auth: s.auth.mechanism, TLS: s.tlsText(), Proxy: s.proxyText(),
		From: mail.From, Pool: s.front.Pool, Rcpts: t.rec.Rcpts[:0], Tries: t.rec.Tries[:0],
		Reply: t.rec.Reply,
	}
	t.rec.Reply.Reset()
	t.req.Needs = t.needs()
	s.tx = t
}

// nextID names the session's latest transaction.
func (s *session) nextID() string {
	var space [32]byte
	return string(strconv.AppendInt(append(append(space[:0], s.id...), '-'), int64(s.messages), 10))
}

// gather adds a recipient to the group.
func (t *transaction) gather(rcpt smtp.Rcpt) {
	if n := len(t.group); n < cap(t.group) {
		t.group = t.group[:n+1] // its reply's buffer is used again
		t.group[n].Rcpt, t.group[n].byConnector, t.group[n].answered = rcpt, false, false
		t.group[n].reply.Reset()
	} else {
		t.group = append(t.group, recipient{Rcpt: rcpt})
	}
	t.rec.RcptCount++
	if len(t.rec.Rcpts) < MaxRecordedRcpts {
		t.rec.Rcpts = append(t.rec.Rcpts, rcpt.To)
	}
}

// flushGroup has the group's recipients answered by a connector and answers the
// sender. WithData is set when the sender has sent DATA behind them already.
func (t *transaction) flushGroup(withData bool) {
	if len(t.group) == 0 {
		return
	}
	t.answerGroup(withData)
	for i := range t.group {
		r := &t.group[i]
		t.s.relay(&r.reply)
		t.rec.Reply.CopyFrom(&r.reply)
		t.rec.ByConnector = r.byConnector
		if r.reply.Class() == 2 {
			t.accepted = append(t.accepted, r.Rcpt)
			t.rec.Accepted++
		} else {
			t.refused = true
		}
	}
	if t.at != nil && t.verdict.Code == 0 {
		t.at.confirmed = len(t.accepted)
	}
	t.group, t.wanted = t.group[:0], t.wanted[:0]
}

// envelope has the wanted recipients answered by a connector. The answers are in
// the group afterwards, unless there is a verdict.
func (t *transaction) envelope(withData bool, limit time.Time) {
	if len(t.asked) == 0 && !t.settleIn() {
		return
	}
	t.reach(goalEnvelope, withData, limit)
}

// envelopeOfOne is envelope where a transaction takes one recipient (P35): they are
// asked for in turn until one is accepted, and those behind it go into others. DATA
// waits for them: LMTP has no answer to a lone dot (RFC 2033 section 4.2).
func (t *transaction) envelopeOfOne(limit time.Time) {
	wanted, taken := t.wanted, len(t.accepted) > 0
	for i := 0; i < len(wanted) && t.verdict.Code == 0; i++ {
		r := &t.group[wanted[i]]
		if taken {
			t.answer(r, oneByOne)
			continue
		}
		t.wanted = wanted[i : i+1]
		t.envelope(false, limit)
		taken = r.reply.Class() == 2
	}
	t.wanted = wanted
}

// settleIn has the transaction begin on its way as it is now: the sender may have
// taken its time since MAIL. It returns false when there is a verdict.
func (t *transaction) settleIn() bool {
	t.req.Client, t.req.From, t.req.Rcpt = t.s.client.Addr(), t.mail.From, t.group[t.wanted[0]].To
	return t.able()
}

// decide fixes the answer to the rest of the transaction, in weir's own words.
func (t *transaction) decide(code int, enh smtp.EnhancedCode, text string) {
	t.verdict = smtp.NewReply(code, enh, text+" (weir "+t.id+")")
	t.verdictByConnector = false
}

func (t *transaction) decideIn(w words) { t.decide(w.Code, w.Enhanced, w.Text) }

// decideAs fixes it to a connector's answer.
func (t *transaction) decideAs(reply *smtp.Reply) {
	t.verdict.CopyFrom(reply)
	if t.verdict.Code == 421 {
		t.verdict.Code = 451 // 421 would say that the sender's connection closes (P13)
	}
	t.verdictByConnector = true
}

// end answers in weir's own words and ends the transaction.
func (t *transaction) end(w words, outcome Outcome) {
	t.decideIn(w)
	t.endWithVerdict(outcome)
}

// endWithVerdict answers with the verdict and ends the transaction.
func (t *transaction) endWithVerdict(outcome Outcome) {
	t.s.relay(&t.verdict)
	t.rec.Reply.CopyFrom(&t.verdict)
	t.rec.ByConnector = t.verdictByConnector
	t.close(outcome)
}

// outcomeOf is the outcome of a transaction whose message was not taken.
func outcomeOf(r *smtp.Reply) Outcome {
	switch r.Class() {
	case 2:
		return Delivered
	case 5:
		return Rejected
	default:
		return Deferred
	}
}

// abort ends a transaction that the sender, or its fate, gave up.
func (t *transaction) abort() {
	outcome := Aborted
	if t.refused && len(t.accepted) == 0 {
		outcome = outcomeOf(&t.rec.Reply) // nobody was left to send to
	}
	t.close(outcome)
}

// close gives everything back and has the transaction recorded.
func (t *transaction) close(outcome Outcome) {
	t.settleFailure()
	if t.at != nil {
		t.letGo()
	}
	if t.content != nil {
		t.content.release()
		t.content = nil
	}
	if t.maybeTaken {
		outcome = Ambiguous // even if the sender did not stay to the end
	}
	s := t.s
	t.rec.Outcome = outcome
	t.rec.Duration = t.now.Sub(t.began)
	s.srv.deps.Recorder.Transaction(&t.rec)
	s.tx = nil
	t.forget()
	s.srv.txs.Put(t)
}

// forget drops what a lent-out transaction must not keep alive, and keeps its
// buffers.
func (t *transaction) forget() {
	clear(t.accepted) // of which there may have been a thousand once
	clear(t.places[:cap(t.places)])
	clear(t.asked[:cap(t.asked)])
	clear(t.noted[:cap(t.noted)])
	*t = transaction{
		group: t.group[:0], wanted: t.wanted[:0], accepted: t.accepted[:0],
		choice:  choice{places: t.places[:0], asked: t.asked[:0], noted: t.noted[:0]},
		verdict: t.verdict, reply: t.reply, rec: t.rec, store: t.store, scratch: t.scratch[:0], spare: attempt{refusal: t.spare.refusal},
	}
	t.verdict.Reset()
	t.reply.Reset()
}
