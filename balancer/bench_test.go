package balancer_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"weir/balancer"
	"weir/internal/backend"
	"weir/policies"
)

// BenchmarkSession measures a whole message through loopback: a sender on a long
// connection, weir, and a connector, all in one process. Its time is an upper bound
// of what weir itself costs; its allocations are weir's alone.
func BenchmarkSession(b *testing.B) {
	for _, size := range []struct {
		name  string
		lines int
	}{{"4KiB", 53}, {"60KiB", 780}, {"5MiB", 68000}} {
		for _, pipelined := range []bool{false, true} {
			b.Run(fmt.Sprintf("size=%s/pipelined=%t", size.name, pipelined), func(b *testing.B) {
				measureMessages(b, startForBench(b, newBench(b)), benchBody(size.lines), pipelined)
			})
		}
	}
}

// BenchmarkRoutedSession is the same where recipients are routed.
func BenchmarkRoutedSession(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			w := newBench(b)
			w.listener().Pool = ""
			w.cfg.Routes = make([]policies.Route, n)
			for i := range w.cfg.Routes {
				w.cfg.Routes[i] = policies.Route{Match: []string{fmt.Sprintf("domain%d.test", i)}, To: []policies.Target{{Pool: "internet"}}}
			}
			w.cfg.Routes[0].Match = []string{"mx.test"}
			w.cfg.Routes[0].To = append(w.cfg.Routes[0].To, policies.Target{Pool: "internet", Cost: 1})
			measureMessages(b, startForBench(b, w), benchBody(53), true)
		})
	}
}

// BenchmarkConnection is a connection with a single message, from its dial to the 221.
func BenchmarkConnection(b *testing.B) {
	addr, body := startForBench(b, newBench(b)), benchBody(53)
	b.ReportAllocs()
	for b.Loop() {
		s := dialSender(b, addr)
		s.message(body, false)
		s.ask(1, quit)
		_ = s.nc.Close()
	}
}

// startForBench starts weir before a connector that takes everything, and returns the
// sender's address.
func startForBench(b testing.TB, w *bench) (addr string) {
	b.Helper()
	sink := newBenchSink(b)
	w.cfg.Listeners[0].Received = balancer.ReceivedAuto
	w.deaf = true
	w.start(0)
	w.registry.SetMembers("internet", []backend.Spec{{Pool: "internet", Name: "sink", Address: sink.addr(), Weight: 100}})
	w.caps["sink"] = backend.Capabilities{Known: true, Ext: backend.ExtPipelining | backend.Ext8BitMIME | backend.ExtEnhancedStatusCodes | backend.ExtSize, Size: 50 << 20}
	w.setHealth("sink", backend.HealthUp)
	return w.addr
}

func benchBody(lines int) []byte {
	return []byte("Subject: bench\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", lines) + ".\r\n")
}

func measureMessages(b *testing.B, addr string, body []byte, pipelined bool) {
	b.Helper()
	s := dialSender(b, addr)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		s.message(body, pipelined)
	}
	s.ask(1, quit)
	_ = s.nc.Close()
}

// What the sender says.
const (
	ehlo = "EHLO bench.test\r\n"
	mail = "MAIL FROM:<a@bench.test>\r\n"
	rcpt = "RCPT TO:<b@mx.test>\r\n"
	data = "DATA\r\n"
	quit = "QUIT\r\n"
)

// sender is the least that can send mail without being the bottleneck. What it
// allocates it allocates when it connects.
type sender struct {
	b   testing.TB
	nc  net.Conn
	in  *bufio.Reader
	out []byte
}

func dialSender(b testing.TB, addr string) *sender {
	nc := connectTo(b, addr)
	s := &sender{b: b, nc: nc, in: bufio.NewReaderSize(nc, 512), out: make([]byte, 0, 128)}
	s.ask(1, "")
	s.ask(1, ehlo)
	return s
}

func (s *sender) message(body []byte, pipelined bool) {
	if pipelined {
		s.ask(3, mail+rcpt+data)
	} else {
		s.ask(1, mail)
		s.ask(1, rcpt)
		s.ask(1, data)
	}
	s.send(body)
	if reply := s.ask(1, ""); !bytes.HasPrefix(reply, []byte("250")) {
		s.b.Fatalf("got %q", reply)
	}
}

func (s *sender) send(p []byte) {
	if _, err := s.nc.Write(p); err != nil {
		s.b.Fatal(err)
	}
}

// ask sends and reads n replies; it returns the last line.
func (s *sender) ask(n int, command string) []byte {
	if command != "" {
		s.send(append(s.out, command...))
	}
	for {
		line, err := s.in.ReadSlice('\n')
		if err != nil {
			s.b.Fatal(err)
		}
		if line[3] == ' ' {
			if n--; n == 0 {
				return line
			}
		}
	}
}

// BenchmarkAcquire is the cost of a place at a connector, under contention.
func BenchmarkAcquire(b *testing.B) {
	r := backend.NewRegistry([]backend.PoolConfig{{Name: "p", MaxConnections: 1 << 20}})
	r.SetMembers("p", []backend.Spec{{Pool: "p", Name: "a", Address: "127.0.0.1:25", Weight: 100}})
	m := r.Snapshot().Pool("p").Members[0]
	var once sync.Once
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if !m.Acquire() {
				once.Do(func() { b.Error("no place") })
				return
			}
			m.Release()
		}
	})
}
