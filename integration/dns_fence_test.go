package integration

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
)

const (
	sharedZone = "in.test."
	sharedName = "mx." + sharedZone
)

// isUpdate tells an UPDATE (RFC 2136) on a stream from a question.
func isUpdate(sent []byte) bool { return len(sent) > 14 && int(sent[4]>>3&15) == mdns.OpcodeUpdate }

// isZonePut tells a write of a zone that is shared in Consul from its other requests.
func isZonePut(sent []byte) bool {
	line, _, _ := bytes.Cut(sent, []byte("\r\n"))
	return bytes.HasPrefix(line, []byte("PUT /v1/kv/weir/default/dns/")) && bytes.Contains(line, []byte("/zone?"))
}

// fenced is two replicas that keep two zones together: mail.test in a BIND, and in.test, which they serve themselves.
// What the first one writes passes through gates.
type fenced struct {
	t             *testing.T
	bind          *namePrimary
	consul        *consulAgent
	updates, puts *gate
	pool          string
	first, second *weir
	ns            []string // where each serves in.test
}

func newFenced(t *testing.T) *fenced {
	t.Helper()
	x := &fenced{t: t, bind: startPrimary(t, "bind"), consul: startConsul(t, consulOptions{})}
	x.updates, x.puts = newGate(t, x.bind.addr, isUpdate), newGate(t, x.consul.http, isZonePut)
	f := &flock{t: t}
	x.pool = f.publishAs(4)
	x.first = x.start(x.updates.addr, x.puts.addr)
	eventually(t, time.Minute, func() bool { return x.leads(x.first) }, "the first replica does not lead: %s", later(x.first))
	x.second = x.start(x.bind.addr, x.consul.http)
	return x
}

// start starts a replica.
func (x *fenced) start(bind, consul string) *weir {
	x.t.Helper()
	ns := freeAddr(x.t)
	x.ns = append(x.ns, ns)
	top := []string{fmt.Sprintf("consul: {address: %q, register: false}", consul), "dns:"}
	top = append(top, zoneLines("mail.test", poolRecord, fmt.Sprintf("update: {servers: [%q], key_file: %q}", bind, x.bind.key))...)
	top = append(top, zoneLines("in.test", poolRecord, fmt.Sprintf("serve: {address: %q, ns: [ns1.example.com]}", ns))...)
	w := startWeir(x.t, basicConfig(opts{health: dnsHealth, timeouts: shortTimeouts, pool: []string{x.pool, "slow_start: 0s"}, top: top}))
	w.waitEligible(poolName, 4)
	return w
}

func (x *fenced) leads(w *weir) bool { return w.zone("mail.test").Leader && w.zone("in.test").Leader }

// shows waits until both zones have these addresses, wherever they are asked for.
func (x *fenced) shows(by *weir, last ...int) {
	x.t.Helper()
	by.waitShows(x.bind.addr, "mx."+dnsZone, mdns.TypeA, addressRecords(last...))
	by.waitShows(x.ns[1], sharedName, mdns.TypeA, addressRecords(last...))
}

// TestDNSReplicas_LateWriteIsFenced: the leader is stopped with its writes on the way. The other takes over and writes;
// then the writes of the first one arrive, and then it wakes up. Both zones say what the second one wrote.
func TestDNSReplicas_LateWriteIsFenced(t *testing.T) {
	t.Parallel()
	x := newFenced(t)
	x.shows(x.first, 1, 2, 3, 4)
	x.updates.hold()
	x.puts.hold()
	x.first.mustOrder(t, "c0", "drain")
	eventually(t, ceiling, func() bool { return x.updates.writes() > 0 && x.puts.writes() > 0 }, "the leader has not written to both zones")
	x.first.signal(syscall.SIGSTOP)
	stopped := time.Now()
	t.Cleanup(func() { x.first.signal(syscall.SIGCONT) })

	x.second.waitShows(x.bind.addr, "mx."+dnsZone, mdns.TypeA, addressRecords(2, 3, 4))
	x.second.waitShows(x.ns[1], sharedName, mdns.TypeA, addressRecords(2, 3, 4))
	t.Logf("the successor has written %s after the leader was stopped", time.Since(stopped).Round(100*time.Millisecond))
	x.second.mustOrder(t, "c0", "undrain")
	x.second.mustOrder(t, "c1", "drain")
	x.shows(x.second, 1, 3, 4)

	bind := watchName(t, x.bind.addr, "mx."+dnsZone, never(addressRecords(2, 3, 4)))
	own := watchName(t, x.ns[1], sharedName, never(addressRecords(2, 3, 4)))
	for _, answer := range x.updates.release() {
		if len(answer) < 14 || int(answer[5]&15) != mdns.RcodeNXRrset {
			t.Errorf("BIND answered the late update with %x, want NXRRSET", answer)
		}
	}
	for _, answer := range x.puts.release() {
		if !strings.HasPrefix(string(answer), "HTTP/1.1 200") || !strings.HasSuffix(strings.TrimSpace(string(answer)), "false") {
			t.Errorf("Consul answered the late write with %q, want false", answer)
		}
	}
	x.first.signal(syscall.SIGCONT)
	eventually(t, ceiling, func() bool { return !x.leads(x.first) && x.leads(x.second) }, "the first one leads still: %s", later(x.first))
	x.second.mustOrder(t, "c2", "drain")
	x.shows(x.second, 1, 4)
	x.first.waitShows(x.ns[0], sharedName, mdns.TypeA, addressRecords(1, 4)) // it serves what the other wrote
	bind.end()
	own.end()
	if a, b := serialAt(x.ns[0], sharedZone), serialAt(x.ns[1], sharedZone); a != b || a == 0 {
		t.Errorf("the replicas serve serials %d and %d", a, b)
	}
	for _, name := range []string{"mail.test", "in.test"} {
		if z := x.second.zone(name); z.Epoch < 2 || z.LastError != "" {
			t.Errorf("the second replica says of %s: %+v, want epoch 2 or more", name, z)
		}
	}
}
