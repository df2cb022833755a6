package integration

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// benchFront is a front end in the fault table.
type benchFront interface {
	SMTPAddr() string
	// ejected is when a connector was first out after a time, and why if the front end says so; the zero time: never.
	ejected(name string, after time.Time) (time.Time, string)
}

// The fault table's fronts, and the words it uses for them.
const (
	frontWeir    = "weir"
	frontHAProxy = "HAProxy"
)

func startFront(t *testing.T, kind string, backends []string) benchFront {
	t.Helper()
	if kind == frontHAProxy {
		return startHAProxy(t, backends)
	}
	w := startWeir(t, basicConfig(benchConfig(backends)))
	w.waitEligible(poolName, len(backends))
	return weirFront{w}
}

// benchConfig is weir's own defaults but for what the table's senders need: stuck floors below their patience of 4 s,
// HAProxy's probe interval, and a slow start that need not be waited half a minute for.
func benchConfig(backends []string) opts {
	return opts{
		backends: backends,
		timeouts: "{connect: 5s, tls: 30s, banner: 30s, ehlo: 30s, mail: 1m, rcpt: 1m, data: 1m, body: 1m, final_dot: 9m30s}",
		health:   "{probe: envelope, interval: 1s, fast_interval: 1s}",
		pool: []string{
			"breaker: {stuck_after: {connect: 1s, banner: 1s, ehlo: 1s, mail: 1s, rcpt: 1s, data: 1s, body: 1s, final_dot: 1s}}",
			"slow_start: 10s",
		},
	}
}

// weirFront reads weir's log.
type weirFront struct{ *weir }

func (w weirFront) ejected(name string, after time.Time) (time.Time, string) {
	for _, l := range w.backendLines() {
		at, err := time.Parse(time.RFC3339Nano, l.str("time"))
		out := l.str("to") == "ejected" || l.str("to") == "down"
		if err == nil && out && strings.HasSuffix(l.str("backend"), name) && !at.Before(after.Truncate(time.Millisecond)) {
			return at, l.str("to") + ": " + l.str("why")
		}
	}
	return time.Time{}, ""
}

// haproxy is a running HAProxy in TCP mode, set up as its manual has it for SMTP.
type haproxy struct {
	addr   string
	stats  string    // the stats socket
	closed chan bool // closed to end watch
	ended  chan bool // closed by it

	mu   sync.Mutex
	seen []outage // of all connectors
}

type outage struct {
	name string
	at   time.Time
}

const haproxyConfig = `global
  maxconn 4000
  stats socket @SOCKET@ mode 600 level user
defaults
  mode tcp
  maxconn 4000
  timeout connect 2s
  timeout client 1m
  timeout server 1m
  timeout check 2s
  option redispatch 1
listen smtp
  bind @ADDR@
  balance roundrobin
  option smtpchk EHLO weir.test.example
  default-server inter 1s observe layer4
`

func startHAProxy(t *testing.T, backends []string) *haproxy {
	t.Helper()
	need(t, "haproxy", "haproxy")
	dir, err := os.MkdirTemp("", "wh-") // short: a socket's path has 108 octets
	if err != nil {
		t.Fatalf("making HAProxy's directory: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	h := &haproxy{addr: freeAddr(t), stats: filepath.Join(dir, "s"), closed: make(chan bool), ended: make(chan bool)}
	cfg := strings.NewReplacer("@SOCKET@", h.stats, "@ADDR@", h.addr).Replace(haproxyConfig)
	for i, b := range backends {
		cfg += fmt.Sprintf("  server %s %s check\n", backendName(i), b)
	}
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(cfg), 0o600); err != nil {
		t.Fatalf("writing HAProxy's config: %v", err)
	}
	h.run(t, file)
	return h
}

func (h *haproxy) run(t *testing.T, file string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command("haproxy", "-db", "-f", file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting HAProxy: %v", err)
	}
	off := guard(t, cmd.Process.Pid)
	t.Cleanup(func() {
		close(h.closed)
		<-h.ended
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		off()
		if t.Failed() {
			t.Logf("HAProxy said: %s", out.String())
		}
	})
	eventually(t, 20*time.Second, func() bool { return len(h.states()) > 0 }, "HAProxy does not answer on its stats socket")
	go h.watch()
}

// SMTPAddr is where senders connect to.
func (h *haproxy) SMTPAddr() string { return h.addr }

func (h *haproxy) ejected(name string, after time.Time) (time.Time, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range h.seen {
		if o.name == name && !o.at.Before(after) {
			return o.at, "DOWN"
		}
	}
	return time.Time{}, ""
}

// watch asks for the connectors' states, often enough for a table in tenths of seconds.
func (h *haproxy) watch() {
	defer close(h.ended)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	out := map[string]bool{}
	for {
		for name, state := range h.states() {
			down := strings.HasPrefix(state, "DOWN")
			if down && !out[name] {
				h.mu.Lock()
				h.seen = append(h.seen, outage{name, time.Now()})
				h.mu.Unlock()
			}
			out[name] = down
		}
		select {
		case <-tick.C:
		case <-h.closed:
			return
		}
	}
}

// states is each connector's status as HAProxy has it; nil when it does not answer.
func (h *haproxy) states() map[string]string {
	conn, err := net.DialTimeout("unix", h.stats, time.Second)
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := io.WriteString(conn, "show stat -1 4 -1\n"); err != nil { // type 4: servers
		return nil
	}
	states := map[string]string{}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		f := strings.Split(lines.Text(), ",")
		if len(f) > 17 && !strings.HasPrefix(f[0], "#") {
			states[f[1]] = f[17]
		}
	}
	return states
}
