package update

import (
	"testing"
	"time"

	mdns "github.com/miekg/dns"
)

// FuzzAnswer reads whatever a server may send: nothing of it is believed without a
// signature, and nothing of it may end the process.
func FuzzAnswer(f *testing.F) {
	m := new(mdns.Msg).SetUpdate(zone)
	m.Response = true
	m.SetTsig(weirKey.Name, weirKey.Algorithm, fudge, time.Unix(1_800_000_000, 0).Unix())
	signed, mac, err := mdns.TsigGenerate(m, rootKey.Secret, "", false)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	m.Rcode = mdns.RcodeNotAuth
	m.SetTsig(weirKey.Name, weirKey.Algorithm, fudge, 0)
	m.IsTsig().Error, m.IsTsig().OtherData, m.IsTsig().OtherLen = mdns.RcodeBadTime, "00006b49d200", 6
	refused, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(refused)
	c := &conn{server: "192.0.2.53:53", zone: zone, key: weirKey, now: time.Now}
	f.Fuzz(func(t *testing.T, wire []byte) {
		if len(wire) < 12 {
			return // receive has refused it
		}
		m, err := c.open(wire, mac)
		// A NOTAUTH is taken as it comes: it never says that something was done.
		if err == nil && m.Rcode != mdns.RcodeNotAuth {
			t.Errorf("believed: %v", m)
		}
	})
}
