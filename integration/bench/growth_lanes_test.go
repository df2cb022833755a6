package main

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"weir/integration/bench/front"
	"weir/integration/bench/load"
	"weir/integration/bench/sink"
	"weir/integration/bench/table"
)

// TestLane: a lane that ends at a sink in this process, which pays for it.
func TestLane(t *testing.T) {
	s, err := sink.New(sink.Options{Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	l := lane{"this process", s.Addrs()[0].String(), os.Getpid()}
	o := load.Options{Conns: 5, Each: 10, Size: 4096, Gather: true, Warmup: 20 * time.Millisecond, Duration: 200 * time.Millisecond}
	sample, acknowledged, err := l.run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if sample.Rate <= 0 || sample.CPU <= 0 || sample.P99 < sample.P50 || sample.P50 <= 0 || acknowledged != s.Counts().Messages {
		t.Errorf("got %+v, %d acknowledged, %+v", sample, acknowledged, s.Counts())
	}
	l.pid = 0
	if sample, _, err = l.run(t.Context(), o); err != nil || sample.CPU != 0 {
		t.Errorf("without a front end: %+v, %v", sample, err)
	}
	l.addr = "nowhere"
	if _, _, err := l.run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "address") {
		t.Errorf("nowhere: %v", err)
	}
}

func TestTurned(t *testing.T) {
	lanes := []lane{{name: "a"}, {name: "b"}, {name: "c"}}
	for round, want := range []string{"abc", "bca", "cab", "abc"} {
		got := ""
		for _, l := range turned(lanes, round) {
			got += l.name
		}
		if got != want {
			t.Errorf("round %d is %s, want %s", round, got, want)
		}
	}
}

// Weir's descriptors are bounded by its config, HAProxy's by nothing.
func TestFits(t *testing.T) {
	for name, want := range map[string]bool{table.Weir: true, table.HAProxy: false} {
		if got := fits(name, 1<<30); got != want {
			t.Errorf("a billion sessions of %s: %t", name, got)
		}
	}
	if !fits(table.HAProxy, 1) {
		t.Error("one session does not fit")
	}
}

// The senders' recipients are in exactly one route.
func TestRouted(t *testing.T) {
	config := routed(front.WeirConfig([]string{"127.0.0.1:2601"}), 100)
	for what, want := range map[string]int{"- {match:": 100, "[test.example]": 1, "mode: smtp, routes: true": 1, "mode: tcp, pool: sinks": 1} {
		if got := strings.Count(config, what); got != want {
			t.Errorf("%q is there %d times, want %d", what, got, want)
		}
	}
	if strings.Contains(config, "mode: smtp, pool") {
		t.Error("the listener still has its pool")
	}
}

func TestPartFlags(t *testing.T) {
	for args, want := range map[string]string{
		"-rounds 0":  "at least one round",
		"-only (":    "reading -only",
		"everything": "is none",
		"-no-such":   "not defined",
	} {
		if _, _, err := parsePart("growth", strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
	o, out, err := parsePart("growth", strings.Fields("-quick -out t.md -only size"))
	if err != nil || o.rounds != 1 || out != "t.md" || o.only.MatchString("routes") || o.time(5) != time.Second {
		t.Errorf("got %+v, %q, %v", o, out, err)
	}
}
