package integration

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	mdns "github.com/miekg/dns"

	"weir/internal/faulty"
)

// shore is connectors that senders reach directly, each at an address of its own and all on one port, and weir beside
// them, which only keeps their addresses in DNS.
type shore struct {
	*flock
	ns    string
	addrs []string
	port  string
}

// newShore starts n connectors and a weir that serves mail.test: its MX is mx.mail.test, with their addresses.
func newShore(t *testing.T, n int) *shore {
	t.Helper()
	s := &shore{flock: &flock{t: t}, ns: freeAddr(t), port: port(freeAddr(t))}
	prefix := fmt.Sprintf("127.%d.%d", 2+rand.IntN(250), rand.IntN(250))
	var backends []string
	for i := range n {
		s.addrs = append(s.addrs, fmt.Sprintf("%s.%d", prefix, i+1))
		c, err := faulty.New(faulty.Options{Name: backendName(i), Address: s.addrs[i] + ":" + s.port, Behaviour: faulty.Honest()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		s.c = append(s.c, c)
		backends = append(backends, c.Addr())
	}
	rest := writeConfig(t, "@ 300 MX 10 mx\nns1 300 A 192.0.2.53\n")
	way := fmt.Sprintf("serve: {address: %q, ns: [ns1.mail.test], zone_file: %q}", s.ns, rest)
	s.weir = startWeir(t, basicConfig(opts{
		backends: backends, health: dnsHealth, timeouts: shortTimeouts, pool: []string{"slow_start: 0s"},
		top: append([]string{"dns:"}, zoneLines("mail.test", poolRecord, way)...),
	}))
	s.shows(0, 1, 2, 3)
	return s
}

// shows waits until the name has the addresses of these connectors.
func (s *shore) shows(which ...int) {
	s.t.Helper()
	var want []string
	for _, i := range which {
		want = append(want, "45 IN A "+s.addrs[i])
	}
	slices.Sort(want)
	s.waitShows(s.ns, servedName, mdns.TypeA, want)
}

// TestDNSFollowed: senders that find the connectors by DNS deliver everything while one refuses, one is drained and one
// hangs, and while each is withdrawn and comes back. Nothing bounces.
func TestDNSFollowed(t *testing.T) {
	t.Parallel()
	s := newShore(t, 4)
	w := watchName(t, s.ns, servedName, atLeast(2))
	l := startFollowing(t, 3, newFollower(s.ns, "mail.test.", s.port))
	l.flows(20)

	s.c[0].Refuse()
	s.c[0].DropConnections(true)
	s.shows(1, 2, 3)
	l.flows(20)
	if err := s.c[0].Accept(); err != nil {
		t.Fatal(err)
	}
	s.shows(0, 1, 2, 3)

	s.mustCtl("drain", "c1")
	s.shows(0, 2, 3)
	at := s.c[1].Stats().Messages
	l.flows(20)
	// Those who asked before it was withdrawn may still have come.
	if n := s.c[1].Stats().Messages - at; n > 3 {
		t.Errorf("c1 is withdrawn and got %d messages of senders that follow DNS", n)
	}
	s.mustCtl("undrain", "c1")
	s.shows(0, 1, 2, 3)

	s.c[2].Hurt(faulty.At(faulty.Banner, faulty.Mute))
	s.shows(0, 1, 3) // half a minute after c0 left, not before
	l.flows(20)
	s.c[2].Heal()
	s.shows(0, 1, 2, 3)
	got := s.c[2].Stats().Messages
	eventually(t, ceiling, func() bool { return s.c[2].Stats().Messages > got }, "c2 is back in DNS and gets no mail")
	w.end()
	checkStored(t, s.c, l.end())
}
