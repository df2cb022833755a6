package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"weir/config"
	"weir/internal/faulty"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lines collects a log and lets tests wait for a line.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// find returns the lines of one kind.
func (l *lines) find(msg string) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []map[string]any
	for line := range strings.Lines(l.buf.String()) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil && fields["msg"] == msg {
			out = append(out, fields)
		}
	}
	return out
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// ceiling is far above what any step takes: it separates slow from stuck.
const ceiling = 30 * time.Second

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(ceiling)
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("%s: not within %s", what, ceiling)
		}
	}
}

// parse makes a config of one listener, of the given connectors and of further
// lines at the top level.
func parse(t *testing.T, connectors []string, top ...string) *config.Config {
	t.Helper()
	text := fmt.Sprintf(`hostname: weir.test.example
state_dir: ""
listeners:
  - {name: inbound, address: "127.0.0.1:0", pool: internet, tls: {mode: off}}
pools:
  internet:
    tls: {mode: off}
    timeouts: {connect: 2s, banner: 5s, ehlo: 5s, mail: 5s, rcpt: 5s, data: 5s, body: 5s, final_dot: 5s}
    health: {interval: 1s, fast_interval: 100ms, timeout: 5s}
    backends: ["%s"]
admin: {address: "127.0.0.1:0"}
%s
`, strings.Join(connectors, `", "`), strings.Join(top, "\n"))
	cfg, _, err := config.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func startConnectors(t *testing.T, n int) (servers []*faulty.Server, addrs []string) {
	t.Helper()
	for range n {
		s, err := faulty.New(faulty.Options{Behaviour: faulty.Honest()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		servers, addrs = append(servers, s), append(addrs, s.Addr())
	}
	return servers, addrs
}

// running is an App whose Run is under way.
type running struct {
	*App
	log    *lines
	stop   context.CancelFunc
	result chan error
}

func start(t *testing.T, cfg *config.Config) *running {
	t.Helper()
	log := &lines{}
	a, err := New(cfg, Options{Stderr: log, Version: "v1", Warnings: []string{"mind the gap"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{App: a, log: log, stop: cancel, result: make(chan error, 1)}
	go func() { r.result <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		a.Abort()
		eventually(t, "the end of Run", func() bool { return len(r.log.find("stopped")) > 0 })
		if t.Failed() {
			t.Logf("log:\n%s", log)
		}
	})
	return r
}

// wait returns what Run returned.
func (r *running) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.result:
		return err
	case <-time.After(ceiling):
		t.Fatal("Run did not end")
		return nil
	}
}

func (r *running) awaitReady(t *testing.T) {
	t.Helper()
	select {
	case <-r.Ready():
	case err := <-r.result:
		t.Fatalf("ended instead of being ready: %v", err)
	case <-time.After(ceiling):
		t.Fatal("not ready")
	}
}

// get asks the admin server; the code is 0 when it does not answer.
func (r *running) get(t *testing.T, path string) (code int, body string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: ceiling}
	resp, err := client.Get("http://" + r.AdminAddr().String() + path)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func (r *running) dial(t *testing.T) *smtp.Client {
	t.Helper()
	c, err := smtp.Dial(r.ListenerAddr("inbound").String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	c.CommandTimeout, c.SubmissionTimeout = ceiling, ceiling
	if err := c.Hello("sender.example.org"); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMailFlowsAndIsLogged(t *testing.T) {
	connectors, addrs := startConnectors(t, 2)
	r := start(t, parse(t, addrs))
	r.awaitReady(t)
	if code, body := r.get(t, "/readyz"); code != http.StatusOK {
		t.Errorf("/readyz: %d %s", code, body)
	}
	if _, body := r.get(t, "/v1/status"); !strings.Contains(body, r.ListenerAddr("inbound").String()) || !strings.Contains(body, `"version":"v1"`) {
		t.Errorf("status: %s", body)
	}
	c := r.dial(t)
	for range 4 {
		if err := c.SendMail("a@example.org", []string{"b@example.com"}, strings.NewReader("Subject: x\r\n\r\nhello\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
	for i, s := range connectors {
		if n := len(s.Messages()); n != 2 {
			t.Errorf("connector %d has %d of 4 messages", i, n)
		}
	}
	r.stop()
	if err := r.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	sent := r.log.find("transaction")
	if len(sent) != 4 || sent[0]["outcome"] != "delivered" || sent[0]["pool"] != "internet" {
		t.Errorf("transactions: %v", sent)
	}
	for _, msg := range []string{"starting", "ready", "stopping", "stopped"} {
		if n := len(r.log.find(msg)); n != 1 {
			t.Errorf("%d lines %q", n, msg)
		}
	}
	if w := r.log.find("config"); len(w) != 1 || w[0]["why"] != "mind the gap" {
		t.Errorf("warnings: %v", w)
	}
	if ups := r.log.find("backend"); len(ups) != 2 || ups[0]["to"] != "up" {
		t.Errorf("state changes: %v", ups)
	}
}

func TestStopTellsSendersAndFailsReadinessFirst(t *testing.T) {
	_, addrs := startConnectors(t, 1)
	r := start(t, parse(t, addrs, "shutdown_grace: 300ms"))
	r.awaitReady(t)
	c := r.dial(t)
	r.stop()
	eventually(t, "/readyz failing", func() bool { code, _ := r.get(t, "/readyz"); return code == http.StatusServiceUnavailable })
	// Whoever has not noticed yet is still served during the grace.
	late, err := smtp.Dial(r.ListenerAddr("inbound").String())
	if err != nil {
		t.Fatalf("connecting during shutdown_grace: %v", err)
	}
	defer func() { _ = late.Close() }()
	if err := r.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	var reply *smtp.SMTPError
	if err := c.Noop(); !errors.As(err, &reply) || reply.Code != 421 {
		t.Errorf("an idle sender got %v, want 421 (P1)", err)
	}
	if _, err := net.Dial("tcp", r.ListenerAddr("inbound").String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connecting after the stop: %v", err)
	}
	if code, _ := r.get(t, "/healthz"); code != 0 {
		t.Error("the admin server still answers")
	}
}

// midBody brings a sender into the middle of a message.
func midBody(t *testing.T, r *running) {
	t.Helper()
	c := r.dial(t)
	if err := c.Mail("a@example.org", nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt("b@example.com", nil); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "Subject: x\r\n\r\nhalf\r\n"); err != nil {
		t.Fatal(err)
	}
}

func TestShutdownTimeoutCutsWhatIsLeft(t *testing.T) {
	connectors, addrs := startConnectors(t, 1)
	r := start(t, parse(t, addrs, "shutdown_timeout: 300ms"))
	r.awaitReady(t)
	midBody(t, r)
	r.stop()
	if err := r.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	if n := len(connectors[0].Messages()); n != 0 {
		t.Errorf("half a message was delivered (P11)")
	}
	if stops := r.log.find("stopping"); len(stops) != 2 || stops[1]["level"] != "warn" {
		t.Errorf("the cut was not logged: %v", stops)
	}
}

func TestAbortDoesNotWait(t *testing.T) {
	_, addrs := startConnectors(t, 1)
	r := start(t, parse(t, addrs, "shutdown_grace: 1h", "shutdown_timeout: 1h"))
	r.awaitReady(t)
	midBody(t, r)
	r.stop()
	eventually(t, "stopping", func() bool { return len(r.log.find("stopping")) > 0 })
	r.Abort()
	r.Abort()
	if err := r.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestStopDuringTheStart(t *testing.T) {
	connectors, addrs := startConnectors(t, 1)
	connectors[0].Hurt(faulty.At(faulty.Banner, faulty.Mute))
	r := start(t, parse(t, addrs, "startup_wait: 1h"))
	eventually(t, "starting", func() bool { return len(r.log.find("starting")) > 0 })
	if code, _ := r.get(t, "/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("/readyz says %d before the first verdict", code)
	}
	r.stop()
	if err := r.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	if len(r.log.find("ready")) > 0 {
		t.Error("weir said that it was ready")
	}
}

func TestStartDoesNotWaitForever(t *testing.T) {
	connectors, addrs := startConnectors(t, 1)
	connectors[0].Hurt(faulty.At(faulty.Banner, faulty.Mute))
	r := start(t, parse(t, addrs, "startup_wait: 100ms"))
	r.awaitReady(t)
	if p := r.Registry().Snapshot().Pool("internet"); p.Eligible != 1 {
		t.Error("a connector without verdict must be used when there is nothing better")
	}
}

func TestPartThatFailsStopsTheRest(t *testing.T) {
	_, addrs := startConnectors(t, 1)
	r := start(t, parse(t, addrs, "shutdown_grace: 1h"))
	r.awaitReady(t)
	_ = r.sockets.admin.Close()
	if err := r.wait(t); err == nil || !strings.Contains(err.Error(), "running admin") {
		t.Errorf("Run: %v", err)
	}
	if failed := r.log.find("failed"); len(failed) != 1 || failed[0]["part"] != "admin" {
		t.Errorf("the failure was not logged: %v", failed)
	}
}

func TestPortInUse(t *testing.T) {
	_, addrs := startConnectors(t, 1)
	cfg := parse(t, addrs)
	cfg.Balancer.Listeners[0].Address = addrs[0]
	_, err := New(cfg, Options{})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), `listener "inbound"`) {
		t.Errorf("got %v", err)
	}
}

func TestNamesAndAddresses(t *testing.T) {
	_, addrs := startConnectors(t, 1)
	cfg := parse(t, addrs)
	cfg.Balancer.Hostname, cfg.Admin.Address = "", ""
	a, err := New(cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.sockets.close()
	if a.AdminAddr() != nil || a.ListenerAddr("outbound") != nil {
		t.Error("there is an address where nobody listens")
	}
	if a.ListenerAddr("inbound").(*net.TCPAddr).Port == 0 {
		t.Error("port 0")
	}
	if name, err := hostnameOf(cfg); err != nil || name == "" {
		t.Errorf("the machine's name: %q, %v", name, err)
	}
}
