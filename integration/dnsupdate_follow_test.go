package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	mdns "github.com/miekg/dns"
)

// newPublished is weir before four connectors, which publish 192.0.2.1 to .4 as mx.mail.test on a real name server.
func newPublished(t *testing.T, p *namePrimary, keyFile string) *flock {
	t.Helper()
	f := &flock{t: t}
	backends := make([]string, 4)
	for i := range backends {
		c := f.connector(backendName(i))
		backends[i] = fmt.Sprintf("{address: %q, name: %s, publish: 192.0.2.%d}", c.Addr(), backendName(i), i+1)
	}
	o := opts{
		health:   "{probe: ehlo, interval: 300ms, fast_interval: 100ms, timeout: 5s, rise: 2, fall: 2}",
		timeouts: shortTimeouts,
		pool:     []string{"backends: [" + strings.Join(backends, ", ") + "]", "slow_start: 0s"},
		top: []string{
			"dns:", "  - zone: mail.test", "    ttl: 45s", "    records: [{name: mx, type: A, pool: " + poolName + "}]",
			"    hold_down: {out: 1s, in: 1s}", "    min_interval: 1s",
			fmt.Sprintf("    update: {servers: [%q], key_file: %q}", p.addr, keyFile),
		},
	}
	f.weir = startWeir(t, basicConfig(o))
	f.waitEligible(poolName, len(backends))
	return f
}

// onPrimaries runs a test on BIND and on Knot.
func onPrimaries(t *testing.T, test func(t *testing.T, p *namePrimary)) {
	for _, kind := range []string{"bind", "knot"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, startPrimary(t, kind))
		})
	}
}

// TestDNSUpdate_FollowsConnectors: a drained connector leaves DNS and returns, and so does one that is ejected and cured;
// the zone's other records stay as they are.
func TestDNSUpdate_FollowsConnectors(t *testing.T) {
	t.Parallel()
	onPrimaries(t, func(t *testing.T, p *namePrimary) {
		f := newPublished(t, p, p.key)
		p.waitShown(f.weir, 1, 2, 3, 4)
		f.mustCtl("drain", "c0", "--reason", "new disks")
		p.waitShown(f.weir, 2, 3, 4)
		f.mustCtl("undrain", "c0")
		p.waitShown(f.weir, 1, 2, 3, 4)
		f.c[1].Refuse()
		p.waitShown(f.weir, 1, 3, 4)
		if err := f.c[1].Accept(); err != nil {
			t.Fatal(err)
		}
		p.waitShown(f.weir, 1, 2, 3, 4)
		for name, want := range map[string][]string{
			"ns." + dnsZone:       {"300 IN A 192.0.2.53"},
			"www." + dnsZone:      {"300 IN A 192.0.2.80"},
			"_weir.mx." + dnsZone: nil,
		} {
			if got := p.ask(name, mdns.TypeA); !slices.Equal(got, want) {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		if got := p.ask(dnsZone, mdns.TypeTXT); !slices.Equal(got, []string{`300 IN TXT "v=spf1 -all"`}) {
			t.Errorf("the zone's own TXT is %v", got)
		}
		if got := p.ask("_weir.mx."+dnsZone, mdns.TypeTXT); len(got) != 1 || !strings.Contains(got[0], "owner=weir-default") {
			t.Errorf("the owner is %v", got)
		}
	})
}

// TestDNSUpdate_Outage: a primary that is away keeps what it had, and when it is back it gets the present truth.
func TestDNSUpdate_Outage(t *testing.T) {
	t.Parallel()
	onPrimaries(t, func(t *testing.T, p *namePrimary) {
		f := newPublished(t, p, p.key)
		p.waitShown(f.weir, 1, 2, 3, 4)
		p.kill9()
		f.mustCtl("drain", "c0")
		eventually(t, ceiling, func() bool {
			return strings.Contains(f.ctl("dns").stdout, "connecting to "+p.addr+" by TCP")
		}, "weir dns does not name the primary that is away")
		f.mustCtl("drain", "c1")
		f.mustCtl("undrain", "c0")
		p.start()
		p.waitShown(f.weir, 1, 3, 4)
	})
}

// TestDNSUpdate_WrongKey: the sentence says what to do, and nothing is written.
func TestDNSUpdate_WrongKey(t *testing.T) {
	t.Parallel()
	onPrimaries(t, func(t *testing.T, p *namePrimary) {
		p.write("other.key", "key \"weir\" { algorithm hmac-sha256; secret \"QUJDREVGR0hJSktMTU5PUA==\"; };\n")
		f := newPublished(t, p, strings.Replace(p.key, "weir.key", "other.key", 1))
		eventually(t, ceiling, func() bool {
			return strings.Contains(f.ctl("dns").stdout, "has another secret for the key weir.")
		}, "weir dns does not tell of the wrong secret")
		if got := p.ask("mx."+dnsZone, mdns.TypeA); len(got) != 0 {
			t.Errorf("it was written all the same: %v", got)
		}
	})
}
