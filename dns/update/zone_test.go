package update

import (
	"fmt"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// zoneText is the zone before weir comes: all of it is somebody else's.
const zoneText = `$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
@ TXT "v=spf1 -all"
ns A 192.0.2.53
www A 192.0.2.80
alias CNAME www
other A 192.0.2.98
_weir.other TXT "owner=weir-other"
* TXT "v=spf1 -all"
*.wild A 192.0.2.70
*.wild TXT "v=spf1 -all"
`

// grants is what docs/dns-update.md says that a key needs: two names of weir's own, and
// each name of a record with its types.
const grants = `
 grant weir name _epoch.weir-test.mail.test. TXT;
 grant weir name mx.mail.test. A AAAA;  grant weir name _weir.mx.mail.test. TXT;
 grant weir name mail.test. MX;  grant weir name _weir.mail.test. TXT;
 grant weir name other.mail.test. A;  grant weir name _weir.other.mail.test. TXT;
 grant weir name alias.mail.test. A;  grant weir name _weir.alias.mail.test. TXT;
 grant weir name www.mail.test. A;  grant weir name _weir.www.mail.test. TXT;
 grant weir name in.wild.mail.test. A;  grant weir name _weir.in.wild.mail.test. TXT;
 grant root zonesub ANY;
`

// bindConfig keeps the journal in a directory of its own, which a test can take away.
func (p *primary) bindConfig(port string) string {
	p.mkdir("journal")
	return fmt.Sprintf(`options { directory %q; pid-file none; session-keyfile none; lock-file none;
 listen-on port %s { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; dnssec-validation no; notify no; };
controls { };
key "weir" { algorithm hmac-sha256; secret %q; };
key "root" { algorithm hmac-sha256; secret %q; };
zone "mail.test" { type primary; file "zone"; journal "journal/zone.jnl"; allow-transfer { key root; };
 update-policy { %s }; };
`, p.dir, port, weirKey.Secret, rootKey.Secret, grants)
}

func (p *primary) knotConfig(port string) string {
	p.mkdir("db")
	return strings.NewReplacer("@DIR@", p.dir, "@PORT@", port, "@WEIR@", weirKey.Secret, "@ROOT@", rootKey.Secret).Replace(`server:
    listen: 127.0.0.1@@PORT@
    rundir: @DIR@
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: info
database:
    storage: @DIR@/db
key:
  - id: weir.
    algorithm: hmac-sha256
    secret: @WEIR@
  - id: root.
    algorithm: hmac-sha256
    secret: @ROOT@
acl:
  - id: weir
    key: weir.
    action: update
    update-type: [A, AAAA, MX, TXT]
    update-owner: name
    update-owner-match: equal
    update-owner-name: [_epoch.weir-test, mx, _weir.mx, mail.test., _weir, other, _weir.other, alias, _weir.alias, www, _weir.www, in.wild, _weir.in.wild]
  - id: root
    key: root.
    action: [update, transfer]
zone:
  - domain: mail.test.
    file: @DIR@/zone
    acl: [weir, root]
`)
}

// edit is what the zone's own people do to it: records to add, and to remove.
func (p *primary) edit(add, remove []string) {
	p.t.Helper()
	m := new(mdns.Msg).SetUpdate(zone)
	m.Remove(rrs(p.t, remove...))
	m.Insert(rrs(p.t, add...))
	c, err := targetAt(rootKey, p.addr).dial(p.t.Context(), p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	defer c.end()
	reply, err := c.ask(p.t.Context(), []*mdns.Msg{m})
	if err != nil || reply[0].Rcode != mdns.RcodeSuccess {
		p.t.Fatalf("editing the zone: %v, %v", reply, err)
	}
}

func rrs(t testing.TB, texts ...string) []mdns.RR {
	t.Helper()
	var all []mdns.RR
	for _, text := range texts {
		rr, err := mdns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rr)
	}
	return all
}

// dump is the whole zone by transfer, a record a line, without the SOA.
func (p *primary) dump() map[string]bool {
	p.t.Helper()
	m := new(mdns.Msg)
	m.SetAxfr(zone)
	m.SetTsig(rootKey.Name, rootKey.Algorithm, 300, time.Now().Unix())
	tr := &mdns.Transfer{TsigSecret: map[string]string{rootKey.Name: rootKey.Secret}}
	answers, err := tr.In(m, p.addr)
	if err != nil {
		p.t.Fatalf("transferring the zone: %v", err)
	}
	all := map[string]bool{}
	for e := range answers {
		if e.Error != nil {
			p.t.Fatalf("transferring the zone: %v", e.Error)
		}
		for _, rr := range e.RR {
			if rr.Header().Rrtype != mdns.TypeSOA {
				all[strings.Join(strings.Fields(rr.String()), " ")] = true
			}
		}
	}
	return all
}
