package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// TestFile_ReplacedAtomically: a list in a file of its own is read again when another file takes its place; a wrong one
// changes nothing and says where it is wrong.
func TestFile_ReplacedAtomically(t *testing.T) {
	t.Parallel()
	f := &flock{t: t}
	path := filepath.Join(t.TempDir(), "internet.yaml")
	put := func(text string) {
		if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	list := func(names ...string) (text string) {
		for _, name := range names {
			text += fmt.Sprintf("- {address: %q, name: %s}\n", f.named(name).Addr(), name)
		}
		return text
	}
	f.connector("c0")
	f.connector("c1")
	put(list("c0", "c1"))
	f.weir = startWeir(t, basicConfig(opts{health: quietHealth, timeouts: shortTimeouts, pool: []string{"file: " + path}}))
	f.waitEligible(poolName, 2)
	k := f.load("file")
	f.connector("c2")
	put(list("c0", "c1", "c2"))
	f.waitEligible(poolName, 3)
	f.getsMail("c2")
	put("- {address: nowhere}\n- {adress: \"127.0.0.1:25\"}\n")
	f.waitSource("file", "stale", "adress", path)
	f.waitNames("c0", "c1", "c2")
	put(list("c1", "c2"))
	f.waitNames("c1", "c2")
	f.waitSource("file", "fresh")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	f.waitSource("file", "stale")
	f.waitNames("c1", "c2")
	f.finishLoad(k)
}

// zone is a DNS server that answers SRV questions with what it was told last.
type zone struct {
	addr string

	mu      sync.Mutex
	code    int
	answers []dns.RR
	extra   []dns.RR
}

func startZone(t *testing.T) *zone {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z := &zone{addr: conn.LocalAddr().String()}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(z.answer)}
	ended := make(chan error, 1)
	go func() { ended <- server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown(); <-ended })
	return z
}

func (z *zone) answer(w dns.ResponseWriter, q *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	m := new(dns.Msg)
	m.SetRcode(q, z.code)
	for _, rr := range append(append([]dns.RR(nil), z.answers...), z.extra...) {
		if rr.Header().Rrtype == q.Question[0].Qtype && rr.Header().Name == q.Question[0].Name {
			m.Answer = append(m.Answer, dns.Copy(rr))
		}
	}
	_ = w.WriteMsg(m)
}

// tell sets the SRV records: one for each name, at the port of a connector.
func (z *zone) tell(t *testing.T, f *flock, names ...string) {
	t.Helper()
	z.mu.Lock()
	defer z.mu.Unlock()
	z.code, z.answers, z.extra = dns.RcodeSuccess, nil, nil
	for i, name := range names {
		for _, text := range []string{
			fmt.Sprintf("_smtp._tcp.connectors.test. 1 IN SRV 0 %d %s %s.test.", 10+i, port(f.named(name).Addr()), name),
			fmt.Sprintf("%s.test. 1 IN A 127.0.0.1", name),
		} {
			rr, err := dns.NewRR(text)
			if err != nil {
				t.Fatal(err)
			}
			z.answers = append(z.answers, rr)
		}
	}
}

// fail makes every answer one of a code, without records.
func (z *zone) fail(code int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.code, z.answers = code, nil
}

// TestDNS_SRV: connectors come and go with their SRV records; a server that fails is stale, one that knows nothing any
// more is held, and senders see none of it.
func TestDNS_SRV(t *testing.T) {
	t.Parallel()
	f, z := &flock{t: t}, startZone(t)
	for i := range 2 {
		f.connector(backendName(i))
	}
	z.tell(t, f, "c0", "c1")
	line := fmt.Sprintf("dns: {srv: _smtp._tcp.connectors.test, resolver: %q, refresh: 1s}", z.addr)
	f.weir = startWeir(t, basicConfig(opts{health: quietHealth, timeouts: shortTimeouts, pool: []string{line}}))
	f.waitEligible(poolName, 2)
	k := f.load("srv")
	f.connector("c2")
	z.tell(t, f, "c0", "c1", "c2")
	f.waitEligible(poolName, 3)
	for _, b := range f.status().Pools[0].Backends {
		if !strings.HasPrefix(b.Name, "c") || b.Weight < 10 || b.Weight > 12 {
			t.Errorf("connector %q with weight %d, want those of the SRV records", b.Name, b.Weight)
		}
	}
	z.fail(dns.RcodeServerFailure)
	f.waitSource("dns", "stale", "SERVFAIL")
	k.flows(20)
	z.fail(dns.RcodeNameError)
	f.waitSource("dns", "holding", "answered empty")
	k.flows(20)
	if n := f.status().eligible(poolName); n != 3 {
		t.Errorf("%d are eligible while the server knows nothing, want 3", n)
	}
	z.tell(t, f, "c0", "c1", "c2")
	f.waitSource("dns", "fresh")
	z.tell(t, f, "c1", "c2")
	f.waitEligible(poolName, 2)
	f.finishLoad(k)
}
