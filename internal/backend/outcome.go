package backend

import "time"

// Verdict says how an attempt at a stage counts for the connector.
type Verdict uint8

// The verdicts of live traffic.
const (
	// Neutral says nothing of the connector: the sender left, the content was
	// refused by us, a reused connection had to be replaced, a poison message.
	Neutral Verdict = iota
	// Success is a 2xx, a 3xx, or a 5xx that is policy.
	Success
	// Deferral is a 4xx at MAIL, RCPT, DATA or the terminator.
	Deferral
	// Failure is a lost connection, a deadline, a refused banner or EHLO, or a
	// reply of an unexpected class.
	Failure
	// Waited is a connector that was still silent when the transaction moved on,
	// or when its sender gave up: no failure yet, but it counts at its age (P16).
	Waited
)

// Ticket is an attempt at one stage, begun and not yet ended. It is a plain
// value; health hands it out and gets it back.
type Ticket struct {
	Backend *Backend
	Stage   Stage
	Began   time.Time
	Slot    int32 // health's own
	// Patience is how long to wait before the transaction moves on to another
	// connector, if it can; 0: until the stage's deadline (P16).
	Patience time.Duration
	// Moved tells that the transaction has come here because its patience with
	// another connector ended at this stage after that long; 0: it has not.
	Moved time.Duration
}

// Ended reports whether the patience with the attempt has ended.
func (t *Ticket) Ended(now time.Time) bool {
	return t.Patience > 0 && now.Sub(t.Began) >= t.Patience
}

// Outcome is how a stage ended.
type Outcome struct {
	Verdict Verdict
	At      time.Time
	Code    int    // the connector's reply code; 0 when there was none
	Refused bool   // the connection was refused
	Silent  bool   // there was no reply within the deadline
	Full    bool   // the reply was 452 4.3.1: out of resources (P18)
	Why     string // for people; empty on success
}
