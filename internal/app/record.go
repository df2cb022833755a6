package app

import (
	"net/netip"

	"github.com/rs/zerolog"

	"weir/balancer"
	"weir/dashboard/metrics"
	"weir/internal/backend"
	past "weir/internal/history"
)

// recorder writes what the balancer tells into the log. It keeps nothing of a
// record beyond the call.
type recorder struct {
	log   *logger
	meter *metrics.Meter // nil: nothing is counted
	past  *past.Ring     // nil: nothing is remembered
}

// Transaction writes the line of a transaction that has ended, and one more
// when nobody knows whether the connector took the message (P9).
func (r recorder) Transaction(rec *balancer.Record) {
	var space [256]byte // most replies are shorter, and cost no memory
	style := r.log.style.Load()
	reply := rec.Reply.AppendString(space[:0]) // once for both
	if style.mask {
		reply = []byte(maskText(string(reply)))
	}
	now := r.log.now() // for both, too
	if e := style.out.Info(); e != nil {
		r.log.begin(e, now, "transaction")
		r.who(e, rec)
		r.where(e, rec)
		r.how(e, rec, reply)
		e.Send()
	}
	if rec.Outcome == balancer.Ambiguous {
		r.ambiguous(rec)
	}
	if rec.Misuse != "" {
		r.misuse(rec.Session, rec.Pool, rec.Backend, rec.Misuse)
	}
	r.remember(rec, reply, style.mask, now)
	if r.meter != nil {
		r.meter.Transaction(rec.Listener, rec.Pool, rec.Backend, string(rec.Outcome), byWhom(rec), rec.Reply.Code/100, &rec.Stages, rec.Replays)
	}
}

// byWhom says whose reply ended the transaction; empty: there was none.
func byWhom(rec *balancer.Record) string {
	switch {
	case rec.Reply.Code == 0:
		return ""
	case rec.ByConnector:
		return "connector"
	default:
		return "weir"
	}
}

// who adds the sender's side of the transaction.
func (r recorder) who(e *zerolog.Event, rec *balancer.Record) {
	from, rcpts := rec.From, rec.Rcpts
	if r.log.masks() {
		from, rcpts = maskAddress(from), maskAddresses(rcpts)
	}
	if rcpts == nil {
		rcpts = []string{}
	}
	e.Str("session", rec.Session).Str("id", rec.ID).Str("listener", rec.Listener)
	client(e, rec.Client).Str("helo", rec.HELO).Str("tls", rec.TLS).
		Str("from", from).Strs("rcpts", rcpts)
	optional(e, "proxy", rec.Proxy)
	optional(e, "auth", rec.Auth)
	if rec.RcptCount > len(rcpts) { // only so many are recorded
		e.Int("rcpt_count", rec.RcptCount)
	}
}

// client adds whose transaction it is.
func client(e *zerolog.Event, who netip.AddrPort) *zerolog.Event {
	if !who.IsValid() {
		return e.Str("client", who.String())
	}
	var space [64]byte // an IPv6 address with a port and a zone
	return e.Bytes("client", who.AppendTo(space[:0]))
}

// where adds the connector's side.
func (r recorder) where(e *zerolog.Event, rec *balancer.Record) {
	e.Str("pool", rec.Pool).Str("backend", rec.Backend)
	if len(rec.Tries) > 0 {
		e.Array("tries", tries{rec.Tries, r.text})
	} else {
		e.Array("tries", tries{}) // as of most: it costs no memory
	}
	e.Int("replays", rec.Replays)
	stage := ""
	if rec.Reached {
		stage = rec.Stage.String()
	}
	e.Str("stage", stage).Str("remote_id", rec.RemoteID)
}

// how adds the result.
func (r recorder) how(e *zerolog.Event, rec *balancer.Record, reply []byte) {
	e.Int("code", rec.Reply.Code).Bytes("reply", reply).Str("by", byWhom(rec)).
		Str("message_id", rec.MessageID).Int64("bytes", rec.Bytes)
	duration(e, "duration_ms", rec.Duration).
		Object("stages_ms", (*stages)(rec)).Str("outcome", string(rec.Outcome))
	if rec.Suspect {
		e.Bool("suspect", true)
	}
}

func (r recorder) ambiguous(rec *balancer.Record) {
	r.log.warn("ambiguous").Str("session", rec.Session).Str("id", rec.ID).
		Str("pool", rec.Pool).Str("backend", rec.Backend).
		Str("envelope_digest", rec.Digest).Str("message_id", rec.MessageID).
		Str("why", "the connector did not answer the end of the message: it may or may not have it; the sender was told to try again").
		Send()
}

// Session writes the line of a session that ended without a transaction, or was
// passed through in tcp mode.
func (r recorder) Session(rec *balancer.SessionRecord) {
	e := r.log.info("session").Str("session", rec.Session).Str("listener", rec.Listener).
		Str("client", rec.Client.String()).Str("helo", rec.HELO)
	optional(e, "tls", rec.TLS)
	optional(e, "proxy", rec.Proxy)
	if p := rec.Passage; p != nil {
		e = e.Str("pool", p.Pool).Str("backend", p.Backend).Array("tries", tries{p.Tries, r.text}).
			Int64("bytes_in", p.In).Int64("bytes_out", p.Out)
	}
	e.Str("reason", r.text(rec.Reason)).Float64("duration_ms", milliseconds(rec.Duration)).Send()
}

// Auth writes the line of an AUTH. Nothing that was said in it is known here.
func (r recorder) Auth(rec *balancer.AuthRecord) {
	by := "weir"
	switch {
	case rec.ByConnector:
		by = "connector"
	case rec.Code == 0:
		by = "" // the sender gave up
	}
	r.log.info("auth").Str("session", rec.Session).Str("listener", rec.Listener).
		Str("client", rec.Client.String()).Str("helo", rec.HELO).Str("tls", rec.TLS).Str("mechanism", rec.Mechanism).
		Str("pool", rec.Pool).Str("backend", rec.Backend).Array("tries", tries{rec.Tries, r.text}).
		Int("code", rec.Code).Str("enhanced", rec.Enhanced.String()).Str("by", by).
		Float64("duration_ms", milliseconds(rec.Duration)).Send()
	if rec.Misuse != "" {
		r.misuse(rec.Session, rec.Pool, rec.Backend, rec.Misuse)
	}
}

// misuse tells the operator what keeps weir and a connector apart: no sender and no
// retry puts it right.
func (r recorder) misuse(session, pool, backend, why string) {
	r.log.error("misuse").Str("session", session).Str("pool", pool).Str("backend", backend).Str("why", r.text(why)).Send()
}

// optional adds a word that most lines do not have.
func optional(e *zerolog.Event, key, word string) {
	if word != "" {
		e.Str(key, word)
	}
}

func (r recorder) text(s string) string {
	if r.log.masks() {
		return maskText(s)
	}
	return s
}

// tries marshals the connectors that were left, each with the reason.
type tries struct {
	list []balancer.Try
	text func(string) string
}

func (t tries) MarshalZerologArray(a *zerolog.Array) {
	for i := range t.list {
		a.Object(try{&t.list[i], t.text})
	}
}

type try struct {
	*balancer.Try
	text func(string) string
}

func (t try) MarshalZerologObject(e *zerolog.Event) {
	e.Str("backend", t.Backend).Str("why", t.text(t.Why))
}

// stages marshals the time spent in each stage that was passed.
type stages balancer.Record

func (s *stages) MarshalZerologObject(e *zerolog.Event) {
	for i, d := range s.Stages {
		if d > 0 {
			duration(e, backend.Stage(i).String(), d)
		}
	}
}
