package dns

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"weir/discovery"
	"weir/internal/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ceiling is for a loaded machine; nothing here is meant to take as long.
const ceiling = time.Minute

// once asks once and returns the set, as text.
func (z *zone) once(cfg Config) string {
	set, _ := z.source(cfg).ask(z.t.Context(), new(int))
	return said(set)
}

func (z *zone) source(cfg Config) *Source {
	cfg.Pool, cfg.Resolver = "p", z.address
	return New(cfg)
}

func said(set discovery.Set) string {
	if set.Unheard {
		return "unheard: " + set.Doubt
	}
	var all []string
	for _, s := range set.Specs {
		all = append(all, fmt.Sprintf("%s=%s/%d/%d", s.Name, s.Address, s.Cost, s.Weight))
	}
	return strings.Join(all, " ")
}

const srv = "_smtp._tcp.in.test."

func TestServices(t *testing.T) {
	for _, tt := range []struct {
		name    string
		records []string
		want    string
	}{
		{"priority and weight", []string{
			srv + " 60 SRV 10 70 25 b.test.", srv + " 60 SRV 20 0 2525 a.test.", srv + " 60 SRV 10 60000 25 C.Test.",
			"a.test. 60 A 10.0.0.1", "b.test. 60 A 10.0.0.2", "c.test. 60 AAAA 2001:db8::3",
		}, "a.test=10.0.0.1:2525/20/1 b.test=10.0.0.2:25/10/70 c.test=[2001:db8::3]:25/10/1000"},
		{"several addresses", []string{
			srv + " 60 SRV 0 5 25 a.test.", "a.test. 60 A 10.0.0.2", "a.test. 60 A 10.0.0.1", "a.test. 60 AAAA 2001:db8::1",
		}, "a.test-10.0.0.1=10.0.0.1:25/0/5 a.test-10.0.0.2=10.0.0.2:25/0/5 a.test-2001:db8::1=[2001:db8::1]:25/0/5"},
		{"odd names", []string{
			srv + " 60 SRV 0 5 25 a_b." + strings.Repeat("x", 60) + ".test.", "a_b." + strings.Repeat("x", 60) + ".test. 60 A 10.0.0.1",
		}, "a_b." + strings.Repeat("x", 60) + "=10.0.0.1:25/0/5"},
		{"not offered", []string{srv + " 60 SRV 0 0 0 ."}, ""},
		{"no such name", nil, ""},
		{"no such record", []string{srv + " 60 TXT x"}, ""},
		{"target without address", []string{srv + " 60 SRV 0 1 25 a.test.", srv + " 60 SRV 0 1 25 b.test.", "a.test. 60 A 10.0.0.1"}, "a.test=10.0.0.1:25/0/1"},
		{"nowhere", []string{srv + " 60 SRV 0 1 25 a.test.", "a.test. 60 A 0.0.0.0"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := newZone(t, tt.records...).once(Config{SRV: srv}); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestHosts(t *testing.T) {
	z := newZone(t, "mx.test. 60 A 10.0.0.2", "mx.test. 60 A 10.0.0.1", "mx.test. 60 AAAA 2001:db8::1")
	want := "10.0.0.1:25=10.0.0.1:25/0/100 10.0.0.2:25=10.0.0.2:25/0/100 2001:db8::1:25=[2001:db8::1]:25/0/100"
	if got := z.once(Config{Host: "mx.test", Port: 25}); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAdditionalSectionSparesQuestions(t *testing.T) {
	z := newZone(t, srv+" 60 SRV 0 1 25 a.test.")
	z.change(func() { z.extra = parse(t, []string{"A.test. 60 A 10.0.0.1", "other.test. 60 A 10.0.0.9"}) })
	if got, want := z.once(Config{SRV: srv}), "a.test=10.0.0.1:25/0/1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := z.questions(); !slices.Equal(got, []string{"udp SRV " + srv}) {
		t.Errorf("asked %q", got)
	}
}

func TestTruncatedAnswersAreAskedForOverTCP(t *testing.T) {
	z := newZone(t, "mx.test. 60 A 10.0.0.1")
	z.change(func() { z.tcOnUDP = true })
	if got, want := z.once(Config{Host: "mx.test", Port: 25}), "10.0.0.1:25=10.0.0.1:25/0/100"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := z.questions(); !slices.Contains(got, "tcp A mx.test.") {
		t.Errorf("asked %q", got)
	}
}

func TestServersFromBeforeEDNS(t *testing.T) {
	z := newZone(t, "mx.test. 60 A 10.0.0.1")
	z.change(func() { z.noEDNS = true })
	if got, want := z.once(Config{Host: "mx.test", Port: 25}), "10.0.0.1:25=10.0.0.1:25/0/100"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFailuresAreNoAnswers(t *testing.T) {
	z := newZone(t, srv+" 60 SRV 0 1 25 a.test.", srv+" 60 SRV 0 1 25 b.test.", "a.test. 60 A 10.0.0.1", "b.test. 60 A 10.0.0.2")
	for code, want := range map[int]string{
		dns.RcodeServerFailure: "answered SERVFAIL to a question for the A of b.test.",
		dns.RcodeRefused:       "answered REFUSED to a question for the A of b.test.",
		-1:                     "tries; A of b.test.)",
	} {
		z.change(func() { z.rcodes["b.test."] = code })
		s := z.source(Config{SRV: srv})
		if code < 0 {
			s.client.timeout, s.client.tries = 2*time.Second, 1
		}
		failures := 0
		set, wait := s.ask(t.Context(), &failures)
		if got := said(set); !strings.HasPrefix(got, "unheard: resolver "+z.address+" ") || !strings.HasSuffix(got, want) {
			t.Errorf("said %s, want %s", got, want)
		}
		if failures != 1 || wait <= 0 || wait > maxRetry {
			t.Errorf("after %d failures asks again in %v", failures, wait)
		}
	}
}

func TestReferralsAreNoAnswers(t *testing.T) {
	reply := new(dns.Msg)
	reply.Ns = parse(t, []string{"test. 60 NS ns.test."})
	if !refers(reply) {
		t.Error("a referral was taken for an answer")
	}
	reply.Ns = parse(t, []string{"test. 60 NS ns.test.", "test. 60 SOA ns.test. h.test. 1 2 3 4 5"})
	if refers(reply) {
		t.Error("an empty answer was taken for a referral")
	}
}

func TestNobodyThere(t *testing.T) {
	ln, pc := sockets(t)
	address := ln.Addr().String()
	_, _ = ln.Close(), pc.Close()
	set, _ := New(Config{Pool: "p", Host: "mx.test", Port: 25, Resolver: address}).ask(t.Context(), new(int))
	if want := "unheard: asking resolver " + address + " for the A of mx.test: connection refused"; said(set) != want {
		t.Errorf("said %s, want %s", said(set), want)
	}
}

func TestClockOfTheAnswer(t *testing.T) {
	z := newZone(t, srv+" 600 SRV 0 1 25 a.test.", "a.test. 7 A 10.0.0.1", "zero.test. 0 A 10.0.0.1")
	for _, tt := range []struct {
		cfg  Config
		want time.Duration
	}{
		{Config{SRV: srv}, 7 * time.Second},
		{Config{SRV: srv, Refresh: 5 * time.Second}, 5 * time.Second},
		{Config{SRV: srv, Refresh: time.Millisecond}, time.Second},
		{Config{Host: "zero.test", Port: 25}, time.Second},
		{Config{Host: "none.test", Port: 25}, 30 * time.Second},
	} {
		if _, got := z.source(tt.cfg).ask(t.Context(), new(int)); got != tt.want {
			t.Errorf("%+v: asks again in %v, want %v", tt.cfg, got, tt.want)
		}
	}
}

func TestRetriesAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		got := retry(rapid.IntRange(1, math.MaxInt).Draw(t, "failures"))
		if got < firstRetry/2 || got > maxRetry+firstRetry {
			t.Fatalf("%v", got)
		}
	})
}

func TestChangesAreTold(t *testing.T) {
	z := newZone(t, "mx.test. 0 A 10.0.0.1")
	sets := make(chan discovery.Set)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- z.source(Config{Host: "mx.test", Port: 25, Refresh: time.Second}).Run(ctx, sets) }()
	expect := func(want string) {
		t.Helper()
		select {
		case set := <-sets:
			if got := said(set); !strings.Contains(got, want) || want == "" && got != "" {
				t.Errorf("told %q, want %q", got, want)
			}
			set.Specs = append(set.Specs[:0], backend.Spec{}) // ours to spoil
		case <-time.After(ceiling):
			t.Fatalf("%q was not told", want)
		}
	}
	expect("10.0.0.1:25=10.0.0.1:25/0/100")
	z.set("mx.test. 0 A 10.0.0.2")
	expect("10.0.0.2:25=10.0.0.2:25/0/100")
	z.set()
	expect("")
	z.change(func() { z.rcodes["mx.test."] = dns.RcodeRefused })
	expect("answered REFUSED")
	z.change(func() { clear(z.rcodes) })
	expect("") // it can be asked again: said, though it is what it was
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopping: %v", err)
	}
}

// A wait for an answer ends with the context, not with its own deadline.
func TestStopsInTheMiddleOfAQuestion(t *testing.T) {
	z := newZone(t)
	z.change(func() { z.rcodes["mx.test."] = -1 })
	s := z.source(Config{Host: "mx.test", Port: 25})
	s.client.timeout = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, nil) }()
	for len(z.questions()) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(ceiling):
		t.Error("goes on waiting")
	}
}

func TestResolvers(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1": "127.0.0.1:53", "127.0.0.1:5353": "127.0.0.1:5353", "::1": "[::1]:53", "[::1]": "[::1]:53", "[::1]:54": "[::1]:54", "ns.test": "ns.test:53",
	} {
		if got, err := (client{resolver: in}).server(); got != want || err != nil {
			t.Errorf("%s: %s, %v, want %s", in, got, err, want)
		}
	}
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if _, err := systemResolver(path); err == nil || !strings.Contains(err.Error(), "the key resolver would name one") {
		t.Errorf("without a file: %v", err)
	}
	for content, want := range map[string]string{"nameserver 192.0.2.1\nnameserver 192.0.2.2\n": "192.0.2.1:53", "nameserver fe80::1%eth0\n": "[fe80::1%eth0]:53"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := systemResolver(path); got != want || err != nil {
			t.Errorf("%q: %s, %v, want %s", content, got, err, want)
		}
	}
	if err := os.WriteFile(path, []byte("# nobody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := systemResolver(path); err == nil || !strings.Contains(err.Error(), "names no name server") {
		t.Errorf("without a server: %v", err)
	}
}
