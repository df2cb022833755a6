package integration

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
)

// TestDNSChaos: while connectors come and go and operators drain and undrain at random, the zone is written no more
// often than the interval allows and never falls below the floor; in the end it says what is so.
func TestDNSChaos(t *testing.T) {
	t.Parallel()
	p := startPrimary(t, "bind")
	f := newPublished(t, p, p.key)
	p.waitShown(f.weir, 1, 2, 3, 4)
	w := watchName(t, p.addr, "mx."+dnsZone, atLeast(2))
	before, begun := serialAt(p.addr, dnsZone), time.Now()

	var trouble sync.WaitGroup
	for i := range f.c {
		trouble.Go(func() { f.flap(i) })
	}
	trouble.Go(f.meddle)
	trouble.Wait()
	for i := range f.c {
		f.mustOrder(t, backendName(i), "undrain")
	}
	f.waitEligible(poolName, len(f.c))
	p.waitShown(f.weir, 1, 2, 3, 4)
	w.end()

	writes, most := int(serialAt(p.addr, dnsZone)-before), int(time.Since(begun)/time.Second)+2 // BIND counts changes
	if writes < 2 || writes > most {
		t.Errorf("%d writes, want at least 2 and with one a second at most %d", writes, most)
	}
	t.Logf("%d writes in %s", writes, time.Since(begun).Round(time.Second))
	if z := f.zone("mail.test"); z.LastError != "" || z.Writes["written"] < int64(writes) {
		t.Errorf("the status says %+v, and the zone was written %d times", z, writes)
	}
	if got := p.ask("www."+dnsZone, mdns.TypeA); !slices.Equal(got, []string{"300 IN A 192.0.2.80"}) {
		t.Errorf("somebody else's record is %v", got)
	}
}

// flap has a connector refuse now and then, twice in some 15 s: with a third time it would be held for flapping.
func (f *flock) flap(i int) {
	for range 2 {
		time.Sleep(rand.N(5 * time.Second))
		f.c[i].Refuse()
		f.c[i].DropConnections(true)
		time.Sleep(time.Second + rand.N(2*time.Second))
		if err := f.c[i].Accept(); err != nil {
			f.t.Errorf("opening %s again: %v", f.c[i].Name(), err)
		}
	}
}

// meddle drains and undrains connectors at random for some 15 s, whether that is wise or not.
func (f *flock) meddle() {
	for range 40 {
		verb := []string{"drain", "undrain"}[rand.IntN(2)]
		body := map[string]any{"reason": "meddling"}
		if verb == "drain" {
			body["force"] = true
		}
		if code, answer := f.order(backendName(rand.IntN(len(f.c))), verb, body); code != 200 {
			f.t.Errorf("%s: %d, %+v", verb, code, answer)
		}
		time.Sleep(rand.N(700 * time.Millisecond))
	}
}
