package front

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"weir/integration/bench/sink"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestCPUIsOfProcessAndChildren: a shell that is idle, whose child counts.
func TestCPUIsOfProcessAndChildren(t *testing.T) {
	p, err := start("a shell", "", "sh", "-c", `sh -c 'while :; do :; done' & wait`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Stop() }()
	before, err := CPU(os.Getpid())
	if err != nil || before <= 0 {
		t.Errorf("this process spent %s, %v", before, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), startCeiling)
	defer cancel()
	pid := p.cmd.Process.Pid
	if err := until(ctx, "the child to spend something", func() (bool, error) {
		d, err := CPU(pid)
		return d > 100*time.Millisecond, err
	}); err != nil {
		t.Error(err)
	}
	if all, err := MachineCPU(); err != nil || all < 100*time.Millisecond {
		t.Errorf("the machine spent %s, %v", all, err)
	}
	if m, err := Memory(pid); err != nil || m < 100<<10 {
		t.Errorf("two shells have %d octets, %v", m, err)
	}
}

// TestReaped: a shell whose child has spent something, and has ended.
func TestReaped(t *testing.T) {
	p, err := start("a shell", "", "sh", "-c", `sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'; sleep 1000 & wait`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Stop() }()
	ctx, cancel := context.WithTimeout(t.Context(), startCeiling)
	defer cancel()
	if err := until(ctx, "the child to end", func() (bool, error) {
		d, err := reaped(p.cmd.Process.Pid)
		return d > 0, err
	}); err != nil {
		t.Error(err)
	}
}

func TestCostOfNobody(t *testing.T) {
	const nobody = 1<<22 + 1 // above the kernel's highest
	if _, err := CPU(nobody); err == nil {
		t.Error("nobody has spent something")
	}
	if _, err := reaped(nobody); err == nil {
		t.Error("nobody's children have spent something")
	}
	if _, err := Memory(nobody); err == nil {
		t.Error("nobody has memory")
	}
}

func TestProcessThatEnds(t *testing.T) {
	p, err := start("a shell", "", "sh", "-c", "echo last words; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	err = p.wait(t.Context(), func() bool { return false })
	if err == nil || !strings.Contains(err.Error(), "last words") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "ended by itself") {
		t.Errorf("got %v", err)
	}
	if _, err := start("nothing", "", "/nonexistent/program"); err == nil || !strings.Contains(err.Error(), "starting nothing") {
		t.Errorf("got %v", err)
	}
}

func TestStopEndsIt(t *testing.T) {
	dir, err := room(map[string]string{"where": "@DIR@"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(dir + "/where")
	if err != nil || string(text) != dir {
		t.Errorf("the file says %q, %v", text, err)
	}
	p, err := start("sleep", dir, "sleep", "1000")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.wait(t.Context(), func() bool { return true }); err != nil {
		t.Error(err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("its directory is still there: %v", err)
	}
}

func TestFreeAddrs(t *testing.T) {
	all, err := freeAddrs(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, a := range all {
		if seen[a] || listens(a) {
			t.Errorf("%s is not free", a)
		}
		seen[a] = true
	}
}

// TestNginxIsToldByTurns: what nginx is answered when it asks where a session goes.
func TestNginxIsToldByTurns(t *testing.T) {
	h := byTurns([]string{"127.0.0.1:1", "127.0.0.1:2"})
	var ports string
	for range 4 {
		w := httptest.NewRecorder()
		h(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.Header().Get("Auth-Status") != "OK" || w.Header().Get("Auth-Server") != "127.0.0.1" {
			t.Errorf("answered %v", w.Header())
		}
		ports += w.Header().Get("Auth-Port")
	}
	if ports != "2121" && ports != "1212" {
		t.Errorf("ports %s, want them by turns", ports)
	}
}

// TestPeersServe: HAProxy and nginx with our configs greet; without them installed it is skipped.
func TestPeersServe(t *testing.T) {
	connector := connect(t)
	for name, run := range map[string]func() (addr string, stop func() error, err error){
		"haproxy": func() (string, func() error, error) {
			h, err := StartHAProxy(t.Context(), []string{connector})
			if err != nil {
				return "", nil, err
			}
			return h.Addr, h.Stop, nil
		},
		"nginx": func() (string, func() error, error) {
			n, err := StartNginx(t.Context(), []string{connector})
			if err != nil {
				return "", nil, err
			}
			return n.Addr, n.Stop, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(name); err != nil {
				t.Skipf("%s is missing: make setup", name)
			}
			addr, stop, err := run()
			if err != nil {
				t.Fatal(err)
			}
			if line := greeting(t, addr); !strings.HasPrefix(line, "220 ") {
				t.Errorf("it greets %q", line)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
			if listens(addr) {
				t.Error("it listens after Stop")
			}
		})
	}
}

func greeting(t *testing.T, addr string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, startCeiling)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(startCeiling))
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Errorf("reading the greeting: %v", err)
	}
	return line
}

// connect runs a sink until the test ends.
func connect(t *testing.T) string {
	t.Helper()
	s, err := sink.New(sink.Options{Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s.Addrs()[0].String()
}
