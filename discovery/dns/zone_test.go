package dns

import (
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// zone is a resolver on loopback that knows what the test puts into it.
type zone struct {
	t       *testing.T
	address string

	mu      sync.Mutex
	records []dns.RR
	extra   []dns.RR       // put into each additional section
	rcodes  map[string]int // by name
	tcOnUDP bool
	noEDNS  bool
	asked   []string // "udp A mx.test."
}

func newZone(t *testing.T, records ...string) *zone {
	z := &zone{t: t, rcodes: map[string]int{}}
	z.set(records...)
	ln, pc := sockets(t)
	z.address = ln.Addr().String()
	for _, server := range []*dns.Server{{Listener: ln, Handler: z}, {PacketConn: pc, Handler: z}} {
		up := make(chan struct{})
		server.NotifyStartedFunc = func() { close(up) }
		done := make(chan error, 1)
		go func() { done <- server.ActivateAndServe() }()
		<-up
		t.Cleanup(func() {
			if err := server.Shutdown(); err != nil {
				t.Errorf("stopping the resolver: %v", err)
			}
			<-done
		})
	}
	return z
}

// sockets returns two that share a port.
func sockets(t *testing.T) (net.Listener, net.PacketConn) {
	for range 100 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if pc, err := net.ListenPacket("udp", ln.Addr().String()); err == nil {
			return ln, pc
		}
		_ = ln.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

func (z *zone) set(records ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records = parse(z.t, records)
}

// change changes what else the zone does.
func (z *zone) change(how func()) {
	z.mu.Lock()
	defer z.mu.Unlock()
	how()
}

func parse(t *testing.T, records []string) []dns.RR {
	var rrs []dns.RR
	for _, r := range records {
		rr, err := dns.NewRR(r)
		if err != nil {
			t.Fatal(err)
		}
		rrs = append(rrs, rr)
	}
	return rrs
}

func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	question := q.Question[0]
	z.asked = append(z.asked, w.LocalAddr().Network()+" "+dns.TypeToString[question.Qtype]+" "+question.Name)
	m := new(dns.Msg).SetReply(q)
	exists := false
	for _, rr := range z.records {
		if strings.EqualFold(rr.Header().Name, question.Name) {
			exists = true
			if rr.Header().Rrtype == question.Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
	}
	m.Extra = z.extra
	code, bad := z.rcodes[question.Name]
	switch {
	case bad && code < 0:
		return // silence
	case bad:
		m.SetRcode(q, code)
	case z.noEDNS && q.IsEdns0() != nil:
		m.SetRcode(q, dns.RcodeFormatError)
	case !exists:
		m.SetRcode(q, dns.RcodeNameError)
	case z.tcOnUDP && w.LocalAddr().Network() == "udp":
		m.Answer, m.Truncated = nil, true
	}
	_ = w.WriteMsg(m)
}

func (z *zone) questions() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return slices.Clone(z.asked)
}
