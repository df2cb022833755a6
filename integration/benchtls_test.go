package integration

import (
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestBenchTLS is `make bench-tls`: messages through weir, which ends the senders' TLS, and through a HAProxy that does so in
// front of the same sinks, by turns. The TLS is implicit, as HAProxy knows no STARTTLS. A Markdown table is logged, and
// written to WEIR_BENCH_OUT if that is set; WEIR_BENCH_QUICK=1 is short.
func TestBenchTLS(t *testing.T) {
	if os.Getenv("WEIR_BENCH_TLS") != "1" {
		t.Skip("takes minutes: make bench-tls")
	}
	needWeir(t)
	rounds, messages := 7, 8000
	if os.Getenv("WEIR_BENCH_QUICK") == "1" {
		rounds, messages = 3, 2000
	}
	b := newTLSBench(t)
	var out strings.Builder
	fmt.Fprintf(&out, "| load | version | weir, messages/s | HAProxy | ratio | CPU of weir a message, µs | HAProxy |\n|---|---|---|---|---|---|---|\n")
	for _, load := range []tlsLoad{
		{"4 KiB, a connection for each", 4096, 1, messages / 4, false},
		{"4 KiB, a connection for each, sessions resumed", 4096, 1, messages / 4, true},
		{"4 KiB, 100 on a connection", 4096, 100, messages, false},
		{"60 KiB, 20 on a connection", 60 << 10, 20, messages / 4, false},
		{"1 MiB, 10 on a connection", 1 << 20, 10, messages / 40, false},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			b.compare(t, &out, load, version, rounds)
		}
	}
	t.Log("\n" + out.String())
	if file := os.Getenv("WEIR_BENCH_OUT"); file != "" {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Errorf("writing the table: %v", err)
		}
	}
}

// tlsLoad is what the senders do.
type tlsLoad struct {
	name     string
	size     int
	each     int // messages on a connection
	messages int
	resume   bool // connections go on with earlier sessions, by ticket
}

// tlsBench is the two front ends, before the same four sinks.
type tlsBench struct {
	ca      *authority
	w       *weir
	weir    string // addresses
	haproxy string
	proxied *exec.Cmd
}

func newTLSBench(t *testing.T) *tlsBench {
	t.Helper()
	b := &tlsBench{ca: newAuthority(t), haproxy: freeAddr(t)}
	var sinks []string
	for range 4 {
		sinks = append(sinks, startSink(t))
	}
	cfg := strings.Replace(basicConfig(opts{backends: sinks, top: []string{"log: {level: warn}"}}), "tls: {mode: off}", "tls: "+b.ca.edge("implicit"), 1)
	b.w = startWeir(t, cfg)
	b.w.waitEligible(poolName, len(sinks))
	b.weir = b.w.SMTPAddr()
	cert, key := b.ca.issue(edgeName)
	pem := b.ca.write("haproxy.pem", joined(t, cert, key))
	conf := fmt.Sprintf("listen tls\n  bind %s ssl crt %s\n  balance roundrobin\n  option smtpchk EHLO weir.test.example\n", b.haproxy, pem)
	for i, s := range sinks {
		conf += fmt.Sprintf("  server s%d %s check inter 1s\n", i, s)
	}
	b.proxied = runHAProxy(t, conf, b.haproxy)
	return b
}

// compare measures both front ends by turns, and writes a row of medians.
func (b *tlsBench) compare(t *testing.T, out *strings.Builder, load tlsLoad, version uint16, rounds int) {
	t.Helper()
	var weirs, proxies []measure
	var ratios []float64
	for i := range rounds + 1 {
		first, second := b.measureWeir, b.measureHAProxy
		if i%2 == 1 {
			first, second = second, first
		}
		x, y := first(t, load, version), second(t, load, version)
		if i%2 == 1 {
			x, y = y, x
		}
		if i == 0 {
			continue // everything is warm after it
		}
		weirs, proxies, ratios = append(weirs, x), append(proxies, y), append(ratios, x.rate/y.rate)
	}
	rate := func(m measure) float64 { return m.rate }
	cpu := func(m measure) float64 { return float64(m.cpu.Microseconds()) }
	fmt.Fprintf(out, "| %s | %s | %.0f | %.0f | %.2f | %.0f | %.0f |\n", load.name, tls.VersionName(version),
		middle(weirs, rate), middle(proxies, rate), middle(ratios, func(r float64) float64 { return r }), middle(weirs, cpu), middle(proxies, cpu))
	t.Logf("%s, %s: weir %.0f, HAProxy %.0f messages/s", load.name, tls.VersionName(version), middle(weirs, rate), middle(proxies, rate))
}

// middle is the median of what a column says.
func middle[T any](all []T, column func(T) float64) float64 {
	var values []float64
	for _, x := range all {
		values = append(values, column(x))
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

func (b *tlsBench) measureWeir(t *testing.T, load tlsLoad, version uint16) measure {
	t.Helper()
	return b.measure(t, load, version, b.weir, b.w.cpu)
}

func (b *tlsBench) measureHAProxy(t *testing.T, load tlsLoad, version uint16) measure {
	t.Helper()
	return b.measure(t, load, version, b.haproxy, func() time.Duration { return (&weir{t: t, cmd: b.proxied}).cpu() })
}

// measure is one load through one front end.
func (b *tlsBench) measure(t *testing.T, load tlsLoad, version uint16, addr string, cpu func() time.Duration) measure {
	t.Helper()
	cfg := b.ca.trusts()
	cfg.MinVersion, cfg.MaxVersion = version, version
	if load.resume {
		cfg.ClientSessionCache = tls.NewLRUClientSessionCache(64)
	}
	group := []byte("MAIL FROM:<bench@sender.example>\r\nRCPT TO:<box@test.example>\r\nDATA\r\n")
	content := dotStuff(append([]byte("Subject: bench\r\n\r\n"), filler(load.size)...))
	var left atomic.Int64
	left.Store(int64(load.messages))
	var wg sync.WaitGroup
	spent, start := cpu(), time.Now()
	for range 20 {
		wg.Go(func() {
			for left.Load() > 0 {
				if err := securedConnection(addr, cfg, load.each, &left, group, content); err != nil {
					t.Errorf("a sender at %s: %v", addr, err)
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	sent := float64(load.messages) - float64(left.Load()) // senders that were under way may have sent some more
	return measure{rate: sent / took.Seconds(), cpu: time.Duration(float64(cpu()-spent) / sent)}
}

// securedConnection sends some messages on one connection, each as one group, its content behind the 354.
func securedConnection(addr string, cfg *tls.Config, each int, left *atomic.Int64, group, content []byte) error {
	conn, err := tls.Dial("tcp", addr, cfg)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	c := overConn(conn)
	defer c.close()
	if rep, err := c.read(); err != nil || rep.code != 220 {
		return fmt.Errorf("the greeting is %s, %v", rep, err)
	}
	if err := c.ehlo(); err != nil {
		return err
	}
	for range each {
		if left.Add(-1) < 0 {
			left.Add(1)
			break
		}
		if err := securedMessage(c, group, content); err != nil {
			return err
		}
	}
	_, err = c.cmd("QUIT")
	return err
}

func securedMessage(c *client, group, content []byte) error {
	if err := c.write(group); err != nil {
		return err
	}
	for _, want := range []int{250, 250, 354, 250} {
		rep, err := c.read()
		if err == nil && rep.code != want {
			err = &replyError{strconv.Itoa(want), rep}
		}
		if err == nil && want == 354 {
			err = c.write(content)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
