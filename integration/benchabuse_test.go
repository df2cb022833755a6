package integration

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestBenchAbuse is `make bench-abuse`: what ten thousand connections from a thousand addresses cost weir in each stage, and
// what is left for honest senders meanwhile. A Markdown table is logged, and written to WEIR_BENCH_OUT if that is set;
// WEIR_BENCH_QUICK=1 takes a fifth of them.
func TestBenchAbuse(t *testing.T) {
	if os.Getenv("WEIR_BENCH_ABUSE") != "1" {
		t.Skip("takes minutes: make bench-abuse")
	}
	needWeir(t)
	all := 10_000
	if os.Getenv("WEIR_BENCH_QUICK") == "1" {
		all = 2_000
	}
	hello := []string{"EHLO flood.example\r\n"}
	clientHello := []string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"}
	var out strings.Builder
	out.WriteString("| what they do | connections | let in | memory of each, KiB | CPU a second | honest mail, p50 | p99 |\n|---|---|---|---|---|---|---|\n")
	for _, b := range []abuseBench{
		{name: "nobody is there but the honest senders"},
		{name: "wait behind the greeting", n: all},
		{name: "wait behind EHLO", n: all, steps: hello},
		{name: "wait behind MAIL", n: all, steps: append(hello, "MAIL FROM:<flood@sender.example>\r\n")},
		{name: "an octet a second of a command", n: all, steps: hello, drip: true},
		{name: "wait in a TLS handshake", n: all, mode: "starttls", steps: append(hello, "STARTTLS\r\n", clientHello[0])},
		{name: "wait in TLS behind EHLO", n: all / 2, mode: "implicit", steps: hello},
		{name: "want a place, of which there are a fifth", n: all, limits: fmt.Sprintf("limits: {connections: %d}", all/5)},
	} {
		b.run(t, &out)
	}
	t.Log("\n" + out.String())
	if file := os.Getenv("WEIR_BENCH_OUT"); file != "" {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Errorf("writing the table: %v", err)
		}
	}
}

// abuseBench is one row.
type abuseBench struct {
	name   string
	n      int
	mode   string // of the listener's TLS; empty: off
	steps  []string
	drip   bool
	limits string
}

const abuseWatched = 5 * time.Second // how long weir is watched while all are there

func (b abuseBench) run(t *testing.T, out *strings.Builder) {
	t.Helper()
	ca := newAuthority(t)
	long := []string{nobodyExempt, "timeouts: {command: 10m, data: 10m, greeting: 10m}"}
	bad := lane{name: "bad", listener: long}
	if b.limits != "" {
		bad.listener = append(bad.listener, b.limits)
	}
	if b.mode != "" {
		bad.edge = ca.edge(b.mode)
	}
	e := newEdge(t, ca, bad, lane{name: "good"})
	to := e.at("bad")
	if b.mode == "implicit" {
		to = e.at("good") // honest senders need no TLS
	}
	honest := startHonest(t, to, 3)
	honest.flows(20)
	before := e.weighed()
	address := func(i int) string { return source(1, i%1000) }
	var crowd *crowdOf
	if b.mode == "implicit" {
		crowd = b.secured(t, e, address)
	} else {
		crowd = storm(t, e.at("bad"), b.n, 100, address, func(int) []string { return b.steps })
	}
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if b.drip {
			crowd.drip(done)
		}
	}()
	honest.flows(10)
	began := e.weighed()
	time.Sleep(abuseWatched)
	now := e.weighed()
	in := crowd.open()
	close(done)
	<-ended
	p50, p99 := honest.end()
	memory := "-"
	if in > 0 {
		memory = fmt.Sprintf("%.1f", float64(now.rssKB-before.rssKB)/float64(in))
	}
	fmt.Fprintf(out, "| %s | %d | %d | %s | %.0f ms | %.1f ms | %.1f ms |\n", b.name, b.n, in, memory,
		float64((now.cpu-began.cpu).Milliseconds())/now.at.Sub(began.at).Seconds(), float64(p50.Microseconds())/1000, float64(p99.Microseconds())/1000)
	crowd.leave()
	e.signal(syscall.SIGTERM)
	e.waitExit(stopCeiling)
}

// secured is storm over TLS: the handshakes are not what is measured.
func (b abuseBench) secured(t *testing.T, e *edge, address func(int) string) *crowdOf {
	t.Helper()
	c := &crowdOf{t: t, to: e.at("bad"), conns: make([]net.Conn, b.n)}
	t.Cleanup(c.leave)
	for i := range c.conns {
		conn := tls.Client(guestDial(t, address(i), c.to), e.ca.trusts())
		if _, err := conn.Write([]byte(b.steps[0])); err != nil {
			t.Fatalf("in TLS: %v", err)
		}
		c.conns[i] = conn.NetConn() // to see whether it is open
	}
	return c
}
