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
)

// Ticket is an attempt at one stage, begun and not yet ended. It is a plain
// value; health hands it out and gets it back.
type Ticket struct {
	Backend *Backend
	Stage   Stage
	Began   time.Time
	// Patience is how long to wait before the transaction moves on to another
	// connector, if it still can; 0: until the stage's deadline.
	Patience time.Duration
}

// Outcome is how a stage ended.
type Outcome struct {
	Verdict Verdict
	At      time.Time
	Code    int    // the connector's reply code; 0 when there was none
	Why     string // for people; empty on success
}
