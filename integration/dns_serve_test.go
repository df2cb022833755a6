package integration

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
)

// servedName is what the embedded server publishes the pool's addresses as.
const servedName = "mx." + dnsZone

// servedRest is the file of what is not weir's in an embedded zone.
const servedRest = "$TTL 300\nns1 A 192.0.2.53\nwww A 192.0.2.80\n"

// newServed is weir with an embedded zone for four connectors, of which the last costs more. It answers at ns.
func newServed(t *testing.T) (f *flock, ns string) {
	t.Helper()
	f, ns = &flock{t: t}, freeAddr(t)
	records := poolRecord + ", {name: \"@\", type: MX, pool: " + poolName + ", preference: 10}, {name: _smtp._tcp, type: SRV, pool: " + poolName + "}"
	way := fmt.Sprintf("serve: {address: %q, ns: [ns1.mail.test], zone_file: %q, allow_transfer: [192.0.2.53/32]}", ns, writeConfig(t, servedRest))
	f.weir = startWeir(t, basicConfig(opts{
		health: dnsHealth, timeouts: shortTimeouts, pool: []string{f.publishAs(4, "", "", "", "cost: 10"), "slow_start: 0s"},
		top: append([]string{"dns:"}, zoneLines("mail.test", records, way)...),
	}))
	f.waitEligible(poolName, 4)
	return f, ns
}

// TestDNSServe_EndToEnd: what weir serves is what `dig` shows: the sets with their TTL, without a connector that is
// drained, never below the floor, and with a serial that only grows, also over a restart.
func TestDNSServe_EndToEnd(t *testing.T) {
	t.Parallel()
	f, ns := newServed(t)
	f.waitShows(ns, servedName, mdns.TypeA, addressRecords(1, 2, 3, 4))
	w := watchName(t, ns, servedName, atLeast(2))
	servedSets(t, f, ns)
	servedRefusals(t, ns)

	first := serialAt(ns, dnsZone)
	f.mustCtl("drain", "c0", "--reason", "new disks")
	f.waitShows(ns, servedName, mdns.TypeA, addressRecords(2, 3, 4))
	if mx := shown(ns, dnsZone, mdns.TypeMX); len(mx) != 3 || strings.Contains(fmt.Sprint(mx), "c0") {
		t.Errorf("with c0 drained the MX set is %v", mx)
	}
	f.mustCtl("undrain", "c0")
	f.waitShows(ns, servedName, mdns.TypeA, addressRecords(1, 2, 3, 4))

	for _, name := range []string{"c0", "c1", "c2"} {
		f.mustCtl("drain", name, "--force")
	}
	f.waitShows(ns, servedName, mdns.TypeA, addressRecords(3, 4)) // c2 stays: the floor is two
	f.waitSays([]string{"dns"}, "only 2 are left: the floor is 2")
	grown := serialAt(ns, dnsZone)
	if grown <= first {
		t.Errorf("the serial was %d and is %d after changes", first, grown)
	}
	f.restart()
	if again := serialAt(ns, dnsZone); again < grown {
		t.Errorf("the serial was %d and is %d after a restart", grown, again)
	}
	for _, name := range []string{"c0", "c1", "c2"} {
		f.mustCtl("undrain", name)
	}
	f.waitShows(ns, servedName, mdns.TypeA, addressRecords(1, 2, 3, 4))
	if last := serialAt(ns, dnsZone); last <= grown {
		t.Errorf("the serial was %d before a restart, and is %d after another change", grown, last)
	}
	w.end()
}

// restart ends weir as an operator does, and starts it again with what it kept.
func (f *flock) restart() {
	f.t.Helper()
	f.signal(syscall.SIGTERM)
	if code := f.waitExit(stopCeiling); code != 0 {
		f.t.Fatalf("SIGTERM: exit %d", code)
	}
	f.weir = f.again()
}

// servedSets looks at each kind of record, by UDP and by TCP.
func servedSets(t *testing.T, f *flock, ns string) {
	t.Helper()
	var mx, srv []string
	for i, c := range f.c {
		cost := map[bool]int{true: 10}[i == 3]
		mx = append(mx, fmt.Sprintf("45 IN MX %d %s.mail.test.", 10+cost, c.Name()))
		srv = append(srv, fmt.Sprintf("45 IN SRV %d 100 %s %s.mail.test.", cost, port(c.Addr()), c.Name()))
	}
	slices.Sort(mx)
	slices.Sort(srv)
	for _, tt := range []struct {
		name string
		kind uint16
		want []string
	}{
		{servedName, mdns.TypeA, addressRecords(1, 2, 3, 4)},
		{strings.ToUpper(servedName), mdns.TypeA, addressRecords(1, 2, 3, 4)},
		{dnsZone, mdns.TypeMX, mx},
		{"_smtp._tcp." + dnsZone, mdns.TypeSRV, srv},
		{"c2." + dnsZone, mdns.TypeA, addressRecords(3)},
		{dnsZone, mdns.TypeNS, []string{"300 IN NS ns1.mail.test."}},
		{"www." + dnsZone, mdns.TypeA, []string{"300 IN A 192.0.2.80"}},
		{"_weir." + servedName, mdns.TypeTXT, []string{`45 IN TXT "owner=weir-default"`}},
		{servedName, mdns.TypeAAAA, nil},
	} {
		for _, network := range []string{"udp", "tcp"} {
			reply, err := askName(network, ns, tt.name, tt.kind)
			if err != nil || reply.Rcode != mdns.RcodeSuccess || !reply.Authoritative {
				t.Errorf("%s %s by %s: %v, %v", tt.name, mdns.TypeToString[tt.kind], network, reply, err)
				continue
			}
			got := recordsIn(reply)
			if tt.kind == mdns.TypeNS || tt.kind == mdns.TypeTXT { // whose TTL is the server's own matter
				tt.want[0], got[0] = tt.want[0][strings.Index(tt.want[0], "IN"):], got[0][strings.Index(got[0], "IN"):]
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s %s by %s: %v, want %v", tt.name, mdns.TypeToString[tt.kind], network, got, tt.want)
			}
		}
	}
}

// servedRefusals asks for what the server must not give.
func servedRefusals(t *testing.T, ns string) {
	t.Helper()
	update := new(mdns.Msg).SetUpdate(dnsZone)
	rr, err := mdns.NewRR(servedName + " 60 IN A 192.0.2.66")
	if err != nil {
		t.Fatal(err)
	}
	update.Insert([]mdns.RR{rr})
	for what, tt := range map[string]struct {
		question *mdns.Msg
		want     int
	}{
		"recursion":         {new(mdns.Msg).SetQuestion("example.com.", mdns.TypeA), mdns.RcodeRefused},
		"an UPDATE":         {update, mdns.RcodeRefused},
		"a stranger's AXFR": {new(mdns.Msg).SetAxfr(dnsZone), mdns.RcodeRefused},
		"a name without us": {new(mdns.Msg).SetQuestion("nobody."+dnsZone, mdns.TypeA), mdns.RcodeNameError},
	} {
		reply, _, err := (&mdns.Client{Net: "tcp", Timeout: 5 * time.Second}).Exchange(tt.question, ns)
		if err != nil || reply.Rcode != tt.want || len(reply.Answer) != 0 || reply.RecursionAvailable {
			t.Errorf("%s: %v, %v; want %s", what, reply, err, mdns.RcodeToString[tt.want])
		}
	}
	if got := shown(ns, servedName, mdns.TypeA); !slices.Equal(got, addressRecords(1, 2, 3, 4)) {
		t.Errorf("after an UPDATE it shows %v", got)
	}
}

// TestDNSServe_Commands: what `weir dns` says and orders, and what the status and /metrics tell of it.
func TestDNSServe_Commands(t *testing.T) {
	t.Parallel()
	f, ns := newServed(t)
	f.waitShows(ns, servedName, mdns.TypeA, addressRecords(1, 2, 3, 4))
	f.waitSays([]string{"dns"}, "mail.test\tserve\tleader\tok\t1\t", servedName+"\tA\t192.0.2.1\tpublished\tdesired")
	if out := f.mustCtl("dns", "--diff"); strings.Contains(out, servedName) {
		t.Errorf("nothing differs, and weir dns --diff says:\n%s", out)
	}
	if z := f.zone("mail.test"); z.Mode != "serve" || !z.Leader || z.Epoch != 1 || z.LagSeconds != 0 || z.LastError != "" || z.Writes["written"] == 0 {
		t.Errorf("the status says %+v", z)
	}

	if r := f.ctl("dns", "freeze"); r.code != 2 || !strings.Contains(r.stderr, "--reason is missing") {
		t.Errorf("weir dns freeze without a reason: exit %d, %s", r.code, r.stderr)
	}
	if said := f.mustCtl("dns", "freeze", "--reason", "the disk is full"); said != "mail.test: frozen: nothing is written until weir dns thaw\n" {
		t.Errorf("weir dns freeze said %q", said)
	}
	f.mustCtl("drain", "c0")
	// It is late by several times the interval between writes, and yet nothing was written.
	eventually(t, ceiling, func() bool { return f.zone("mail.test").LagSeconds > 3 }, "the frozen zone is not late: %+v", f.zone("mail.test"))
	if got := shown(ns, servedName, mdns.TypeA); !slices.Equal(got, addressRecords(1, 2, 3, 4)) {
		t.Errorf("frozen, it shows %v", got)
	}
	f.waitSays([]string{"dns", "--diff"}, "frozen", servedName+"\tA\t192.0.2.1\tpublished\t-")
	if z := f.zone("mail.test"); z.Frozen == nil || z.Frozen.Reason != "the disk is full" || z.Frozen.Released {
		t.Errorf("frozen, the status says %+v", z)
	}
	servedMetrics(t, f)

	if said := f.mustCtl("dns", "thaw"); said != "mail.test: written again\n" {
		t.Errorf("weir dns thaw said %q", said)
	}
	f.waitShows(ns, servedName, mdns.TypeA, addressRecords(2, 3, 4))
	servedRelease(t, f, ns)
	f.refused([]string{"dns", "thaw", "mail.tset"}, `there is no zone "mail.tset"`, `did you mean "mail.test"?`)
}

// servedMetrics looks at /metrics while the zone is late.
func servedMetrics(t *testing.T, f *flock) {
	t.Helper()
	code, text, err := f.get("/metrics")
	if err != nil || code != 200 {
		t.Fatalf("/metrics: %d, %v", code, err)
	}
	var written, lag float64
	for line := range strings.Lines(string(text)) {
		_, _ = fmt.Sscanf(line, `weir_dns_updates_total{result="written",zone="mail.test"} %g`, &written)
		_, _ = fmt.Sscanf(line, `weir_dns_lag_seconds{zone="mail.test"} %g`, &lag)
	}
	if written < 1 || lag < 3 {
		t.Errorf("/metrics tells of %g writes and a lag of %g s, want one or more, and 3 s or more", written, lag)
	}
}

// servedRelease gives the zone away: the records stay, and are nobody's, also after a thaw.
func servedRelease(t *testing.T, f *flock, ns string) {
	t.Helper()
	f.refused([]string{"dns", "release"}, "say --yes if it is meant")
	want := "mail.test: released: its records stand as they are, and are no longer weir's\n"
	if said := f.mustCtl("dns", "release", "--yes"); said != want {
		t.Errorf("weir dns release said %q", said)
	}
	if got := shown(ns, "_weir."+servedName, mdns.TypeTXT); len(got) != 0 {
		t.Errorf("released, the name is owned: %v", got)
	}
	f.mustCtl("undrain", "c0")
	f.mustCtl("dns", "thaw")
	f.waitSays([]string{"dns"}, "has records that are not weir's: it is not touched")
	if got := shown(ns, servedName, mdns.TypeA); !slices.Equal(got, addressRecords(2, 3, 4)) {
		t.Errorf("released, it shows %v, want what stood there then", got)
	}
}

// TestDNSServe_PortTaken: weir does not start beside another server on its port, and says what to do.
func TestDNSServe_PortTaken(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "udp"} {
		ns := freeAddr(t)
		if network == "tcp" {
			ln, err := net.Listen(network, ns)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = ln.Close() }()
		} else {
			pc, err := net.ListenPacket(network, ns)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = pc.Close() }()
		}
		way := fmt.Sprintf("serve: {address: %q, ns: [ns1.example.com]}", ns)
		w := launchWeir(t, launch{config: basicConfig(opts{
			backends: []string{"127.0.0.1:1"}, top: append([]string{"dns:"}, zoneLines("mail.test", poolRecord, way)...),
		})})
		if code := w.waitExit(stopCeiling); code != 1 {
			t.Errorf("%s is taken: exit %d, want 1", network, code)
		}
		for _, word := range []string{ns + ": address already in use", "ss -lunp 'sport = :" + port(ns) + "'", "choose another serve.address"} {
			if !strings.Contains(w.stderr(), word) {
				t.Errorf("%s is taken, and weir does not say %q:\n%s", network, word, w.stderr())
			}
		}
	}
}
