package faulty

import (
	"bytes"
	"slices"
	"strings"
	"time"
)

// Stage is a point of the dialogue at which a fault may be put. The names are those of the log line.
type Stage string

// The stages. HELO, BDAT (a chunk that is not the last), RSET, NOOP and those behind them are no stages of the log; the last chunk is FinalDot.
const (
	Connect  Stage = "connect" // after accept, before the banner
	Banner   Stage = "banner"
	EHLO     Stage = "ehlo"
	HELO     Stage = "helo"
	MAIL     Stage = "mail"
	RCPT     Stage = "rcpt"
	DATA     Stage = "data"
	BDAT     Stage = "bdat"
	Body     Stage = "body" // once After octets of content were read, of DATA or BDAT
	FinalDot Stage = "final_dot"
	RSET     Stage = "rset"
	NOOP     Stage = "noop"
	QUIT     Stage = "quit"
	STARTTLS Stage = "starttls"
	XCLIENT  Stage = "xclient"
	XFORWARD Stage = "xforward"
)

// Action is what a fault does.
type Action int

// The actions. All but StopReading fit every stage.
const (
	Answer      Action = iota // say Reply, or the normal reply when it is empty (with Delay: just late); 421 also closes
	Mute                      // go on reading, never answer again
	Drop                      // close the connection
	Reset                     // close it with RST
	Garbage                   // answer octets that are no SMTP, then go on
	Endless                   // answer with reply lines that never end, for as long as the peer takes them
	StopReading               // neither read nor answer, keep the connection
)

// Fault is one misbehaviour at one stage, with its limits. The zero limits mean always.
//
// A reply's class is believed by the server itself: 354 to DATA begins content even without a recipient, 2xx to the
// final dot stores the message, any other reply refuses what was asked. So 354 to RCPT and 250 to DATA are wrong
// classes that leave the server where it was.
type Fault struct {
	Stage Stage
	Do    Action
	Reply string        // for Answer; lines parted by \n, each with its code
	Delay time.Duration // before anything else
	Pause time.Duration // between the two halves of the reply, which is then written in two pieces
	After int           // for Body: octets of content that must have been read; 0 is before the first
	Store bool          // for FinalDot: store the message although the reply is lost or says otherwise

	Times    int    // only the first N times it would apply
	Contains string // only when the envelope, or the content read so far, contains it
	Reused   bool   // only from the second transaction of a connection on
}

// Say answers with reply at a stage.
func Say(stage Stage, reply string) Fault { return Fault{Stage: stage, Reply: reply} }

// At does an action at a stage.
func At(stage Stage, do Action) Fault { return Fault{Stage: stage, Do: do} }

// InBody does an action once n octets of content were read.
func InBody(n int, do Action) Fault { return Fault{Stage: Body, Do: do, After: n} }

// EarlyReply says reply once n octets of content were read, in the middle of the content.
func EarlyReply(n int, reply string) Fault { return Fault{Stage: Body, Reply: reply, After: n} }

// StoreThen stores the message at its end and then does the action: the peer cannot know.
func StoreThen(do Action) Fault { return Fault{Stage: FinalDot, Do: do, Store: true} }

// Limited returns f for the first n times only.
func (f Fault) Limited(n int) Fault { f.Times = n; return f }

// Containing returns f for transactions that contain text only.
func (f Fault) Containing(text string) Fault { f.Contains = text; return f }

// WhenReused returns f for all but the first transaction of a connection.
func (f Fault) WhenReused() Fault { f.Reused = true; return f }

// take finds the fault that applies at a stage and uses one of its times up.
func (s *session) take(stage Stage, read int) *armedFault {
	for _, f := range s.srv.behaviour.Load().faults {
		if f.Stage == stage && f.After <= read && s.applies(f) {
			return f
		}
	}
	return nil
}

func (s *session) applies(f *armedFault) bool {
	if f.Reused && s.transactions < 2 {
		return false
	}
	if f.Contains != "" && !s.tx.contains(f.Contains) {
		return false
	}
	return f.Times == 0 || f.left.Add(-1) >= 0
}

func (t *transaction) contains(text string) bool {
	return strings.Contains(t.from, text) || strings.Contains(t.asking, text) || bytes.Contains(t.content, []byte(text)) ||
		slices.ContainsFunc(t.to, func(r string) bool { return strings.Contains(r, text) })
}
