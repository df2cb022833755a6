package serve

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	room "weir/dns"
)

const zoneFile = `
@        IN SOA ns1.example.net. dnsadmin.mail.test. 7 3600 600 864000 30
www      IN A    198.51.100.1
www      IN A    198.51.100.2
alias    IN CNAME www
far      IN CNAME elsewhere.example.
toempty  IN CNAME nothing.mail.test.
a.b.ent  IN TXT  "deep"
*.wild   IN MX   10 www
*.wild   IN A    198.51.100.9
sub.wild IN TXT  "no wildcard beside me"
*.cwild  IN CNAME www
child    IN NS   ns.child
child    IN NS   ns.example.net.
child    IN DS   1 8 2 0000000000000000000000000000000000000000000000000000000000000000
ns.child IN A    198.51.100.53
mx       IN A    203.0.113.99 ; replaced by weir's
mx       IN TXT  "stays"
`

func answering(t testing.TB) *Server {
	z := newZone(t, withFile(t, testConfig(), zoneFile), newMemory())
	publish(t, z, addresses("mx.mail.test.", 60, "192.0.2.1", "192.0.2.2"))
	return NewServer(z)
}

// show writes a reply in one line: code, flags, then what each section has.
func show(m *dns.Msg) string {
	if m == nil {
		return "silence"
	}
	flags := strings.Replace(dns.RcodeToString[m.Rcode], "BADSIG", "BADVERS", 1) // both are 16
	for _, f := range []struct {
		name string
		set  bool
	}{{"aa", m.Authoritative}, {"tc", m.Truncated}, {"ra", m.RecursionAvailable}} {
		if f.set {
			flags += " " + f.name
		}
	}
	parts := []string{flags}
	for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		var list []string
		for _, rr := range section {
			if rr.Header().Rrtype == dns.TypeOPT {
				continue
			}
			h := rr.Header()
			rdata := strings.TrimPrefix(rr.String(), h.String())
			if h.Rrtype == dns.TypeSOA {
				rdata = fmt.Sprint(h.Ttl)
			}
			list = append(list, strings.TrimSuffix(h.Name, ".mail.test.")+" "+dns.TypeToString[h.Rrtype]+" "+rdata)
		}
		slices.Sort(list)
		parts = append(parts, strings.Join(list, ", "))
	}
	return strings.TrimRight(strings.Join(parts, " | "), " |")
}

func TestAnswers(t *testing.T) {
	s := answering(t)
	for _, c := range []struct{ name, kind, want string }{
		{"mx.mail.test.", "A", "NOERROR aa | mx A 192.0.2.1, mx A 192.0.2.2"},
		{"mx.mail.test.", "AAAA", "NOERROR aa |  | mail.test. SOA 30"},
		{"mx.mail.test.", "TXT", `NOERROR aa | mx TXT "stays"`},
		{"_weir.mx.mail.test.", "TXT", `NOERROR aa | _weir.mx TXT "owner=weir-test"`},
		{"_epoch.weir-test.mail.test.", "TXT", `NOERROR aa | _epoch.weir-test TXT "epoch=1"`},
		{"WWW.mail.TEST.", "A", "NOERROR aa | WWW.mail.TEST. A 198.51.100.1, WWW.mail.TEST. A 198.51.100.2"},
		{"mail.test.", "SOA", "NOERROR aa | mail.test. SOA 60"},
		{"mail.test.", "NS", "NOERROR aa | mail.test. NS ns1.example.net."},
		{"no.mail.test.", "A", "NXDOMAIN aa |  | mail.test. SOA 30"},
		{"ent.mail.test.", "A", "NOERROR aa |  | mail.test. SOA 30"},
		{"b.ent.mail.test.", "TXT", "NOERROR aa |  | mail.test. SOA 30"},
		{"c.b.ent.mail.test.", "TXT", "NXDOMAIN aa |  | mail.test. SOA 30"},
		{"alias.mail.test.", "A", "NOERROR aa | alias CNAME www.mail.test., www A 198.51.100.1, www A 198.51.100.2"},
		{"alias.mail.test.", "CNAME", "NOERROR aa | alias CNAME www.mail.test."},
		{"alias.mail.test.", "MX", "NOERROR aa | alias CNAME www.mail.test. | mail.test. SOA 30"},
		{"far.mail.test.", "A", "NOERROR aa | far CNAME elsewhere.example."},
		{"toempty.mail.test.", "A", "NXDOMAIN aa | toempty CNAME nothing.mail.test. | mail.test. SOA 30"},
		{"x.wild.mail.test.", "A", "NOERROR aa | x.wild A 198.51.100.9"},
		{"y.x.wild.mail.test.", "MX", "NOERROR aa | y.x.wild MX 10 www.mail.test."},
		{"x.wild.mail.test.", "TXT", "NOERROR aa |  | mail.test. SOA 30"},
		{"sub.wild.mail.test.", "A", "NOERROR aa |  | mail.test. SOA 30"},
		{"x.sub.wild.mail.test.", "A", "NXDOMAIN aa |  | mail.test. SOA 30"},
		{"*.wild.mail.test.", "A", "NOERROR aa | *.wild A 198.51.100.9"},
		{"q.cwild.mail.test.", "A", "NOERROR aa | q.cwild CNAME www.mail.test., www A 198.51.100.1, www A 198.51.100.2"},
		{"child.mail.test.", "A", "NOERROR |  | child NS ns.child.mail.test., child NS ns.example.net. | ns.child A 198.51.100.53"},
		{"x.y.child.mail.test.", "MX", "NOERROR |  | child NS ns.child.mail.test., child NS ns.example.net. | ns.child A 198.51.100.53"},
		{"child.mail.test.", "DS", "NOERROR aa | child DS 1 8 2 0000000000000000000000000000000000000000000000000000000000000000"},
		{"www.mail.test.", "ANY", "NOERROR aa | www A 198.51.100.1, www A 198.51.100.2"},
		{"ent.mail.test.", "ANY", "NOERROR aa |  | mail.test. SOA 30"},
		{"mail.test.", "AXFR", "FORMERR"}, // by UDP
		{"mail.test.", "IXFR", "NOERROR aa | mail.test. SOA 60"},
		{"www.mail.test.", "OPT", "FORMERR"},
		{"example.com.", "A", "REFUSED"},
		{"test.", "A", "REFUSED"},
		{".", "NS", "REFUSED"},
	} {
		if got := show(ask(t, s, question(c.name, dns.StringToType[c.kind]))); got != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.name, c.kind, got, c.want)
		}
	}
}

func TestProtocolRules(t *testing.T) {
	s := answering(t)
	for _, c := range []struct {
		what string
		make func(*dns.Msg)
		want string
	}{
		{"a response", func(m *dns.Msg) { m.Response = true }, "silence"},
		{"two questions", func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }, "silence"},
		{"no question", func(m *dns.Msg) { m.Question = nil }, "silence"},
		{"an answer in the question", func(m *dns.Msg) { m.Answer = []dns.RR{text("x.", "y")} }, "silence"},
		{"UPDATE", func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }, "REFUSED"},
		{"NOTIFY", func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }, "NOTIMP"},
		{"STATUS", func(m *dns.Msg) { m.Opcode = dns.OpcodeStatus }, "NOTIMP"},
		{"CHAOS", func(m *dns.Msg) {
			m.Question[0] = dns.Question{Name: "version.bind.", Qtype: dns.TypeTXT, Qclass: dns.ClassCHAOS}
		}, "REFUSED"},
		{"CHAOS in the zone", func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }, "REFUSED"},
		{"EDNS 1", func(m *dns.Msg) { m.SetEdns0(1232, false); m.IsEdns0().SetVersion(1) }, "BADVERS"},
		{"two OPT", func(m *dns.Msg) { m.SetEdns0(1232, false); m.SetEdns0(1232, false) }, "FORMERR"},
	} {
		m := question("www.mail.test.", dns.TypeA)
		c.make(m)
		if got := show(ask(t, s, m)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.what, got, c.want)
		}
	}
}

func TestRepliesFitAndSayTC(t *testing.T) {
	var many []string
	for i := range 60 {
		many = append(many, fmt.Sprintf("192.0.2.%d", i))
	}
	z := newZone(t, testConfig(), newMemory())
	publish(t, z, addresses("mx.mail.test.", 60, many...))
	s := NewServer(z)
	for _, c := range []struct {
		size    uint16 // 0: no EDNS
		answers int
	}{{0, 0}, {512, 0}, {100, 0}, {1024, 60}, {4096, 60}} {
		m := question("mx.mail.test.", dns.TypeA)
		if c.size > 0 {
			m.SetEdns0(c.size, true)
		}
		reply := ask(t, s, m)
		if len(reply.Answer) != c.answers || reply.Truncated != (c.answers == 0) {
			t.Errorf("EDNS %d: %d answers, TC %v", c.size, len(reply.Answer), reply.Truncated)
		}
		if opt := reply.IsEdns0(); (opt != nil) != (c.size > 0) || opt != nil && (opt.UDPSize() != ednsUDP || !opt.Do()) {
			t.Errorf("EDNS %d: the reply has %v", c.size, opt)
		}
	}
}

func TestRecordsRotate(t *testing.T) {
	z := newZone(t, testConfig(), newMemory())
	publish(t, z, addresses("mx.mail.test.", 60, "192.0.2.1", "192.0.2.2", "192.0.2.3"))
	first := map[string]int{}
	packed, err := question("mx.mail.test.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	for turn := range uint32(30) {
		var q query
		if !q.parse(packed) {
			t.Fatal("not a question")
		}
		var m dns.Msg
		if err := m.Unpack(z.respond(&q, nil, 512, turn)); err != nil || len(m.Answer) != 3 {
			t.Fatal(m.Answer, err)
		}
		first[m.Answer[0].(*dns.A).A.String()]++
	}
	for address, n := range first {
		if n != 10 {
			t.Errorf("%s stood first %d times of 30", address, n)
		}
	}
}

// What weir has not written yet is not denied: NXDOMAIN would bounce mail.
func TestNothingIsDeniedBeforeItIsWritten(t *testing.T) {
	cfg := testConfig()
	cfg.Records = append(cfg.Records, room.Record{Name: testZone, Type: dns.TypeMX, Pool: "internet"})
	z := newZone(t, cfg, newMemory())
	s := NewServer(z)
	for name, want := range map[string]string{"mx.mail.test. A": "SERVFAIL", "mx.mail.test. AAAA": "SERVFAIL", "mail.test. MX": "SERVFAIL", "mail.test. SOA": "NOERROR aa | mail.test. SOA 60", "mx.mail.test. TXT": "NOERROR aa |  | mail.test. SOA 60"} {
		owner, kind, _ := strings.Cut(name, " ")
		if got := show(ask(t, s, question(owner, dns.StringToType[kind]))); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	publish(t, z, addresses("mx.mail.test.", 60, "192.0.2.1"))
	if got, want := show(ask(t, s, question("mx.mail.test.", dns.TypeAAAA))), "NOERROR aa |  | mail.test. SOA 60"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	empty, err := NewZone(testConfig(), newMemory(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if got := show(ask(t, NewServer(empty), question("mail.test.", dns.TypeSOA))); got != "SERVFAIL" {
		t.Errorf("a zone without an entry: %s", got)
	}
}
