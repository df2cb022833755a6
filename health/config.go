package health

import "time"

// Config is how the connectors of one pool are probed and judged.
type Config struct {
	Pool         string
	Probe        Depth
	From         string        // reverse-path of the envelope probe; empty: the null sender
	To           string        // recipient of the envelope probe; without a domain it is sent as it stands
	Interval     time.Duration // from the end of one probe to the start of the next
	Timeout      time.Duration // of a whole probe
	FastInterval time.Duration // instead of Interval while in doubt
	Rise         int           // successes in a row until up
	Fall         int           // failures in a row until down
	Jitter       float64       // share of the interval that is random, 0 … 1
}

// Depth is how far into the dialogue a probe goes.
type Depth uint8

// The depths, each including the ones before it.
const (
	DepthTCP Depth = iota
	DepthBanner
	DepthEHLO
	DepthEnvelope // MAIL, RCPT, RSET
)

var depthNames = [...]string{"tcp", "banner", "ehlo", "envelope"}

// String returns the depth's name as the config spells it.
func (d Depth) String() string { return depthNames[d] }
