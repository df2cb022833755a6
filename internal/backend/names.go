package backend

import "fmt"

// ID names a connector: the pool it serves in and its name there. Flags set by
// operators are keyed by it, so they survive discovery churn and restarts.
type ID struct{ Pool, Name string }

// String returns "pool/name", the form that commands and the API use.
func (id ID) String() string { return id.Pool + "/" + id.Name }

// Less orders IDs by pool, then by name.
func (id ID) Less(other ID) bool {
	if id.Pool != other.Pool {
		return id.Pool < other.Pool
	}
	return id.Name < other.Name
}

// Stage is a step of the dialogue with a connector. Timeouts, latencies and
// reasons are all kept by stage, under the same names everywhere.
type Stage uint8

// The stages in the order in which a transaction passes them.
const (
	StageConnect Stage = iota
	StageTLS
	StageBanner
	StageEHLO
	StageMail
	StageRcpt
	StageData
	StageBody
	StageFinalDot
	// Stages is the number of stages, for arrays indexed by one.
	Stages
)

var stageNames = [Stages]string{"connect", "tls", "banner", "ehlo", "mail", "rcpt", "data", "body", "final_dot"}

// String returns the stage's name as logs, metrics and the config spell it.
func (s Stage) String() string { return nameOf(stageNames[:], int(s), "stage") }

// Health is the verdict of probes and live traffic.
type Health uint8

// The verdicts. Unknown lasts until the first probe has ended.
const (
	HealthUnknown Health = iota
	HealthUp
	HealthDown
)

var healthNames = [...]string{"unknown", "up", "down"}

// String returns the verdict's name.
func (h Health) String() string { return nameOf(healthNames[:], int(h), "health") }

// Breaker is the state of a connector's circuit breaker.
type Breaker uint8

// The breaker's states. Live traffic goes only to closed breakers.
const (
	BreakerClosed Breaker = iota
	BreakerOpen
	BreakerHalfOpen
)

var breakerNames = [...]string{"closed", "open", "half-open"}

// String returns the breaker state's name.
func (b Breaker) String() string { return nameOf(breakerNames[:], int(b), "breaker") }

// Admin is the operator's flag.
type Admin uint8

// The operator's flags: drain takes no new mail and ends what runs; disabled
// is out at once.
const (
	AdminEnabled Admin = iota
	AdminDrain
	AdminDisabled
)

var adminNames = [...]string{"enabled", "drain", "disabled"}

// String returns the flag's name.
func (a Admin) String() string { return nameOf(adminNames[:], int(a), "admin") }

// State is the one word that sums up a connector's facts.
type State uint8

// The states. Where several facts hold, [deriveState] says which one is shown.
const (
	StateStarting State = iota
	StateUp
	StateRecovering
	StateEjected
	StateDown
	StateDrain
	StateDisabled
)

var stateNames = [...]string{"starting", "up", "recovering", "ejected", "down", "drain", "disabled"}

// String returns the state's name.
func (s State) String() string { return nameOf(stateNames[:], int(s), "state") }

func nameOf(names []string, i int, kind string) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%s(%d)", kind, i)
}
