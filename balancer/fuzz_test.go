package balancer_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"weir/balancer"
	"weir/internal/backend"
	"weir/internal/connector"
	"weir/policies"
)

// FuzzSession plays a whole session: whatever a sender writes, in front of
// connectors that answer whatever. Sent is split at NULs by pauses. Said is what
// the connectors answer: a line for each command, a NUL before what the next
// connection gets to hear; see parrot. Nothing may panic, hang or be left behind;
// what reaches a connector is commands and content and nothing else; and a
// message is delivered only when a connector said so.
func FuzzSession(f *testing.F) {
	for _, seed := range sessionSeeds {
		f.Add([]byte(seed.sent), []byte(seed.said))
	}
	f.Fuzz(func(t *testing.T, sent, said []byte) {
		if len(sent) > 64<<10 || len(said) > 64<<10 {
			t.Skip("no more is learnt from more")
		}
		hung := time.AfterFunc(ceiling, func() {
			stacks := make([]byte, 1<<20)
			panic(fmt.Sprintf("the session hangs\n%s", stacks[:runtime.Stack(stacks, true)]))
		})
		defer hung.Stop()
		z := &zoo{t: t, scripts: bytes.Split(said, []byte{0})}
		z.play(sent)
	})
}

// sessionSeeds are dialogues that go far.
var sessionSeeds = []struct{ sent, said string }{
	{"HELO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n\x00Subject: x\r\n\r\n..text\n.\r\n.\r\nQUIT\r\n", "220 a\n250-a\n250-PIPELINING\n250 CHUNKING\n250 ok\n250 ok\n354 go\n250 taken\n221 bye\n"},
	{"EHLO c\r\nMAIL FROM:<a@b> SIZE=5 BODY=7BIT\r\nRCPT TO:<c@d>\r\nBDAT 6\r\n.text\nBDAT 3 LAST\r\n\r\n.QUIT\r\n", "220 a\n250-a\n250-SIZE 1000\n250 CHUNKING\n250 ok\n250 ok\n250 ok\n250 taken\n221 bye\n"},
	{"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<c@d>\r\nBDAT 6\r\n.text\nBDAT 0 LAST\r\n", "220 a\n250 a\n250 ok\n250 ok\n354 go\n250 taken\n221 bye\n"},
	{"HELO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n\x00text\r\n\x00more\r\n.\r\n", "220 a\n250-a\n250 PIPELINING\n250 ok\n250 ok\n550 no\n354 go\n!\x00220 b\n250 b\n250 ok\n250 ok\n354 go\n250 taken\n"},
	{"HELO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n\x00text\r\n.\r\n", "554 no\n\x00220 b\n500 what\n250 b\n451 later\n250 rset\n\x00220 c\n250 c\n250 ok\n250 ok\n354 go\n+421 bye\n"},
	{"HELO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nRSET\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n\x00x\r\n.\r\n", "220 a\n250-a\n250 PIPELINING\n250 ok\n550 no\n354 go\n554 none\n\x00220 a\n250 a\n250 ok\n250 ok\n354 go\n+550 early\n"},
	{"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@fax>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@fax>\r\nDATA\r\n\x00text\r\n.\r\n", "220 a\n250-a\n250 PIPELINING\n250 ok\n250 ok\n550 no\n354 go\n250 taken\n"},
	{"EHLO c\r\nMAIL FROM:<a@b> SIZE=10000\r\nRCPT TO:<c@d>\r\nDATA\r\nRCPT TO:<c@fax>\r\nDATA\r\n\x00text\r\n.\r\n", "220 a\n250 a\n250 ok\n250 ok\n!\x00220 b\n250 b\n250 ok\n250 ok\n354 go\n250 taken\n"},
	{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ""},
	{"\x16\x03\x01\x02\x00\x01", "220 a\n"},
	{"EHLO c\r\nSTARTTLS\r\n\x00\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03NOOP\r\n", ""},
	{"EHLO c\r\nMAIL FROM:<a@b>\r\nSTARTTLS\r\nMAIL FROM:<c@d>\r\n", ""},
	{"XCLIENT ADDR=IPV6:2001:db8::1 HELO=+41 PORT=1\r\nEHLO c\r\nXFORWARD ADDR=192.0.2.3 SOURCE=LOCAL\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nXFORWARD IDENT=1\r\nDATA\r\n\x00text\r\n.\r\n", "220 a\n250 a\n250 ok\n250 ok\n354 go\n250 taken\n"},
	{"PROXY TCP4 192.0.2.3 192.0.2.4 1 2\r\nEHLO c\r\n", ""},
	{"HELO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 99999\r\nx\x00y", "220 a\n250-a\n250 CHUNKING\n250 ok\n250 ok\n"},
}

// zoo is a balancer between one sender and parrots.
type zoo struct {
	t       *testing.T
	scripts [][]byte
	witness witness
	wg      sync.WaitGroup

	mu     sync.Mutex
	dialed int
	taken  int  // messages that a parrot said 2xx to
	astray bool // a parrot spoke unasked: what it heard and what weir took for its answers may differ
	faults []string
}

func (z *zoo) blame(format string, args ...any) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.faults = append(z.faults, fmt.Sprintf(format, args...))
}

func (z *zoo) play(sent []byte) {
	cfg := zooConfig()
	registry := backend.NewRegistry([]backend.PoolConfig{{Name: "internet"}, {Name: "fax"}})
	dialers := map[string]connector.Dialer{}
	for _, p := range cfg.Pools {
		var specs []backend.Spec
		for i, name := range []string{"a", "b", "c", "d"} {
			specs = append(specs, backend.Spec{Pool: p.Name, Name: name, Address: name + ":25", Weight: 100, Cost: i / 2})
		}
		registry.SetMembers(p.Name, specs)
		dialers[p.Name] = connector.Dialer{Hostname: "mx.test", Timeouts: connector.Timeouts(p.Timeouts), DialContext: z.dial}
	}
	registry.SetStarted()
	server, err := balancer.New(cfg, balancer.Deps{Registry: registry, Observer: &z.witness, Recorder: &z.witness, Materials: balancer.Materials{Dialers: dialers, TLS: z.tls()}})
	if err != nil {
		z.t.Fatal(err)
	}
	ours, theirs := socketPair(z.t)
	listener := pairListener{make(chan net.Conn, 1), make(chan struct{})}
	listener.conns <- placed{theirs.(*net.UnixConn)}
	z.wg.Go(func() { _ = server.Serve(context.Background(), "inbound", listener) })
	z.sender(ours, sent)
	if err := server.Shutdown(context.Background()); err != nil {
		z.t.Error(err)
	}
	z.wg.Wait()
	z.judge(registry, server)
}

// placed is a connection that claims to come from somewhere.
type placed struct{ *net.UnixConn }

func (placed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4711} }

func (z *zoo) tls() map[string]*tls.Config {
	k, err := edgeKit()
	if err != nil {
		z.t.Fatal(err)
	}
	return map[string]*tls.Config{"inbound": k.server}
}

// zooConfig has routes, by which the domain fax goes elsewhere, and large messages
// nowhere. The sender may use STARTTLS and XCLIENT.
func zooConfig() balancer.Config {
	cfg := baseConfig()
	cfg.Pools[0].ReplayBuffer = 200 // so that there are messages with and without a whole copy
	for i := range cfg.Pools[0].Timeouts {
		cfg.Pools[0].Timeouts[i] = 500 * time.Millisecond
	}
	cfg.Pools = append(cfg.Pools, cfg.Pools[0])
	cfg.Pools[1].Name = "fax"
	cfg.Listeners[0].Pool, cfg.Listeners[0].TLS = "", balancer.TLSStartTLS
	cfg.Listeners[0].XClient = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	cfg.Routes = []policies.Route{
		{Match: []string{"fax"}, To: []policies.Target{{Pool: "fax"}}},
		{Match: []string{"*"}, MaxSize: 9999, To: []policies.Target{{Pool: "internet"}, {Pool: "fax", Cost: 50}}},
	}
	return cfg
}

// judge looks at what is left, and at what was heard.
func (z *zoo) judge(registry *backend.Registry, server *balancer.Server) {
	for _, fault := range z.faults {
		z.t.Error(fault)
	}
	delivered := 0
	for _, r := range z.witness.records() {
		if r.Outcome == balancer.Delivered || r.Outcome == balancer.DeliveredUnacknowledged {
			delivered++
		}
	}
	if delivered > z.taken && !z.astray {
		z.t.Errorf("%d messages delivered, connectors took %d", delivered, z.taken)
	}
	for _, m := range slices.Concat(registry.Snapshot().Pool("internet").Members, registry.Snapshot().Pool("fax").Members) {
		if m.InFlight() != 0 || m.Traffic.Open.Load() != 0 || m.Traffic.Idle.Load() != 0 {
			z.t.Errorf("%s: %d in flight, %d open, %d idle", m.Spec.Name, m.InFlight(), m.Traffic.Open.Load(), m.Traffic.Idle.Load())
		}
	}
	if n := z.witness.tickets.Load(); n != 0 {
		z.t.Errorf("%d stages were begun and never ended", n)
	}
	if used := server.ReplayMemory(); used != 0 {
		z.t.Errorf("%d octets of replay memory are still in use", used)
	}
}

// dial gives each connection its own script; when there is none it is refused.
func (z *zoo) dial(context.Context, string, string) (net.Conn, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.dialed == len(z.scripts) {
		return nil, errors.New("nobody there")
	}
	ours, theirs := socketPair(z.t)
	p := &parrot{zoo: z, nc: theirs, script: z.scripts[z.dialed]}
	z.dialed++
	z.wg.Go(p.live)
	return ours, nil
}

// sender writes, with a pause at each NUL, and checks that what comes back is
// replies.
func (z *zoo) sender(nc net.Conn, sent []byte) {
	defer nc.Close()
	var got bytes.Buffer
	for i, part := range bytes.Split(sent, []byte{0}) {
		if i > 0 && i < 6 {
			_ = nc.SetReadDeadline(time.Now().Add(2 * time.Millisecond))
			_, _ = got.ReadFrom(nc)
		}
		if _, err := nc.Write(part); err != nil {
			break // weir has hung up
		}
	}
	_ = nc.(*net.UnixConn).CloseWrite()
	_ = nc.SetReadDeadline(time.Now().Add(ceiling))
	_, _ = got.ReadFrom(nc)
	plain, _, _ := bytes.Cut(got.Bytes(), []byte{0x15, 3}) // behind it is TLS: an alert
	for line := range bytes.SplitAfterSeq(plain, []byte("\n")) {
		if len(line) > 0 && !isReplyLine(line) {
			z.blame("the sender was answered %q", line)
		}
	}
}

func isReplyLine(line []byte) bool {
	if len(line) < 6 || !bytes.HasSuffix(line, []byte("\r\n")) || line[3] != ' ' && line[3] != '-' {
		return false
	}
	for _, b := range line[:len(line)-2] {
		if b < ' ' || b == 0x7f {
			return false
		}
	}
	return line[0] >= '2' && line[0] <= '5'
}

// pairListener has one connection.
type pairListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l pairListener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l pairListener) Close() error   { close(l.closed); return nil }
func (l pairListener) Addr() net.Addr { return &net.UnixAddr{} }
