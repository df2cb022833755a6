package serve

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestZoneFileErrors(t *testing.T) {
	for _, c := range []struct{ what, content, want string }{
		{"syntax", "www A 192.0.2.1\nwww A 192.0.2.300\n", ":2: "},
		{"outside", "\nwww.example.com. A 192.0.2.1\n", ":2: www.example.com. is outside the zone mail.test."},
		{"class", "www CH TXT x\n", ":1: "},
		{"cname and more", "www CNAME a\nwww A 192.0.2.1\n", ":1: www.mail.test. has a CNAME and, on line 2, A"},
		{"two cnames", "www CNAME a\nwww CNAME b\n", ":2: www.mail.test. has a CNAME and, on line 1, CNAME"},
		{"cname on ours", "mx CNAME a\n", ":1: mx.mail.test. has a CNAME, and weir publishes A there"},
		{"cname at the apex", "@ CNAME a\n", ":1: a CNAME at mail.test."},
		{"circle", "a CNAME b\nb CNAME a\n", ":1: the CNAME of a.mail.test. leads back to itself"},
		{"ours below a cut", "@ NS ns.x.\nmx NS ns.x.\n", ":2: mx.mail.test. is given to other servers"},
		{"two soas", "@ SOA a. b. 1 1 1 1 (\n 1 )\n@ SOA a. b. 2 1 1 1 1\n", ":3: a second SOA; the first one ends on line 2"},
		{"soa below", "x SOA a. b. 1 1 1 1 1\n", ":1: a SOA at x.mail.test."},
		{"dname", "x DNAME y.\n", ":1: DNAME is not supported"},
		{"signed", "@ DNSKEY 256 3 8 AAAA\n", ":1: weir serves no signed zone"},
		{"include", "$INCLUDE other\n", "$INCLUDE"},
		{"all of them", "x DNAME y.\n\nz DNAME y.\n", ":3: DNAME"},
	} {
		_, err := Check(withFile(t, testConfig(), c.content))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.what, err, c.want)
		}
	}
	cfg := testConfig()
	cfg.Serve.NS = nil
	if _, err := Check(cfg); err == nil || !strings.Contains(err.Error(), "ns: [ns1.mail.test]") {
		t.Error(err)
	}
	cfg.Serve.ZoneFile = filepath.Join(t.TempDir(), "none")
	if _, err := Check(cfg); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestNameServersWithoutAddressWarn(t *testing.T) {
	cfg := testConfig()
	cfg.Serve.NS = []string{"ns1.mail.test.", "mx.mail.test.", "ns.example.net."}
	warnings, err := Check(cfg)
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "ns1.mail.test. is in the zone") {
		t.Error(warnings, err)
	}
	if warnings, err = Check(withFile(t, cfg, "ns1 A 192.0.2.53\n")); err != nil || len(warnings) != 0 {
		t.Error(warnings, err)
	}
}

func TestSOAOfTheFile(t *testing.T) {
	cfg := withFile(t, testConfig(), "@ 5 SOA old. adm.mail.test. 7 3600 600 864000 30\n@ NS ns.old.\nx 10 A 192.0.2.1\nx 20 A 192.0.2.2\nx 20 A 192.0.2.2\n")
	cfg.Serve.NS, cfg.Serve.Contact = nil, ""
	b, err := loadBase(cfg)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(strings.Join(b.text(), "|"), "\t", " ")
	want := "mail.test. 60 IN SOA old. adm.mail.test. 0 3600 600 864000 30|mail.test. 60 IN NS ns.old.|x.mail.test. 10 IN A 192.0.2.1|x.mail.test. 10 IN A 192.0.2.2"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestLimiter(t *testing.T) {
	l := newLimiter(func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.77") })
	count := func(address string, n int, now int64) (passed, tc int) {
		for range n {
			switch l.judge(netip.MustParseAddr(address), now) {
			case pass:
				passed++
			case truncate:
				tc++
			}
		}
		return passed, tc
	}
	now := int64(time.Hour)
	for _, c := range []struct {
		address    string
		n          int
		after      time.Duration
		passed, tc int
	}{
		{"192.0.2.1", 3000, 0, askBurst, 500},
		{"192.0.2.200", 10, 0, 0, 5},     // the same /24
		{"192.0.3.1", 10, 0, 10, 0},      // another
		{"192.0.2.77", 5000, 0, 5000, 0}, // trusted
		{"192.0.2.1", 1500, time.Second, askRate, 250},
		{"2001:db8:0:100::1", 2000, 0, askBurst, 0},
		{"2001:db8:0:1ff::1", 10, 0, 0, 5}, // the same /56
		{"::ffff:192.0.2.9", 10, 0, 0, 5},  // IPv4 on an IPv6 socket
	} {
		now += int64(c.after)
		if passed, tc := count(c.address, c.n, now); passed != c.passed || tc != c.tc {
			t.Errorf("%s: %d passed and %d with TC, want %d and %d", c.address, passed, tc, c.passed, c.tc)
		}
	}
	// Any number of networks: the table stays as it is, and new ones are served.
	for i := range 1 << 17 {
		from := netip.AddrFrom4([4]byte{10, byte(i >> 9), byte(i >> 1), 1})
		if l.judge(from, now+int64(i)) != pass {
			t.Fatalf("%s is refused", from)
		}
	}
}

func TestExplainListen(t *testing.T) {
	pc, ln := sockets(t)
	defer func() { _, _ = pc.Close(), ln.Close() }()
	_, err := net.ListenPacket("udp", pc.LocalAddr().String())
	if got := ExplainListen(pc.LocalAddr().String(), err).Error(); !strings.Contains(got, "address already in use: stop what listens there (ss -lunp") {
		t.Error(got)
	}
	_, err = net.Listen("tcp", "192.0.2.1:53")
	if got := ExplainListen("192.0.2.1:53", err).Error(); !strings.Contains(got, "no interface of this machine has the address 192.0.2.1") {
		t.Error(got)
	}
	if got := ExplainListen(":53", syscall.EACCES).Error(); !strings.Contains(got, "CAP_NET_BIND_SERVICE") {
		t.Error(got)
	}
	proc := t.TempDir()
	if hasResolved(proc) {
		t.Error("found in an empty folder")
	}
	if err := errors.Join(os.Mkdir(filepath.Join(proc, "7"), 0o700), os.WriteFile(filepath.Join(proc, "7", "comm"), []byte("systemd-resolve\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if !hasResolved(proc) {
		t.Error("not found")
	}
}

// A secondary that does not answer, or refuses, is told of once.
func TestNotifyTellsWhatIsWrong(t *testing.T) {
	cfg := testConfig()
	pc, ln := sockets(t)
	refuser := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) {
		_ = w.WriteMsg(new(dns.Msg).SetRcode(m, dns.RcodeNotAuth))
	})}
	_ = ln.Close()
	done := make(chan struct{})
	go func() { defer close(done); _ = refuser.ActivateAndServe() }()
	cfg.Serve.Notify = []string{pc.LocalAddr().String()}
	z := newZone(t, cfg, newMemory())
	var told notes
	z.note = told.add
	start(t, NewServer(z), z)
	publish(t, z, addresses("mx.mail.test.", 60, "192.0.2.1"))
	eventually(t, "told", func() bool { return told.told("it answers NOTAUTH: does it have the zone as a secondary") })
	_ = pc.Close()
	<-done
}
