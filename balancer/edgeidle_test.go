package balancer_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"testing"

	"weir/balancer"
	"weir/internal/backend"
	"weir/internal/connector"
)

// pairs is a listener whose senders are bare descriptors, so that what a session
// costs can be told from what its sender does.
type pairs struct {
	accept chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (p *pairs) Accept() (net.Conn, error) {
	select {
	case nc := <-p.accept:
		return nc, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pairs) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pairs) Addr() net.Addr { return &net.TCPAddr{} }

// connect makes a session, and talks to it until it has nothing to do but to wait;
// last is what it has heard then. The sender's end is returned as a descriptor.
func (p *pairs) connect(b testing.TB, client *tls.Config, last string) int {
	b.Helper()
	fds := bareSocketPair(b)
	p.accept <- connOf(b, fds[0])
	dup, err := syscall.Dup(fds[1])
	if err != nil {
		b.Fatal(err)
	}
	nc := connOf(b, dup)
	talk := nc
	if client != nil {
		talk = tls.Client(nc, client)
	}
	buf := make([]byte, 4096)
	if _, err := talk.Read(buf); err != nil {
		b.Fatal(err)
	}
	if _, err := io.WriteString(talk, "EHLO client.test\r\n"); err != nil {
		b.Fatal(err)
	}
	if _, err := talk.Read(buf); err != nil {
		b.Fatal(err)
	}
	if _, err := io.WriteString(talk, last); err != nil {
		b.Fatal(err)
	}
	_ = nc.Close()
	return fds[1]
}

// memoryOf is what is in use, on the heap and by goroutines.
func memoryOf() uint64 {
	var m runtime.MemStats
	for range 6 { // each shrinks a stack by half
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// idleCost is what an idle session costs in memory, without what the kernel keeps.
func idleCost(b testing.TB, sessions int, mode balancer.TLSMode, last string) int {
	cfg := baseConfig()
	registry := backend.NewRegistry([]backend.PoolConfig{{Name: "internet"}})
	registry.SetStarted()
	witness := &witness{deaf: true}
	made := balancer.Materials{Dialers: map[string]connector.Dialer{"internet": {Hostname: "mx.test"}}}
	var client *tls.Config
	if mode != balancer.TLSOff {
		k, err := edgeKit()
		if err != nil {
			b.Fatal(err)
		}
		cfg.Listeners[0].TLS, made.TLS = mode, map[string]*tls.Config{"inbound": k.server}
		client = &tls.Config{RootCAs: k.roots, ServerName: "mx.test"}
	}
	server, err := balancer.New(cfg, balancer.Deps{Registry: registry, Observer: witness, Recorder: witness, Materials: made})
	if err != nil {
		b.Fatal(err)
	}
	p := &pairs{accept: make(chan net.Conn), closed: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(context.Background(), "inbound", p) })
	defer wg.Wait()
	defer func() { _ = server.Shutdown(context.Background()) }()
	_ = syscall.Close(p.connect(b, client, last)) // what is made once
	before := memoryOf()
	fds := make([]int, sessions)
	for i := range fds {
		fds[i] = p.connect(b, client, last)
	}
	cost := int(memoryOf()-before) / sessions
	for _, fd := range fds {
		_ = syscall.Close(fd)
	}
	return cost
}

// TestIdleSession: a listener holds many senders that say nothing.
func TestIdleSession(t *testing.T) {
	for _, row := range []struct {
		name string
		mode balancer.TLSMode
		last string
		most int // octets; measured are 6.1, 6.9 and 9.3 KiB, of the last most is what crypto/tls keeps
	}{
		{"plain", balancer.TLSOff, "", 8 << 10},
		{"half a command", balancer.TLSOff, "NOO", 14 << 10},
		{"TLS", balancer.TLSImplicit, "", 16 << 10},
	} {
		t.Run(row.name, func(t *testing.T) {
			cost := idleCost(t, 300, row.mode, row.last)
			t.Logf("an idle session costs %d octets", cost)
			if raceDetector() {
				t.Skip("the race detector's own memory is in it")
			}
			if cost > row.most {
				t.Errorf("an idle session costs %d octets, more than %d", cost, row.most)
			}
		})
	}
}

// raceDetector reports whether the test was built with -race.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
