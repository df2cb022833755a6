package demo

import (
	"fmt"
	"strings"

	"weir/config"
)

// The names in the demo's config.
const (
	listenerName = "inbound"
	poolName     = "demo"
	pageAddress  = "127.0.0.1:8025" // where the page is in real life, too
	anyAddress   = "127.0.0.1:0"    // when somebody listens there
	zoneAddress  = anyAddress       // of the embedded DNS server
)

// configText is the demo's config file. Its timeouts are far shorter than the
// defaults, so that the play does not have to wait for minutes. The probe's
// recipient has a domain, because go-smtp refuses a bare <postmaster> by itself:
// a refusal means alive, and a connector that hangs at RCPT would look well.
const configText = `hostname: weir.demo.example
state_dir: ""
startup_wait: 5s
shutdown_timeout: 10s
listeners:
  - name: inbound
    address: 127.0.0.1:0
    pool: demo
    tls: {mode: off}
pools:
  demo:
    policy: round-robin
    tls: {mode: off}
    relay: true
    timeouts: {connect: 1s, banner: 2s, ehlo: 2s, mail: 1s, rcpt: 1s, data: 2s, body: 5s, final_dot: 8s}
    health: {probe: envelope, probe_to: postmaster@demo.example, interval: 2s, fast_interval: 500ms, timeout: 2s, rise: 2, fall: 2}
    breaker: {open_for: 2s, stuck_after: {connect: 1s, banner: 1s, ehlo: 1s, mail: 1s, rcpt: 1s, data: 1s, body: 2s, final_dot: 2s}}
    slow_start: 5s
    backends:
@BACKENDS@
dns:
  - zone: demo.test
    ttl: 5s
    records: [{name: mx-pool, type: A, pool: demo}]
    serve: {address: "127.0.0.1:0", ns: [ns.demo.test], contact: hostmaster}
    hold_down: {out: 2s, in: 5s}
    min_interval: 1s
admin:
  address: "@ADMIN@"
`

// parseConfig fills in what is not known before the connectors listen, and
// takes the text the way that every config file goes.
func parseConfig(connectors []*connector, admin string) (*config.Config, error) {
	var list strings.Builder
	for i, c := range connectors {
		// What DNS shows are addresses for documentation (RFC 5737): nobody else has them.
		fmt.Fprintf(&list, "      - {name: %s, address: %q, publish: 192.0.2.%d}\n", c.name, c.address, i+1)
	}
	text := strings.NewReplacer("@BACKENDS@\n", list.String(), "@ADMIN@", admin).Replace(configText)
	cfg, _, err := config.Parse("demo.yaml", []byte(text))
	if err != nil {
		return nil, fmt.Errorf("reading the demo's config: %w", err)
	}
	return cfg, nil
}
