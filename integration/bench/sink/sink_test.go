package sink_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/integration/bench/sink"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ceiling = 30 * time.Second

// start runs two sinks until the test ends.
func start(t *testing.T, o sink.Options) *sink.Server {
	t.Helper()
	any4 := netip.MustParseAddrPort("127.0.0.1:0")
	o.Addrs = []netip.AddrPort{any4, any4}
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
		if c := s.Counts(); c.Open != 0 {
			t.Errorf("%d connections are open after the end", c.Open)
		}
	})
	return s
}

func dial(t *testing.T, s *sink.Server) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", s.Addrs()[1].String(), ceiling)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(ceiling))
	return conn
}

// hear reads as many octets as want has.
func hear(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(conn, got); err != nil || string(got) != want {
		t.Fatalf("got %q, %v; want %q", got[:n], err, want)
	}
}

func say(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

// TestDialogues plays the scripts: lines with C: are sent in one write up to the next S:, whose lines are awaited together.
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.smtp")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues: %v", err)
	}
	for _, file := range files {
		for _, step := range []int{1 << 20, 1, 7} {
			t.Run(fmt.Sprintf("%s in pieces of %d", filepath.Base(file), step), func(t *testing.T) {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				s := start(t, sink.Options{NoPipelining: strings.Contains(file, "plain")})
				conn := dial(t, s)
				play(t, conn, string(text), step)
			})
		}
	}
}

func play(t *testing.T, conn net.Conn, script string, step int) {
	t.Helper()
	var out string
	flush := func() {
		for len(out) > 0 {
			n := min(step, len(out))
			say(t, conn, out[:n])
			out = out[n:]
		}
	}
	for line := range strings.Lines(script) {
		text := strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(text, "C: "):
			out += text[3:] + "\r\n"
		case strings.HasPrefix(text, "S: "):
			flush()
			hear(t, conn, text[3:]+"\r\n")
		case text == "closed":
			flush()
			if n, err := conn.Read(make([]byte, 1)); err != io.EOF {
				t.Fatalf("the connection is open: %d octets, %v", n, err)
			}
		}
	}
}

func TestCounts(t *testing.T) {
	s := start(t, sink.Options{})
	conn := dial(t, s)
	hear(t, conn, "220 sink.test.example ESMTP\r\n")
	say(t, conn, "MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nRSET\r\nDATA\r\n")
	hear(t, conn, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n")
	say(t, conn, "a\r\n.\r\nWHAT\r\n")
	hear(t, conn, "250 2.0.0 Ok: queued as 4dPmD2hZ\r\n500 5.5.2 Unknown command\r\n")
	want := sink.Counts{Messages: 1, Bytes: 6, Connections: 1, Open: 1, Resets: 1, Unknown: 1}
	if got := s.Counts(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestDelays: a delayed reply comes after its time, what was pipelined behind it is answered in order, and a peer that goes
// meanwhile is forgotten.
func TestDelays(t *testing.T) {
	const delay = 30 * time.Millisecond
	s := start(t, sink.Options{Delays: map[sink.Stage]time.Duration{sink.Banner: delay, sink.Rcpt: delay}})
	began := time.Now()
	conn := dial(t, s)
	hear(t, conn, "220 sink.test.example ESMTP\r\n")
	say(t, conn, "MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@b>\r\nDATA\r\n")
	hear(t, conn, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n")
	if took := time.Since(began); took < 3*delay {
		t.Errorf("after %s, want at least three delays of %s", took, delay)
	}
	say(t, conn, "\r\n.\r\nRCPT TO:<d@b>\r\n")
	hear(t, conn, "250 2.0.0 Ok: queued as 4dPmD2hZ\r\n")
	_ = conn.(*net.TCPConn).SetLinger(0) // a reset, while a reply is due
	_ = conn.Close()
	for until := time.Now().Add(ceiling); s.Counts().Open > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the connection stays")
		}
	}
}

// TestPeerThatDoesNotRead: replies that do not fit wait, and come whole.
func TestPeerThatDoesNotRead(t *testing.T) {
	s := start(t, sink.Options{})
	conn := dial(t, s)
	const n = 400_000
	wrote := make(chan error, 1)
	go func() {
		_, err := io.WriteString(conn, strings.Repeat("NOOP\r\n", n)+"QUIT\r\n")
		wrote <- err
	}()
	got, err := io.ReadAll(conn)
	if want := "220 sink.test.example ESMTP\r\n" + strings.Repeat("250 2.0.0 Ok\r\n", n) + "221 2.0.0 Bye\r\n"; err != nil || string(got) != want {
		t.Errorf("got %d octets, %v; want %d", len(got), err, len(want))
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}

func TestStageNamed(t *testing.T) {
	if got, err := sink.StageNamed("final_dot"); err != nil || got != sink.FinalDot {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := sink.StageNamed("body"); err == nil || !strings.Contains(err.Error(), "final_dot") {
		t.Errorf("got %v, want an error that lists the stages", err)
	}
}

func TestNewRefusesWhatItCannotBind(t *testing.T) {
	s := start(t, sink.Options{})
	if _, err := sink.New(sink.Options{Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0"), s.Addrs()[0]}}); err == nil {
		t.Error("a port was bound twice")
	}
}
