package serve

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	room "weir/dns"
)

// fetch transfers the zone; the error tells how it failed.
func fetch(address string, m *dns.Msg, key *room.Key) ([]dns.RR, error) {
	tr := new(dns.Transfer)
	if key != nil {
		m.SetTsig(key.Name, key.Algorithm, 300, time.Now().Unix())
		tr.TsigSecret = map[string]string{key.Name: key.Secret}
	}
	envelopes, err := tr.In(m, address)
	if err != nil {
		return nil, err
	}
	var list []dns.RR
	for e := range envelopes {
		if e.Error != nil {
			err = e.Error
		}
		list = append(list, e.RR...)
	}
	return list, err
}

func axfr() *dns.Msg {
	m := new(dns.Msg)
	m.SetAxfr(testZone)
	return m
}

func TestTransferIsForThoseWhoMay(t *testing.T) {
	here, elsewhere := netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24")
	other := testKey()
	other.Secret = "b3RoZXI="
	for _, c := range []struct {
		what     string
		prefixes []netip.Prefix
		key      *room.Key
		sign     *room.Key
		is       string // the reason of a refusal
	}{
		{"nobody is allowed", nil, nil, nil, "xfr rcode: 5"},
		{"an allowed address", []netip.Prefix{here}, nil, nil, ""},
		{"another address", []netip.Prefix{elsewhere}, nil, nil, "xfr rcode: 5"},
		{"a key is wanted", nil, testKey(), nil, "xfr rcode: 5"},
		{"an address does not replace the key", []netip.Prefix{here}, testKey(), nil, "xfr rcode: 5"},
		{"the key", nil, testKey(), testKey(), ""},
		{"key and address", []netip.Prefix{here}, testKey(), testKey(), ""},
		{"the key from elsewhere", []netip.Prefix{elsewhere}, testKey(), testKey(), "xfr rcode: 5"},
		{"the wrong secret", []netip.Prefix{here}, testKey(), other, "bad authentication"},
		{"a key that is unknown", []netip.Prefix{here}, nil, testKey(), "bad authentication"},
	} {
		t.Run(strings.ReplaceAll(c.what, " ", "-"), func(t *testing.T) {
			cfg := withFile(t, testConfig(), zoneFile+manyRecords(600))
			cfg.Serve.AllowTransfer, cfg.Serve.Key = c.prefixes, c.key
			z := newZone(t, cfg, newMemory())
			publish(t, z, addresses("mx.mail.test.", 60, "192.0.2.1"))
			address := start(t, NewServer(z))
			list, err := fetch(address, axfr(), c.sign)
			switch {
			case c.is == "" && err != nil:
				t.Error(err)
			case c.is == "" && (len(list) < 600 || !dns.IsDuplicate(list[0], list[len(list)-1])):
				t.Errorf("%d records, from %v to %v", len(list), list[0], list[len(list)-1])
			case c.is != "" && (err == nil || !strings.Contains(err.Error(), c.is)):
				t.Errorf("got %d records and %v, want %s", len(list), err, c.is)
			}
		})
	}
}

func TestIncrementalTransferIsAWholeOne(t *testing.T) {
	cfg := testConfig()
	cfg.Serve.AllowTransfer = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	z := newZone(t, cfg, newMemory())
	publish(t, z, addresses("mx.mail.test.", 60, "192.0.2.1"))
	address := start(t, NewServer(z))
	serial := z.picture.Load().serial
	for have, whole := range map[uint32]bool{serial - 1: true, serial: false, serial + 1: false} {
		m := new(dns.Msg)
		m.SetIxfr(testZone, have, "ns.", "mbox.")
		client := dns.Client{Net: "tcp"}
		reply, _, err := client.ExchangeContext(t.Context(), m, address)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(reply.Answer) > 2; got != whole || reply.Answer[0].(*dns.SOA).Serial != serial {
			t.Errorf("serial %d: %v", have, reply.Answer)
		}
	}
}

// A secondary with an older, full zone must not get one in which weir's records are
// missing.
func TestNoTransferBeforeTheFirstWrite(t *testing.T) {
	cfg := testConfig()
	cfg.Serve.AllowTransfer = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	z := newZone(t, cfg, newMemory())
	if _, err := fetch(start(t, NewServer(z)), axfr(), nil); err == nil || !strings.Contains(err.Error(), "xfr rcode: 2") {
		t.Errorf("want SERVFAIL, got %v", err)
	}
}

// Secondaries sign their questions for the SOA, too.
func TestSignedQuestions(t *testing.T) {
	cfg := testConfig()
	cfg.Serve.Key = testKey()
	z := newZone(t, cfg, newMemory())
	publish(t, z, addresses("mx.mail.test.", 60, "192.0.2.1", "192.0.2.2"))
	address := start(t, NewServer(z))
	for _, c := range []struct {
		what   string
		name   string
		secret string
		at     int64
		want   uint16
		rcode  int
	}{
		{"right", "LB-Key.", testSecret, 0, 0, dns.RcodeSuccess},
		{"wrong secret", "lb-key.", "b3RoZXI=", 0, dns.RcodeBadSig, dns.RcodeNotAuth},
		{"wrong name", "other.", testSecret, 0, dns.RcodeBadKey, dns.RcodeNotAuth},
		{"wrong clock", "lb-key.", testSecret, -1000, dns.RcodeBadTime, dns.RcodeNotAuth},
	} {
		m := question("mx.mail.test.", dns.TypeA)
		m.SetEdns0(1232, false)
		m.SetTsig(c.name, dns.HmacSHA256, 300, time.Now().Unix()+c.at)
		client := dns.Client{TsigSecret: map[string]string{c.name: c.secret}}
		reply, _, err := client.ExchangeContext(t.Context(), m, address)
		if reply == nil || reply.IsTsig() == nil {
			t.Errorf("%s: %v, %v", c.what, reply, err)
			continue
		}
		if c.want == 0 && (err != nil || len(reply.Answer) != 2) {
			t.Errorf("%s: %v, %v", c.what, reply, err)
		}
		if reply.IsTsig().Error != c.want || reply.Rcode != c.rcode {
			t.Errorf("%s: TSIG error %d, %s", c.what, reply.IsTsig().Error, dns.RcodeToString[reply.Rcode])
		}
	}
}

func TestSocketsOutliveTheServer(t *testing.T) {
	cfg := testConfig()
	z := newZone(t, cfg, newMemory())
	publish(t, z, addresses("mx.mail.test.", 60, "192.0.2.1"))
	pc, ln := sockets(t)
	defer func() { _, _ = pc.Close(), ln.Close() }()
	for range 3 {
		stop := serveOn(t, NewServer(z), pc, ln)
		for _, network := range []string{"udp", "tcp"} {
			client := dns.Client{Net: network, Timeout: 30 * time.Second}
			reply, _, err := client.ExchangeContext(t.Context(), question("mx.mail.test.", dns.TypeA), pc.LocalAddr().String())
			if err != nil || !slices.Equal(addressesOf(reply), []string{"192.0.2.1"}) {
				t.Errorf("%s: %v, %v", network, reply, err)
			}
		}
		stop()
	}
}
