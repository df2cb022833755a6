package load_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"weir/integration/bench/load"
	"weir/integration/bench/sink"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ceiling = 60 * time.Second

// start runs a sink until the test ends.
func start(t *testing.T, o sink.Options) *sink.Server {
	t.Helper()
	o.Addrs = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	s, err := sink.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s
}

func run(t *testing.T, o load.Options) *load.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), ceiling)
	defer cancel()
	r, err := load.Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestEveryMessageOnce: whatever the shape, the sink has exactly what was acknowledged, in as few connections as there
// should be; at the end each sender may have opened one that then has nothing left to send.
func TestEveryMessageOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		sink  sink.Options
		load  load.Options
		conns uint64
	}{
		"one a connection":            {load: load.Options{Conns: 5, Each: 1, Size: 4096, Messages: 103}, conns: 103},
		"many a connection":           {load: load.Options{Conns: 3, Each: 10, Size: 300, Messages: 60}, conns: 6},
		"pipelined":                   {load: load.Options{Conns: 4, Each: 10, Size: 4096, Pipeline: true, Messages: 80}, conns: 8},
		"behind the dot":              {load: load.Options{Conns: 4, Each: 10, Size: 4096, Pipeline: true, Group: true, Messages: 80}, conns: 8},
		"behind dots that take time":  {sink: delays(sink.FinalDot), load: load.Options{Conns: 4, Each: 10, Size: 4096, Pipeline: true, Group: true, Messages: 78}, conns: 8},
		"large":                       {load: load.Options{Conns: 3, Each: 4, Size: 3_000_000, Pipeline: true, Messages: 12}, conns: 3},
		"in pieces":                   {load: load.Options{Conns: 2, Each: 5, Size: 5000, Chunk: 700, Messages: 10}, conns: 2},
		"from several addresses":      {load: load.Options{Conns: 6, Each: 2, Size: 300, Sources: 3, Messages: 12}, conns: 6},
		"paced":                       {load: load.Options{Conns: 3, Each: 10, Size: 300, Pace: 1000, Messages: 50}},
		"paced, one a connection":     {load: load.Options{Conns: 3, Each: 1, Size: 300, Pace: 1000, Messages: 50}, conns: 50},
		"connectors that take time":   {sink: delays(sink.Mail, sink.FinalDot), load: load.Options{Conns: 5, Each: 5, Size: 300, Messages: 50}, conns: 10},
		"more than may open at once":  {load: load.Options{Conns: 300, Each: 1, Size: 300, Messages: 600}, conns: 600},
		"a connector that is no peer": {sink: sink.Options{NoPipelining: true}, load: load.Options{Conns: 2, Each: 5, Size: 300, Messages: 10}, conns: 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, tt.sink)
			tt.load.Addr = s.Addrs()[0]
			r := run(t, tt.load)
			c := s.Counts()
			want := uint64(tt.load.Messages)
			if r.Acknowledged != want || r.Messages != want || c.Messages != want || c.Unknown != 0 {
				t.Errorf("acknowledged %d, counted %d, the sink has %+v; want %d messages", r.Acknowledged, r.Messages, c, want)
			}
			spare := uint64(tt.load.Conns)
			if tt.load.Each == 1 {
				spare = 0
			}
			if tt.conns != 0 && (c.Connections < tt.conns || c.Connections > tt.conns+spare) || r.Connections != c.Connections {
				t.Errorf("%d connections, the sink has %d, want %d", r.Connections, c.Connections, tt.conns)
			}
			if r.Codes["354"] != want || r.Codes["221"] != r.Connections || r.Codes["250"] != 3*want+r.Connections {
				t.Errorf("replies: %v", r.Codes)
			}
			if l := r.Latency; l.P50 <= 0 || l.P50 > l.P99 || l.P99 > l.Max || r.Rate <= 0 {
				t.Errorf("rate %g, latency %+v", r.Rate, l)
			}
		})
	}
}

func delays(stages ...sink.Stage) sink.Options {
	o := sink.Options{Delays: map[sink.Stage]time.Duration{}}
	for _, s := range stages {
		o.Delays[s] = 2 * time.Millisecond
	}
	return o
}

// TestDuration: a run by time ends by itself, and finishes what it began.
func TestDuration(t *testing.T) {
	s := start(t, sink.Options{})
	r := run(t, load.Options{Addr: s.Addrs()[0], Conns: 3, Each: 7, Size: 300, Warmup: 50 * time.Millisecond, Duration: 200 * time.Millisecond})
	if r.Messages > r.Acknowledged || r.Acknowledged != s.Counts().Messages || r.Seconds != 0.2 {
		t.Errorf("counted %d in %g s, acknowledged %d, the sink has %d", r.Messages, r.Seconds, r.Acknowledged, s.Counts().Messages)
	}
}

// TestPaceCountsFromWhenDue: a connector that is slower than the pace shows as latency, not as a slower pace.
func TestPaceCountsFromWhenDue(t *testing.T) {
	s := start(t, sink.Options{Delays: map[sink.Stage]time.Duration{sink.FinalDot: 20 * time.Millisecond}})
	r := run(t, load.Options{Addr: s.Addrs()[0], Conns: 1, Each: 100, Size: 300, Pace: 1000, Messages: 20})
	if r.Latency.Max < 300_000 { // the twentieth is due after 19 ms, and answered after 400
		t.Errorf("latency %+v", r.Latency)
	}
}

func TestHold(t *testing.T) {
	for _, each := range []int{0, 2} {
		s := start(t, sink.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		var open int64
		held := 0
		r, err := load.Run(ctx, load.Options{Addr: s.Addrs()[0], Conns: 200, Each: each, Size: 300, Hold: true, Sources: 2, Held: func() {
			held++
			open = s.Counts().Open
			cancel()
		}})
		if err != nil || held != 1 || open != 200 || r.Acknowledged != uint64(200*each) || r.Codes["221"] != 200 {
			t.Errorf("each %d: %v, held %d times with %d open, result %+v", each, err, held, open, r)
		}
	}
}

// script is a server that says its lines, each behind one read, and closes.
func script(t *testing.T, lines ...string) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- play(ln, lines) }()
	t.Cleanup(func() {
		_ = ln.Close()
		if err := <-done; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Logf("the server: %v", err)
		}
	})
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

func play(ln net.Listener, lines []string) error {
	conn, err := ln.Accept()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(ceiling))
	buf := make([]byte, 1<<16)
	for i, l := range lines {
		if i > 0 {
			if _, err := conn.Read(buf); err != nil {
				return err
			}
		}
		if _, err := conn.Write([]byte(l)); err != nil {
			return err
		}
	}
	return nil
}

func TestAnythingUnexpectedEndsTheRun(t *testing.T) {
	const hello = "250-x\r\n250 PIPELINING\r\n"
	for name, tt := range map[string]struct {
		lines []string
		pipe  bool
		want  string
	}{
		"greeting":        {[]string{"421 4.3.2 no\r\n"}, false, `the reply to greeting is "421 4.3.2 no`},
		"not even a code": {[]string{"hi\r\n"}, false, `the reply to greeting is "hi`},
		"refused":         {[]string{"220 x\r\n", hello, "451 4.3.2 later\r\n"}, false, `the reply to MAIL is "451 4.3.2 later`},
		"closed":          {[]string{"220 x\r\n", hello, "250 ok\r\n"}, false, "waiting for the reply to"},
		"no end":          {[]string{"220-" + strings.Repeat("x", 9000)}, false, "has no end"},
		"no pipelining":   {[]string{"220 x\r\n", "250-x\r\n250 SIZE\r\n"}, true, "PIPELINING is not offered"},
		"answers early":   {[]string{"220 x\r\n", hello, "250 a\r\n250 b\r\n354 c\r\n250 d\r\n"}, true, "answered with 250 before its end"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load.Run(t.Context(), load.Options{Addr: script(t, tt.lines...), Conns: 1, Each: 1, Size: 20_000_000, Messages: 1, Pipeline: tt.pipe})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
	refused := start(t, sink.Options{}).Addrs()[0]
	refused = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), refused.Port())
	if _, err := load.Run(t.Context(), load.Options{Addr: refused, Conns: 1, Each: 1, Size: 300, Messages: 1}); err == nil {
		t.Error("nobody listens, and the run had no error")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := load.Options{Addr: netip.MustParseAddrPort("127.0.0.1:1"), Conns: 1, Each: 1, Size: 300, Messages: 1}
	for name, spoil := range map[string]func(*load.Options){
		"IPv6":              func(o *load.Options) { o.Addr = netip.MustParseAddrPort("[::1]:25") },
		"no connection":     func(o *load.Options) { o.Conns = 0 },
		"no message each":   func(o *load.Options) { o.Each = 0 },
		"too small":         func(o *load.Options) { o.Size = 10 },
		"group alone":       func(o *load.Options) { o.Group = true },
		"too many sources":  func(o *load.Options) { o.Sources = 255 },
		"number and time":   func(o *load.Options) { o.Duration = time.Second },
		"no end":            func(o *load.Options) { o.Messages = 0 },
		"a pace below zero": func(o *load.Options) { o.Pace = -1 },
	} {
		o := good
		spoil(&o)
		if _, err := load.Run(t.Context(), o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
