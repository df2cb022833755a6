package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"weir/internal/faulty"
)

// relayName is what the replicas publish themselves as.
const relayName = "relay." + dnsZone

// harbour is replicas of weir in network namespaces that serve one zone together. The connectors have an address of their
// own on the mail network: a replica can be cut off from them and from nobody else.
type harbour struct {
	*replicas
	connectorsAt string
}

// newHarbour starts n replicas before four connectors, and waits until all serve the same.
func newHarbour(t *testing.T, n int) *harbour {
	t.Helper()
	h := &harbour{replicas: &replicas{lab: newLab(t), connectors: &flock{t: t}}}
	h.connectorsAt = h.lab.mail + ".200"
	h.ip("addr add %s/24 dev wm%s", h.connectorsAt, h.lab.id)
	h.consul = startConsul(t, consulOptions{reach: []string{h.lab.control + ".1"}})
	pool := h.published(4)
	for range n {
		rm := h.add()
		h.rooms = append(h.rooms, rm)
		h.weirs = append(h.weirs, rm.startWeir(h.config(rm, pool)))
	}
	for _, w := range h.weirs {
		w.waitReady(ceiling)
		w.waitEligible(poolName, 4)
	}
	h.waitTogether()
	return h
}

// published starts connectors and returns the pool's list of them.
func (h *harbour) published(n int) string {
	h.t.Helper()
	var list []string
	for i := range n {
		c, err := faulty.New(faulty.Options{Name: backendName(i), Address: h.connectorsAt + ":0", Behaviour: faulty.Honest()})
		if err != nil {
			h.t.Fatal(err)
		}
		h.t.Cleanup(c.Close)
		h.connectors.c = append(h.connectors.c, c)
		list = append(list, fmt.Sprintf("{address: %q, name: %s, publish: 192.0.2.%d}", c.Addr(), c.Name(), i+1))
	}
	return "backends: [" + strings.Join(list, ", ") + "]"
}

func (h *harbour) config(rm *room, pool string) string {
	way := fmt.Sprintf("serve: {address: %q, ns: [ns1.example.com]}", rm.mail+":53")
	top := []string{fmt.Sprintf("consul: {address: \"%s.1:%s\"}", h.lab.control, port(h.consul.http)), "advertise: [" + rm.mail + "]", "dns:"}
	return basicConfig(opts{
		socket: true, health: dnsHealth, timeouts: shortTimeouts, pool: []string{pool, "slow_start: 0s"},
		top: append(top, zoneLines("mail.test", poolRecord+", {name: relay, type: A, replicas: true}", way)...),
	})
}

// ns is where a replica serves the zone.
func (h *harbour) ns(i int) string { return h.rooms[i].mail + ":53" }

// agree waits until these replicas show the same sets with the same serial: the pool's, and the replicas' own addresses.
func (h *harbour) agree(who []int, last []int, members ...int) {
	h.t.Helper()
	var relay []string
	for _, i := range members {
		relay = append(relay, "45 IN A "+h.rooms[i].mail)
	}
	slices.Sort(relay)
	for _, i := range who {
		h.weirs[i].waitShows(h.ns(i), "mx."+dnsZone, mdns.TypeA, addressRecords(last...))
		h.weirs[i].waitShows(h.ns(i), relayName, mdns.TypeA, relay)
	}
	var serials []uint32
	ok := poll(ceiling, func() bool {
		serials = serials[:0]
		for _, i := range who {
			serials = append(serials, serialAt(h.ns(i), dnsZone))
		}
		return serials[0] != 0 && len(slices.Compact(slices.Clone(serials))) == 1
	})
	if !ok {
		h.t.Errorf("the replicas serve serials %v, want one", serials)
	}
}

// leader waits until one of these replicas leads, and returns which.
func (h *harbour) leader(who ...int) (leader int) {
	h.t.Helper()
	eventually(h.t, 90*time.Second, func() bool {
		for _, i := range who {
			if h.weirs[i].zone("mail.test").Leader {
				leader = i
				return true
			}
		}
		return false
	}, "none of the replicas %v leads", who)
	return leader
}

// blind cuts a replica off from all connectors; the returned function ends that.
func (h *harbour) blind(i int) (cure func()) {
	h.t.Helper()
	h.ip("-n %s route add unreachable %s/32", h.rooms[i].name, h.connectorsAt)
	return func() {
		h.t.Helper()
		h.ip("-n %s route del unreachable %s/32", h.rooms[i].name, h.connectorsAt)
	}
}

// without is 0, 1 and 2 but for one.
func without(n int) []int {
	return slices.DeleteFunc([]int{0, 1, 2}, func(i int) bool { return i == n })
}

// TestDNSReplicas_OneZone: three replicas serve the same zone. When the leader sees no connector any more, the pool stays
// as it is and only the leader's own address leaves. When the leader is killed, another one takes over and writes.
func TestDNSReplicas_OneZone(t *testing.T) {
	t.Parallel()
	h := newHarbour(t, 3)
	all, four := []int{0, 1, 2}, []int{1, 2, 3, 4}
	h.agree(all, four, all...)

	first := h.leader(all...)
	others := without(first)
	var watches []*dnsWatch
	for _, i := range all {
		watches = append(watches, watchName(t, h.ns(i), "mx."+dnsZone, atLeast(4)))
	}
	cure := h.blind(first)
	h.agree(all, four, others...)
	h.weirs[first].waitSays([]string{"dns"}, "but only 1 of 3 replicas have it out")
	if n := h.weirs[first].status().eligible(poolName); n != 0 {
		t.Errorf("the blind replica has %d eligible connectors", n)
	}
	cure()
	h.agree(all, four, all...)
	for _, w := range watches {
		w.end()
	}

	h.weirs[first].kill9()
	killed := time.Now()
	h.weirs[others[0]].mustOrder(t, "c0", "drain")
	for _, i := range others {
		h.weirs[i].waitShows(h.ns(i), "mx."+dnsZone, mdns.TypeA, addressRecords(2, 3, 4))
	}
	took := time.Since(killed)
	t.Logf("another replica has written %s after the leader was killed", took.Round(100*time.Millisecond))
	if took > time.Minute {
		t.Errorf("the zone stood still for %s after the leader was killed", took)
	}
	if z := h.weirs[h.leader(others...)].zone("mail.test"); z.Epoch < 2 {
		t.Errorf("the successor says %+v, want an epoch of its own", z)
	}
	h.weirs[others[1]].mustOrder(t, "c0", "undrain")
	h.agree(others, four, others...) // the dead one's address leaves too
}
