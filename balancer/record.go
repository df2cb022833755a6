package balancer

import (
	"net/netip"
	"time"

	"weir/internal/backend"
	"weir/internal/smtp"
)

// Outcome is how a transaction ended, as logs and metrics name it.
type Outcome string

// The outcomes.
const (
	Delivered               Outcome = "delivered"
	Rejected                Outcome = "rejected"
	Deferred                Outcome = "deferred"
	Aborted                 Outcome = "aborted"
	Ambiguous               Outcome = "ambiguous"
	DeliveredUnacknowledged Outcome = "delivered-unacknowledged"
)

// Record is what is known of a transaction at its end.
type Record struct {
	Session, ID, Listener string
	Client                netip.AddrPort
	HELO, TLS             string
	Proxy                 string // which trusted proxy spoke for the client, and what more it said; empty: none
	Auth                  string // mechanism by which the sender has authenticated; empty: it has not
	From                  string
	Rcpts                 []string // the recipients asked for, at most [MaxRecordedRcpts]
	RcptCount             int      // all recipients asked for
	Accepted              int      // recipients that the connector took
	Pool, Backend         string   // names; Backend is the connector that answered last; Pool is empty until the way is known
	Tries                 []Try    // connectors that were left, passed over or out of question; of the latter two only the first few
	Replays               int      // moves to another connector
	Stage                 backend.Stage
	Reached               bool       // whether any stage was reached, that is Stage means something
	Reply                 smtp.Reply // the sender's last answer
	ByConnector           bool       // whose answer that is
	RemoteID, MessageID   string
	Bytes                 int64 // of content, without what weir added
	Duration              time.Duration
	Stages                [backend.Stages]time.Duration
	Outcome               Outcome
	Suspect               bool   // failed alike on two connectors (P14a)
	Digest                string // of the envelope; only when ambiguous
	Misuse                string // what the operator must put right between weir and a connector, in words; empty: nothing
}

// MaxRecordedRcpts bounds the recipients that a [Record] names.
const MaxRecordedRcpts = 50

// Try is a connector that was asked and left, or not asked; or the name of a pool
// that has none.
type Try struct {
	Backend string `json:"backend"`
	Why     string `json:"why"`
}

// SessionRecord tells of a session that ended without a transaction.
type SessionRecord struct {
	Session, Listener string
	Client            netip.AddrPort
	HELO, TLS         string
	Proxy             string // as in [Record]
	Reason            string
	Duration          time.Duration
	Passage           *Passage // nil: the listener is not in tcp mode
}

// Recorder is told how transactions, sessions and AUTHs ended. It is called on the
// session's goroutine; the record is valid only during the call.
type Recorder interface {
	Transaction(*Record)
	Session(*SessionRecord)
	Auth(*AuthRecord)
}

// Observer is told how each attempt at a stage ended, by connector. Both calls
// are made by many goroutines; a change of state that End decides upon is in
// force when it returns.
type Observer interface {
	Begin(b *backend.Backend, stage backend.Stage, now time.Time) backend.Ticket
	End(t backend.Ticket, o backend.Outcome)
}
