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

// Extension is one of the SMTP extensions that weir acts upon, as a bit.
type Extension uint32

// The extensions, by the EHLO keyword that announces them.
const (
	ExtPipelining          Extension = 1 << iota // RFC 2920
	ExtChunking                                  // RFC 3030
	Ext8BitMIME                                  // RFC 6152
	ExtEnhancedStatusCodes                       // RFC 2034
	ExtSize                                      // RFC 1870
)

var extensionNames = []struct {
	ext  Extension
	name string
}{
	{ExtPipelining, "PIPELINING"},
	{ExtChunking, "CHUNKING"},
	{Ext8BitMIME, "8BITMIME"},
	{ExtEnhancedStatusCodes, "ENHANCEDSTATUSCODES"},
	{ExtSize, "SIZE"},
}

// ParseExtension returns the extension announced by an EHLO keyword, or 0 for
// one that weir does not act upon. Keywords are case-insensitive (RFC 5321
// section 4.1.1.1).
func ParseExtension(keyword string) Extension {
	for _, e := range extensionNames {
		if strings.EqualFold(e.name, keyword) {
			return e.ext
		}
	}
	return 0
}

// String lists the keywords, separated by blanks.
func (e Extension) String() string {
	var names []string
	for _, n := range extensionNames {
		if e&n.ext != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, " ")
}

// Capabilities is what a connector's EHLO announced. The zero value means that
// none was seen yet.
type Capabilities struct {
	Known bool
	Ext   Extension
	Size  int64 // octets; 0: no limit announced (RFC 1870 section 3)
}

// Has reports whether every given extension was announced.
func (c Capabilities) Has(ext Extension) bool { return c.Ext&ext == ext }

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
