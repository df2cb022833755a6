package integration

import (
	"fmt"
	"strings"
)

// poolName is the pool of basicConfig.
const poolName = "internet"

// opts says what basicConfig's file should differ in. The fields of text hold whole YAML lines without indentation,
// added at that level.
type opts struct {
	backends []string // addresses; the connectors are named c0, c1 …; none: the pool has other sources
	keys     []string // further keys of each of them, such as "weight: 300"
	policy   string   // empty: round-robin, so that tests know whom a message meets; unnamed: the file names none
	routed   bool     // the listener goes by routes, and has no pool of its own
	pools    string   // further pools, whole
	more     []string // further listeners, each a flow map
	socket   bool     // the admin server has a socket, not an address
	timeouts string   // a flow map, such as "{mail: 1s}"; empty: short ones, so that a broken test ends
	health   string   // a flow map; empty: envelope probes, several a second
	top      []string
	admin    []string
	listener []string
	pool     []string
	token    string // a file with the token that the test itself uses
}

// unnamed leaves the choice of a policy to weir.
const unnamed = "-"

const (
	defaultTimeouts = "{connect: 2s, banner: 10s, ehlo: 10s, mail: 10s, rcpt: 10s, data: 10s, body: 20s, final_dot: 60s}"
	defaultHealth   = "{probe: envelope, interval: 500ms, fast_interval: 200ms, timeout: 5s, rise: 2, fall: 2}"
)

// backendName is the name of connector i in basicConfig's file.
func backendName(i int) string { return fmt.Sprintf("c%d", i) }

// basicConfig is the config of one listener and one pool of N connectors, TLS off on both sides. @SMTP@,
// @ADMIN@ and @STATE@ are filled in by launchWeir.
func basicConfig(o opts) string {
	var b strings.Builder
	b.WriteString("hostname: weir.test.example\nshutdown_timeout: 20s\n")
	addLines(&b, "", o.top)
	where := "address"
	if o.socket {
		where = "socket"
	}
	fmt.Fprintf(&b, "state_dir: \"@STATE@\"\nadmin:\n  %s: \"@ADMIN@\"\n", where)
	addLines(&b, "  ", o.admin)
	b.WriteString("listeners:\n  - name: inbound\n    address: \"@SMTP@\"\n    mode: smtp\n")
	if !o.routed {
		fmt.Fprintf(&b, "    pool: %s\n", poolName)
	}
	b.WriteString("    tls: {mode: off}\n")
	addLines(&b, "    ", o.listener)
	for _, l := range o.more {
		fmt.Fprintf(&b, "  - %s\n", l)
	}
	fmt.Fprintf(&b, "pools:\n  %s:\n    tls: {mode: off}\n", poolName)
	if o.policy != unnamed {
		fmt.Fprintf(&b, "    policy: %s\n", or(o.policy, "round-robin"))
	}
	fmt.Fprintf(&b, "    timeouts: %s\n", or(o.timeouts, defaultTimeouts))
	fmt.Fprintf(&b, "    health: %s\n", or(o.health, defaultHealth))
	addLines(&b, "    ", o.pool)
	if len(o.backends) > 0 {
		b.WriteString("    backends:\n")
	}
	for i, addr := range o.backends {
		keys := ""
		if i < len(o.keys) && o.keys[i] != "" {
			keys = ", " + o.keys[i]
		}
		fmt.Fprintf(&b, "      - {address: \"%s\", name: %s%s}\n", addr, backendName(i), keys)
	}
	return b.String() + o.pools
}

func addLines(b *strings.Builder, indent string, lines []string) {
	for _, l := range lines {
		b.WriteString(indent + l + "\n")
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
