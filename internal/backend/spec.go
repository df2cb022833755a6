package backend

import (
	"net/netip"
	"strings"
	"time"
)

// DefaultWeight is the weight of a connector whose source names none.
const DefaultWeight = 100

// Spec is what discovery knows of a connector. It is a plain value: discovery
// writes it, the others only read it.
type Spec struct {
	Pool    string
	Name    string
	Address string     // host:port to dial
	Weight  int        // 1 … 1000, relative to the others of its tier
	Cost    int        // priority tier, lowest first, never negative
	Publish netip.Addr // the address DNS shows; the zero Addr: that of Address
	Meta    map[string]string

	// Maintenance and Critical are the source's own status with its reason;
	// empty means that the source reports nothing of the kind.
	Maintenance string
	Critical    string

	Sources []string // the names of the sources that know it, in order of precedence
}

// ID returns the connector's identity.
func (s Spec) ID() ID { return ID{Pool: s.Pool, Name: s.Name} }

// HealthFact is what health knows of a connector.
type HealthFact struct {
	Health       Health
	Breaker      Breaker
	Stage        Stage  // where the breaker was opened; only while it is not closed
	Recovering   bool   // a trial or slow start is under way
	Stuck        bool   // the breaker was opened because it had gone silent (P16); only while it is not closed
	Reason       string // in plain words, for people
	Since        time.Time
	Capabilities Capabilities
	Limit        int       // learned concurrency limit; 0: none
	FullAt       time.Time // when it last had no room, while Limit is learned from that; else zero
	Share        float64   // of its weight that it gets, for latency and slow start; 0: all of it
}

// ProbeFact is the last probe's result. Nothing is decided by it, and there is a
// new one every few seconds: so it stands with the counters in [Backend] and makes
// no new snapshot.
type ProbeFact struct {
	At    time.Time
	Depth string // tcp | banner | ehlo | starttls | envelope | message
	OK    bool
	Stage Stage // where it ended
	Error string
	Took  time.Duration
	// Relay is what the connector said when it took a recipient of nobody's, some
	// time within the last hours (P39); empty: it was not asked, or did not take it.
	Relay string
}

// AdminFact is the operator's flag, with who set it and why.
type AdminFact struct {
	Admin  Admin
	Reason string
	By     string
	Since  time.Time
	Until  time.Time // when it ends by itself; zero: never
}

// words is the flag as the reason of a state.
func (a AdminFact) words() string {
	text := a.Reason
	if a.By != "" {
		text = strings.TrimPrefix(text+", by "+a.By, ", ")
	}
	if !a.Until.IsZero() {
		text += " until " + a.Until.UTC().Format(time.RFC3339)
	}
	return text
}
