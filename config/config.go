package config

import (
	"crypto/x509"
	"net/netip"
	"time"

	"weir/balancer"
	"weir/dns"
	"weir/health"
	"weir/internal/backend"
	"weir/internal/certs"
	"weir/internal/connector"
)

// Config is a checked file, taken apart into what each room is told.
type Config struct {
	Source    []byte       // the file itself, when it was read by Load; to be kept
	Path      string       // of the file; absolute when it was read by Load
	StateDir  string       // what survives a restart is kept there; empty: nothing is
	Advertise []netip.Addr // this replica's own addresses, for others to reach it by

	Log             Log
	StartupWait     time.Duration
	ShutdownGrace   time.Duration // 0: none
	ShutdownTimeout time.Duration

	// Balancer holds hostname, cluster, replay memory, listeners, routes and what
	// the data path must know of pools. Its Hostname is empty when the file names
	// none: whoever starts weir puts the machine's name there.
	Balancer balancer.Config
	Edges    []Edge // what TLS at each of Balancer.Listeners is made of

	Pools  []Pool       // in the file's order, as Balancer.Pools
	Consul *Consul      // nil: there is none
	DNS    []dns.Config // the zones that weir keeps true, in the file's order; their keys are read
	Admin  Admin

	accepted [][]string // what each listener's AcceptDomains were built from: where domains were read is shown, and they are not

	zones  []zone  // what DNS was built from: where its keys were read is shown, and they are not
	routes []route // what Balancer.Routes was built from: where patterns were read is shown, and they are not

	History int // transactions kept in memory; 0: none
	Webhook Webhook
}

// Edge is what a listener's TLS is made of; the mode is the listener's own. All
// files were there and sound when the config was read.
type Edge struct {
	Certificates []certs.Pair // none: weir makes one itself
	MinVersion   uint16       // tls.VersionTLS12 or later
	ClientCA     string       // path; empty: clients are not asked for certificates
	TicketKeys   string       // path; empty: keys of this process's own
}

// Consul is the agent that pools are found through, and what replicas share.
type Consul struct {
	Address   string // host:port, or a URL of scheme http, https or unix; empty: what CONSUL_HTTP_ADDR says, else 127.0.0.1:8500
	TokenFile string // its permissions are checked, its content is not read; empty: what CONSUL_HTTP_TOKEN says
	TLS       ConsulTLS
	Register  bool          // this replica registers itself as a service
	EmptyHold time.Duration // above 0: how long an answer that is suspiciously small is held back
}

// ConsulTLS names the PEM files for an agent that wants TLS; each may be empty.
// Cert and Key come together.
type ConsulTLS struct{ CA, Cert, Key string }

// Log is how weir logs.
type Log struct {
	Level         string // debug | info | warn | error
	Format        string // json | console
	MaskAddresses bool
}

// Pool is what rooms other than the balancer are told of a pool. It has at
// least one source of connectors: Static, Consul, DNS or File.
type Pool struct {
	backend.PoolConfig
	TLS    PoolTLS
	Relay  bool // connectors are meant to relay for anyone (P39)
	Health health.Config
	Static []backend.Spec // from `backends`, in the file's order
	Consul *PoolConsul
	DNS    *PoolDNS
	File   string // a list of backends for [ParseBackends]; empty: none
}

// PoolTLS is how connections to a pool's connectors are protected.
type PoolTLS struct {
	Mode       connector.TLSMode
	Verify     bool
	ServerName string // the name in their certificates; empty: the address of each
	CA         string // path of a PEM file; empty: whom the system trusts
	authority  string // what is in it
}

// Security is the same for a dialer.
func (t *PoolTLS) Security() connector.Security {
	s := connector.Security{Mode: t.Mode, Verify: t.Verify, ServerName: t.ServerName}
	if t.authority != "" {
		s.Roots = x509.NewCertPool()
		s.Roots.AppendCertsFromPEM([]byte(t.authority))
	}
	return s
}

// PoolConsul is the Consul service whose instances are connectors of the pool.
// It is there only when [Config].Consul is.
type PoolConsul struct {
	Service    string
	Tag        string // empty: instances with any tags
	Datacenter string // empty: the agent's own
}

// PoolDNS is the name whose records are connectors of the pool: either SRV, or
// Host and Port.
type PoolDNS struct {
	SRV      string
	Host     string
	Port     int           // 1 … 65535 with Host, else 0
	Resolver string        // IP:port; empty: the first of the machine's own
	Refresh  time.Duration // above 0: asked again so often, or sooner when the TTL is shorter
}

// Admin is the admin HTTP server.
type Admin struct {
	Address   string // host:port; empty: there is none. Not on loopback only with Tokens
	Socket    string // path of a Unix socket; empty: there is none
	Anonymous string // what needs no token, on loopback only: read | operate | none
	Tokens    []Token
	Hosts     []string // further names that a request's Host may have
	BasePath  string   // what all paths stand below; begins with a slash, and ends in none unless it is one
	Cert, Key string   // PEM files for HTTPS on Address; both or neither
}

// Webhook is where state changes are posted to.
type Webhook struct {
	URL        string // empty: nowhere
	SecretFile string // where Secret was read from; empty: nothing is signed
	Secret     string // never shown
}

// Token is the right of whoever knows Secret.
type Token struct {
	Name   string // who that is, for the log
	Role   string // read | operate
	File   string // where Secret was read from
	Secret string // at least 16 characters; never shown
}
