package balancer

import (
	"net/netip"
	"time"

	"weir/balancer/gate"
	"weir/internal/backend"
	"weir/internal/connector"
	"weir/policies"
)

// Config is everything the data path is told. Values are checked by config;
// the balancer takes them as they are.
type Config struct {
	Hostname     string // greeting, Received, EHLO to connectors
	Cluster      string // named in Received lines, so that loops through any replica are seen
	ReplayMemory int64  // octets that all replay buffers together may hold
	Descriptors  int64  // connections of senders and to connectors together; 0: what the process may have, but a sixteenth
	Listeners    []ListenerConfig
	Pools        []PoolConfig
	Routes       []policies.Route // of the listeners that go by routes
}

// ListenerConfig describes one listener. Its socket is opened by app.
type ListenerConfig struct {
	Name          string
	Address       string // host:port, for people and for opening the socket
	Mode          Mode
	Pool          string         // empty: the routes
	AcceptDomains []string       // recipient domains, as a route's Match; none: all
	AuthPool      string         // with routes: the pool that AUTH is relayed to (P34); empty: none
	Proxy         []netip.Prefix // from these a PROXY header is required, from others refused
	XClient       []netip.Prefix // who may use XCLIENT and XFORWARD (P25)
	Exempt        []netip.Prefix // from limits of connections and rates
	TLS           TLSMode
	GreetingDelay time.Duration // 0: none (P26)
	Limits        Limits
	Timeouts      ListenerTimeouts
	RejectBare    bool // P19: refuse bare CR and LF instead of mending them
	Received      ReceivedHeader
	MaxHops       int
}

// Mode is what a listener makes of a connection.
type Mode uint8

// The modes: the session ends here and each transaction is given to a connector,
// or each connection is passed through to one.
const (
	ModeSMTP Mode = iota
	ModeTCP
)

// TLSMode is how a listener speaks TLS.
type TLSMode uint8

// The modes. Where TLS is required, mail is taken only after STARTTLS; where it
// is implicit, it begins before the greeting (RFC 8314 section 3.3).
const (
	TLSOff TLSMode = iota
	TLSStartTLS
	TLSRequired
	TLSImplicit
)

// Limits bound what one sender may do. 0 is no limit.
type Limits struct {
	Connections           int
	MessagesPerConnection int
	Recipients            int
	MessageSize           int64 // octets
	Errors                int
	Session               time.Duration
	PerIP                 int       // connections of one client address at a time
	Rate                  gate.Rate // of new connections of one client address; Events 0: any
	Allow, Deny           []netip.Prefix
	Tarpit                time.Duration // how long offenders wait for each reply
}

// ListenerTimeouts are the patience with a sender.
type ListenerTimeouts struct {
	Command  time.Duration // for the next command
	Data     time.Duration // for the next octets of a message
	Greeting time.Duration // for the first command
}

// ReceivedHeader says when weir adds its own Received line (P33).
type ReceivedHeader uint8

// ReceivedAuto adds it unless the client's identity is handed on.
const (
	ReceivedAuto ReceivedHeader = iota
	ReceivedAlways
	ReceivedNever
)

// PoolConfig is how the data path treats the connectors of a pool.
type PoolConfig struct {
	Name         string
	LMTP         bool                   // connectors speak LMTP (P35)
	Identity     connector.IdentityMode // how connectors are told of the client (P32)
	Policy       string
	Hash         policies.Key  // what maglev goes by
	Affinity     policies.Key  // KeyNone: none
	AffinityTTL  time.Duration // above 0
	ReplayBuffer int64         // octets of a message kept for a replay; 0: none
	Reuse        Reuse
	Timeouts     Timeouts
	QueueTimeout time.Duration
}

// Timeouts are the deadlines of each stage (P15).
type Timeouts [backend.Stages]time.Duration

// Reuse is the budget of a connector's connection (step 7 of a transaction's life).
type Reuse struct {
	Idle     time.Duration
	Messages int
	Bytes    int64 // 0: no limit
	Age      time.Duration
	MaxIdle  int // idle connections kept per connector
}
