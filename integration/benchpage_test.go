package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// What looks at weir while it is measured.
const (
	benchStreams = 200                   // of events, and as many of the page
	benchScrape  = 50 * time.Millisecond // between two of /metrics, and between two of /v1/status
	benchOrder   = time.Second           // between two orders about a pool without mail: each is an event for every stream
)

// TestBenchPage is `make bench-page`: what open pages, event streams and scrapes cost the mail. Each round measures the
// same load twice, watched and unwatched, first one and then the other by turns. It fails when weir misses what it
// promises, or when what should have looked at it did not.
func TestBenchPage(t *testing.T) {
	if os.Getenv("WEIR_BENCH_PAGE") != "1" {
		t.Skip("takes minutes: make bench-page")
	}
	need(t, "smtp-source", "postfix")
	rounds, messages := 9, 30000
	if os.Getenv("WEIR_BENCH_QUICK") == "1" {
		rounds, messages = 7, 10000
	}
	b := newPageBench(t, messages)
	b.unwatched(t) // everything is warm after it
	var table pageTable
	for i := range rounds {
		var r pageRound
		if i%2 == 0 {
			r.alone = b.unwatched(t)
			r.watched = b.watched(t)
		} else {
			r.watched = b.watched(t)
			r.alone = b.unwatched(t)
		}
		table = append(table, r)
	}
	t.Logf("%d messages of 4 KiB, 20 connections; watched: %d event streams, %d pages, %d scrapes/s each of /metrics and /v1/status\n%s",
		messages, benchStreams, benchStreams, time.Second/benchScrape, table)
	if ratio := table.median(pageRound.ratio); ratio < 0.9 {
		t.Errorf("being watched costs %.0f %% of the throughput, promised are less than 10 %%", 100*(1-ratio))
	}
}

// pageBench is a weir between smtp-source and four smtp-sink.
type pageBench struct {
	w        *weir
	messages int
}

// measure is what one load came to.
type measure struct {
	rate float64       // messages a second
	cpu  time.Duration // of weir, a message
}

func newPageBench(t *testing.T, messages int) *pageBench {
	t.Helper()
	var sinks []string
	for range 4 {
		sinks = append(sinks, startSink(t))
	}
	cfg := basicConfig(opts{backends: sinks, health: "{probe: envelope}", top: []string{"log: {level: warn}"}})
	// Orders about these two make events, and no difference to the mail.
	cfg += fmt.Sprintf("  quiet: {tls: {mode: off}, backends: [{address: %q, name: q0}, {address: %q, name: q1}]}\n", sinks[0], sinks[1])
	w := startWeir(t, cfg)
	w.waitEligible(poolName, len(sinks))
	return &pageBench{w: w, messages: messages}
}

// startSink runs a connector that takes everything and keeps nothing.
func startSink(t *testing.T) (addr string) {
	t.Helper()
	need(t, "smtp-sink", "postfix")
	addr = freeAddr(t)
	args := []string{addr, "1000"}
	if os.Geteuid() == 0 {
		args = append([]string{"-u", "nobody"}, args...) // it will not run as root
	}
	cmd := exec.Command("smtp-sink", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting smtp-sink: %v", err)
	}
	off := guard(t, cmd.Process.Pid)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		off()
	})
	eventually(t, 20*time.Second, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, "smtp-sink does not listen on %s", addr)
	return addr
}

// unwatched measures the load with nobody looking.
func (b *pageBench) unwatched(t *testing.T) measure {
	t.Helper()
	cpu, start := b.w.cpu(), time.Now()
	out, err := run(t, "smtp-source", "-s", "20", "-l", "4096", "-d", "-m", strconv.Itoa(b.messages), b.w.SMTPAddr())
	if err != nil {
		t.Fatalf("smtp-source: %v\n%s", err, out)
	}
	took := time.Since(start)
	return measure{rate: float64(b.messages) / took.Seconds(), cpu: (b.w.cpu() - cpu) / time.Duration(b.messages)}
}

// watched measures the load while pages are open and scrapes go on, and holds that they were served.
func (b *pageBench) watched(t *testing.T) measure {
	t.Helper()
	l := startLookers(t, b.w)
	m := b.unwatched(t)
	l.stop(t)
	return m
}

// lookers is everybody who looks at weir at once.
type lookers struct {
	w       *weir
	began   time.Time
	cancel  context.CancelFunc
	done    sync.WaitGroup
	client  *http.Client
	scrapes atomic.Int64
	streams []*looker
}

// looker is one open stream: a plain connection, so that reading it costs the machine as little as can be.
type looker struct {
	conn   net.Conn
	octets atomic.Int64
}

// Write counts what came.
func (k *looker) Write(p []byte) (int, error) {
	k.octets.Add(int64(len(p)))
	return len(p), nil
}

func startLookers(t *testing.T, w *weir) *lookers {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &lookers{w: w, cancel: cancel, client: &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}}
	t.Cleanup(l.close)
	for range benchStreams {
		l.follow(t, "/v1/events/stream")
		l.follow(t, "/v1/page/stream")
	}
	for _, k := range l.streams {
		eventually(t, 30*time.Second, func() bool { return k.octets.Load() > 0 }, "a stream was not opened")
	}
	l.began = time.Now()
	for _, path := range []string{"/metrics", "/v1/status"} {
		l.every(ctx, benchScrape, func(int) { l.scrape(t, path) })
	}
	l.every(ctx, benchOrder, func(n int) { l.order(t, n) })
	return l
}

// follow opens a stream and reads it until it is closed.
func (l *lookers) follow(t *testing.T, path string) {
	t.Helper()
	conn, err := net.Dial("tcp", l.w.admin)
	if err != nil {
		t.Fatalf("opening a stream: %v", err)
	}
	k := &looker{conn: conn}
	l.streams = append(l.streams, k)
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, l.w.admin); err != nil {
		t.Fatalf("asking for a stream: %v", err)
	}
	l.done.Go(func() { _, _ = io.Copy(k, conn) })
}

// every does something now and then, at a pace that does not wait for who is slow.
func (l *lookers) every(ctx context.Context, pause time.Duration, do func(n int)) {
	l.done.Go(func() {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-tick.C:
				do(n)
			case <-ctx.Done():
				return
			}
		}
	})
}

func (l *lookers) scrape(t *testing.T, path string) {
	resp, err := l.client.Get(l.w.adminURL(path))
	if err != nil {
		t.Errorf("scraping: %v", err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("scraping %s: %s, %v", path, resp.Status, err)
	}
	l.scrapes.Add(1)
}

func (l *lookers) order(t *testing.T, n int) {
	verb := []string{"drain", "undrain"}[n%2]
	if code, answer, err := l.w.post("/v1/backends/quiet/q0/"+verb, map[string]string{"reason": "bench"}); err != nil || code != http.StatusOK {
		t.Errorf("%s: %d, %s, %v", verb, code, answer, err)
	}
}

// stop ends the looking. At least half of the scrapes that were due must have been served, and every stream told of the orders.
func (l *lookers) stop(t *testing.T) {
	t.Helper()
	due := 2 * int64(time.Since(l.began)/benchScrape)
	l.close()
	if got := l.scrapes.Load(); got < due/2 {
		t.Errorf("%d scrapes, want %d", got, due)
	}
	for i, k := range l.streams {
		if got := k.octets.Load(); got < 500 { // headers, and a few words more
			t.Errorf("stream %d brought %d octets only", i, got)
		}
	}
}

func (l *lookers) close() {
	l.cancel()
	for _, k := range l.streams {
		_ = k.conn.Close()
	}
	l.done.Wait()
	l.client.CloseIdleConnections()
}

// pageRound is one pair, and pageTable all of them.
type (
	pageRound struct{ alone, watched measure }
	pageTable []pageRound
)

func (r pageRound) ratio() float64 { return r.watched.rate / r.alone.rate }

// median is the middle one of what a column says.
func (p pageTable) median(column func(pageRound) float64) float64 {
	var values []float64
	for _, r := range p {
		values = append(values, column(r))
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// String is the table, in Markdown.
func (p pageTable) String() string {
	columns := []func(pageRound) float64{
		func(r pageRound) float64 { return r.alone.rate },
		func(r pageRound) float64 { return r.watched.rate },
		pageRound.ratio,
		func(r pageRound) float64 { return float64(r.alone.cpu.Microseconds()) },
		func(r pageRound) float64 { return float64(r.watched.cpu.Microseconds()) },
	}
	var b strings.Builder
	row := func(name string, value func(column func(pageRound) float64) float64) {
		fmt.Fprintf(&b, "| %s", name)
		for i, column := range columns {
			fmt.Fprintf(&b, " | %.*f", []int{0, 0, 2, 0, 0}[i], value(column))
		}
		b.WriteString(" |\n")
	}
	b.WriteString("| round | messages/s | watched | ratio | CPU of weir a message, µs | watched |\n|---|---|---|---|---|---|\n")
	for i, r := range p {
		row(strconv.Itoa(i+1), func(column func(pageRound) float64) float64 { return column(r) })
	}
	row("median", p.median)
	return b.String()
}
