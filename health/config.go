package health

import (
	"slices"
	"time"

	"weir/internal/backend"
)

// Config is how the connectors of one pool are probed and judged.
type Config struct {
	Pool         string
	Probe        Depth
	From         string // reverse-path of the envelope and message probes; empty: the null sender
	To           string // their recipient; without a domain it is sent as it stands
	AskRelay     bool   // the envelope probe also finds out, now and then, whether anybody's mail is relayed (P39)
	Expect       Expect
	Interval     time.Duration // from the end of one probe to the start of the next
	Timeout      time.Duration // of a whole probe
	FastInterval time.Duration // instead of Interval while in doubt
	Rise         int           // successes in a row until up
	Fall         int           // failures in a row until down
	Jitter       float64       // share of the interval that is random, 0 … 1
	Breaker      BreakerConfig
	Ejection     EjectionConfig
	SlowStart    time.Duration // from a tenth of the weight to all of it, after a return; 0: at once
}

// BreakerConfig says what opens a connector's circuit, and for how long.
type BreakerConfig struct {
	ConsecutiveFailures int           // in a row, or deferrals that only this connector gives
	FailureRatio        float64       // of the attempts within Window, 0 … 1
	MinRequests         int           // attempts within Window for the ratio to count
	Window              time.Duration // how far back the ratio looks
	OpenFor             time.Duration // the first time; doubles with each relapse
	OpenMax             time.Duration // … up to this
	// StuckAfter is the least age at which an attempt at a stage counts as stuck
	// (P16); 0: the stage is not watched.
	StuckAfter [backend.Stages]time.Duration
}

// EjectionConfig bounds what the breakers of a pool may do together.
type EjectionConfig struct {
	MaxPercent   int     // of the pool's connectors that may be ejected at once, never the last one
	OutlierRatio float64 // how many times its peers' share of 4xx a connector's must be (P17)
}

// Expect is what a connector must show to a probe beside its answers.
type Expect struct {
	Capabilities    []string // EHLO keywords without which a probe fails
	CertificateDays int      // fewer days left of its certificate are reported; 0: off
}

// Depth is how far into the dialogue a probe goes.
type Depth uint8

// The depths, each including the ones before it. All use the TLS of the pool; the
// starttls probe wants TLS even where the pool does not.
const (
	DepthTCP Depth = iota
	DepthBanner
	DepthEHLO
	DepthStartTLS // STARTTLS (or the implicit TLS of the pool), the handshake, EHLO again
	DepthEnvelope // MAIL, RCPT, RSET
	DepthMessage  // MAIL, RCPT, DATA, a message
)

var depthNames = [...]string{"tcp", "banner", "ehlo", "starttls", "envelope", "message"}

// ParseDepth returns the depth of that name; ok is false when there is none.
func ParseDepth(name string) (d Depth, ok bool) {
	i := slices.Index(depthNames[:], name)
	return Depth(max(i, 0)), i >= 0
}

// DepthNames lists the names, shallowest first.
func DepthNames() []string { return depthNames[:] }

// String returns the depth's name as the config spells it.
func (d Depth) String() string { return depthNames[d] }

// stage is the deepest stage that a probe of this depth passes. Stages are
// numbered by how deep they are for a transaction, where TLS may come before the
// banner; a starttls probe ends with EHLO, which is deeper.
func (d Depth) stage() backend.Stage {
	return [...]backend.Stage{
		backend.StageConnect, backend.StageBanner, backend.StageEHLO, backend.StageEHLO,
		backend.StageRcpt, backend.StageFinalDot,
	}[d]
}
