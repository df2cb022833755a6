package serve

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	room "weir/dns"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testZone   = "mail.test."
	testOwner  = "weir-test"
	testSecret = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldCE="
)

func testKey() *room.Key {
	return &room.Key{Name: "lb-key.", Algorithm: dns.HmacSHA256, Secret: testSecret}
}

// testConfig is a zone of one published address record at mx.mail.test.
func testConfig() room.Config {
	return room.Config{
		Zone: testZone, Owner: testOwner, TTL: time.Minute,
		Records: []room.Record{{Name: "mx.mail.test.", Type: dns.TypeA, Pool: "internet"}},
		Serve:   &room.Serve{NS: []string{"ns1.example.net."}, Contact: "hostmaster.mail.test."},
	}
}

// withFile gives the config a zone file of that content.
func withFile(t testing.TB, cfg room.Config, content string) room.Config {
	t.Helper()
	name := filepath.Join(t.TempDir(), "zone")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Serve.ZoneFile = name
	return cfg
}

func addresses(name string, ttl uint32, list ...string) room.Set {
	return room.Set{Name: room.Name{Name: name, Type: dns.TypeA}, TTL: ttl, Records: list}
}

// notes are the sentences that a zone told.
type notes struct {
	mu   sync.Mutex
	list []string
}

func (n *notes) add(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, text)
}

func (n *notes) told(words string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.list, func(text string) bool { return strings.Contains(text, words) })
}

// memory is a store that several zones share.
type memory struct {
	mu      sync.Mutex
	data    []byte
	version uint64
	changed chan struct{}
	fail    error
	before  func() // called once before a swap
}

func newMemory() *memory { return &memory{changed: make(chan struct{})} }

func (m *memory) Load(context.Context) ([]byte, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.data, m.version, m.fail
}

func (m *memory) Swap(_ context.Context, data []byte, version uint64) (bool, error) {
	m.mu.Lock()
	before := m.before
	m.before = nil
	m.mu.Unlock()
	if before != nil {
		before()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil || version != m.version {
		return false, m.fail
	}
	m.data, m.version = data, m.version+1
	close(m.changed)
	m.changed = make(chan struct{})
	return true, nil
}

func (m *memory) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// newZone is a zone that has adopted its file.
func newZone(t testing.TB, cfg room.Config, store Store) *Zone {
	t.Helper()
	z, err := NewZone(cfg, store, func(text string) { t.Log(text) })
	if err != nil {
		t.Fatal(err)
	}
	if err := z.Adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	return z
}

// publish writes sets as the publisher does at the beginning of a term.
func publish(t testing.TB, z *Zone, sets ...room.Set) {
	t.Helper()
	var names []room.Name
	for _, s := range sets {
		names = append(names, s.Name)
	}
	state, err := z.Read(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	change := room.Change{Owner: testOwner, Was: state.Epoch, Becomes: max(state.Epoch, 1), Put: sets}
	for _, n := range names {
		if state.Owners[n.Name] == "" && !slices.Contains(change.Claim, n.Name) {
			change.Claim = append(change.Claim, n.Name)
		}
	}
	if err := z.Write(t.Context(), change); err != nil {
		t.Fatal(err)
	}
}

// ask puts a message to a server without a socket; nil: no answer.
func ask(t testing.TB, s *Server, m *dns.Msg) *dns.Msg {
	t.Helper()
	packed, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	var q query
	out := s.packet(&q, packed, nil, netip.MustParseAddrPort("127.0.0.1:5353"), 0)
	if out == nil {
		return nil
	}
	var reply dns.Msg
	if err := reply.Unpack(out); err != nil {
		t.Fatalf("unpacking the reply to %v: %v", m, err)
	}
	if len(out) > q.size {
		t.Errorf("a reply of %d octets where %d were allowed", len(out), q.size)
	}
	return &reply
}

func question(name string, kind uint16) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(name, kind)
	return m
}

// start runs zones on sockets of their own until the test ends.
func start(t testing.TB, s *Server, zones ...*Zone) (address string) {
	t.Helper()
	pc, ln := sockets(t)
	stop := serveOn(t, s, pc, ln)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, z := range zones {
		running.Go(func() {
			if err := z.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		running.Wait()
		stop()
		_ = pc.Close()
		_ = ln.Close()
	})
	return pc.LocalAddr().String()
}

// serveOn runs a server on sockets that it leaves open.
func serveOn(t testing.TB, s *Server, pc net.PacketConn, ln net.Listener) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Run(ctx, []net.PacketConn{pc}, []net.Listener{ln}); err != nil {
			t.Error(err)
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// sockets opens UDP and TCP on the same free port.
func sockets(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if pc, err := net.ListenPacket("udp", ln.Addr().String()); err == nil {
			return pc, ln
		}
		_ = ln.Close()
	}
	t.Fatal("no port free for UDP and TCP")
	return nil, nil
}

// eventually waits for a condition, and fails after a generous time.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never %s", what)
		}
	}
}
