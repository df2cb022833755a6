package balancer_test

import (
	"bufio"
	"bytes"
	"net"
	"strings"
	"sync"
	"testing"

	"weir/balancer"
	"weir/internal/backend"
	"weir/internal/faulty"
	"weir/policies"
)

// BenchmarkSession measures a whole message through loopback: a sender on a long
// connection, weir, and a connector, all in one process. Its figure is an upper
// bound of what weir itself costs.
func BenchmarkSession(b *testing.B) {
	for _, size := range []struct {
		name  string
		lines int
	}{{"4KiB", 53}, {"60KiB", 780}, {"5MiB", 68000}} {
		for _, pipelined := range []bool{false, true} {
			name := size.name
			if pipelined {
				name += "-pipelined"
			}
			b.Run(name, func(b *testing.B) { benchSession(b, size.lines, pipelined, false) })
		}
	}
}

// BenchmarkRoutedSession is the same where recipients are routed.
func BenchmarkRoutedSession(b *testing.B) { benchSession(b, 53, true, true) }

func benchSession(b *testing.B, lines int, pipelined, routed bool) {
	w := newBench(b)
	if routed {
		w.listener().Pool = ""
		w.cfg.Routes = []policies.Route{{Match: []string{"mx.test"}, To: []policies.Target{{Pool: "internet"}, {Pool: "internet", Cost: 1}}}}
	}
	srv, err := faulty.New(faulty.Options{Behaviour: faulty.Honest(), ForgetContent: true, ForgetDialog: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(srv.Close)
	w.names, w.connectors["sink"] = []string{"sink"}, srv
	w.cfg.Listeners[0].Received = balancer.ReceivedAuto
	w.deaf = true
	w.start(0)
	body := []byte("Subject: bench\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", lines) + ".\r\n")
	s := dialSender(b, w.addr)
	s.ask(1, "EHLO bench.test\r\n")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if pipelined {
			s.ask(3, "MAIL FROM:<a@bench.test>\r\nRCPT TO:<b@mx.test>\r\nDATA\r\n")
		} else {
			s.ask(1, "MAIL FROM:<a@bench.test>\r\n")
			s.ask(1, "RCPT TO:<b@mx.test>\r\n")
			s.ask(1, "DATA\r\n")
		}
		s.send(body)
		if reply := s.ask(1, ""); !bytes.HasPrefix(reply, []byte("250")) {
			b.Fatalf("got %q", reply)
		}
	}
	b.StopTimer()
	s.ask(1, "QUIT\r\n")
}

// sender is the least that can send mail without being the bottleneck.
type sender struct {
	b  *testing.B
	nc net.Conn
	in *bufio.Reader
}

func dialSender(b *testing.B, addr string) *sender {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = nc.Close() })
	s := &sender{b: b, nc: nc, in: bufio.NewReader(nc)}
	s.ask(1, "")
	return s
}

func (s *sender) send(p []byte) {
	if _, err := s.nc.Write(p); err != nil {
		s.b.Fatal(err)
	}
}

// ask sends and reads n replies; it returns the last line.
func (s *sender) ask(n int, command string) []byte {
	if command != "" {
		s.send([]byte(command))
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
