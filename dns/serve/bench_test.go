package serve

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

func benchZone(b *testing.B) (*Server, []byte) {
	z := newZone(b, testConfig(), newMemory())
	publish(b, z, addresses("mx.mail.test.", 60, "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"))
	m := question("mx.mail.test.", dns.TypeA)
	m.SetEdns0(1232, false)
	packed, err := m.Pack()
	if err != nil {
		b.Fatal(err)
	}
	return NewServer(z), packed
}

// BenchmarkAnswer is a question's way without the sockets.
func BenchmarkAnswer(b *testing.B) {
	s, packed := benchZone(b)
	from := netip.MustParseAddrPort("192.0.2.200:5353")
	s.limiter.free = func(netip.Addr) bool { return false }
	s.limiter.rate = 1e9
	var q query
	out := make([]byte, 0, ednsUDP)
	b.ReportAllocs()
	turn := uint32(0)
	for b.Loop() {
		turn++
		_ = s.packet(&q, packed, out, from, turn)
	}
}

// BenchmarkLoopback asks over real sockets: 16 questions under way on each of four.
func BenchmarkLoopback(b *testing.B) {
	s, packed := benchZone(b)
	pc, ln := sockets(b)
	ctx, cancel := context.WithCancel(b.Context())
	var running, clients sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx, []net.PacketConn{pc}, []net.Listener{ln}) })
	const each, window = 4, 16
	before := cpuTime(b)
	b.ResetTimer()
	for range each {
		clients.Go(func() { askMany(b, pc.LocalAddr().String(), packed, b.N/each+1, window) })
	}
	clients.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "queries/s")
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/query") // the client's included
	cancel()
	running.Wait()
	_ = pc.Close()
	_ = ln.Close()
}

func askMany(b *testing.B, address string, packed []byte, n, window int) {
	conn, err := net.Dial("udp", address)
	if err != nil {
		b.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	in := make([]byte, 2048)
	for sent, got := 0, 0; got < n; got++ {
		for ; sent < n && sent-got < window; sent++ {
			if _, err := conn.Write(packed); err != nil {
				b.Error(err)
				return
			}
		}
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if size, err := conn.Read(in); err != nil || size < len(packed) {
			b.Error(size, err)
			return
		}
	}
}

func cpuTime(b *testing.B) int64 {
	var use unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return use.Utime.Nano() + use.Stime.Nano()
}
