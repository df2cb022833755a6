package balancer

import (
	"net/netip"
	"time"

	"weir/internal/backend"
	"weir/policies"
)

// Config is everything the data path is told. Values are checked by config;
// the balancer takes them as they are.
type Config struct {
	Hostname     string // greeting, Received, EHLO to connectors
	Cluster      string // named in Received lines, so that loops through any replica are seen
	ReplayMemory int64  // octets that all replay buffers together may hold
	Listeners    []ListenerConfig
	Pools        []PoolConfig
	Routes       []policies.Route // of the listeners that go by routes
}

// ListenerConfig describes one SMTP listener. Its socket is opened by app.
type ListenerConfig struct {
	Name       string
	Address    string         // host:port, for people and for opening the socket
	Pool       string         // empty: the routes
	Exempt     []netip.Prefix // from the connection limit
	Limits     Limits
	Timeouts   ListenerTimeouts
	RejectBare bool // P19: refuse bare CR and LF instead of mending them
	Received   ReceivedHeader
	MaxHops    int
}

// Limits bound what one sender may do. 0 is no limit.
type Limits struct {
	Connections           int
	MessagesPerConnection int
	Recipients            int
	MessageSize           int64 // octets
	Errors                int
	Session               time.Duration
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
