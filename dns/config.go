package dns

import (
	"net/netip"
	"time"
)

// Config is one zone that weir keeps true. Values are checked by config; this
// room takes them as they are.
type Config struct {
	Zone        string // fully qualified, lower case, with the final dot
	Owner       string // "weir-<cluster>": records that another owner holds are never touched
	TTL         time.Duration
	Records     []Record
	HoldDown    HoldDown
	MinInterval time.Duration // between writes
	MinRecords  int           // with half the pool, the floor below which nothing is withdrawn
	DryRun      bool          // say what would be written, and write nothing
	Update      *Update       // RFC 2136; nil: not that way
	Serve       *Serve        // the embedded server; nil: not that way
}

// Record is one RRset that weir keeps.
type Record struct {
	Name       string // fully qualified, lower case
	Type       uint16 // A, AAAA, MX or SRV; A stands for A and AAAA
	Pool       string // of whose connectors; empty: of weir's own live replicas
	Preference uint16 // MX; a connector's cost is added
}

// HoldDown is how long a connector must stay out, or in, before DNS changes. An
// operator's drain does not wait.
type HoldDown struct{ Out, In time.Duration }

// Update is where a zone is written by RFC 2136.
type Update struct {
	Servers []string // host:port of primaries, tried in turn
	Key     Key
}

// Key is a TSIG key (RFC 8945).
type Key struct {
	Name      string // fully qualified, lower case
	Algorithm string // fully qualified, such as hmac-sha256.
	Secret    string // base64
}

// Serve is the embedded authoritative server of a zone. Its sockets are opened
// by app.
type Serve struct {
	Address       string
	NS            []string // fully qualified
	Contact       string   // mailbox of the SOA, as a domain name, fully qualified
	ZoneFile      string   // records that are not weir's; empty: none
	AllowTransfer []netip.Prefix
	Key           *Key     // asked of who transfers; nil: addresses decide
	Notify        []string // host:port of secondaries
}
