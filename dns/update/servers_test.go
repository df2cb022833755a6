package update

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"weir/dns"
)

const (
	zone  = "mail.test."
	owner = "weir-test"
)

var (
	weirKey = dns.Key{Name: "weir.", Algorithm: mdns.HmacSHA256, Secret: secret}
	// rootKey is the hand of the zone's own people.
	rootKey = dns.Key{Name: "root.", Algorithm: mdns.HmacSHA256, Secret: "8eadn5KkF3Wec+VNDz3p3Nx4Lu4="}
)

// primary is a real name server with the zone.
type primary struct {
	t     testing.TB
	kind  string
	addr  string
	dir   string
	cmd   *exec.Cmd
	off   func()
	ended chan struct{}
	mu    sync.Mutex
	out   bytes.Buffer
}

// onEach runs a test on both servers.
func onEach(t *testing.T, test func(t *testing.T, p *primary)) {
	for _, kind := range []string{"bind", "knot"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, startPrimary(t, kind))
		})
	}
}

func startPrimary(t testing.TB, kind string) *primary {
	t.Helper()
	p := &primary{t: t, kind: kind, addr: freeAddr(t), dir: t.TempDir()}
	config := map[string]func(string) string{"bind": p.bindConfig, "knot": p.knotConfig}[kind]
	p.write("zone", zoneText)
	p.write("conf", config(p.addr[strings.LastIndex(p.addr, ":")+1:]))
	p.start()
	return p
}

func (p *primary) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *primary) mkdir(name string) {
	p.t.Helper()
	if err := os.MkdirAll(filepath.Join(p.dir, name), 0o700); err != nil {
		p.t.Fatal(err)
	}
}

// start runs the server and waits until it answers for the zone.
func (p *primary) start() {
	p.t.Helper()
	conf := filepath.Join(p.dir, "conf")
	if p.kind == "bind" {
		p.cmd = exec.Command(program(p.t, "named", "bind9"), "-g", "-n", "1", "-c", conf)
	} else {
		p.cmd = exec.Command(program(p.t, "knotd", "knot"), "-c", conf)
	}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatalf("starting %s: %v", p.kind, err)
	}
	p.ended = make(chan struct{})
	go p.reap(p.cmd, p.ended)
	p.off = guard(p.t, p.cmd.Process.Pid)
	p.t.Cleanup(p.kill)
	deadline := time.Now().Add(60 * time.Second)
	for !p.answers() {
		if time.Now().After(deadline) {
			p.t.Fatalf("%s does not answer:\n%s", p.kind, p.log())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (p *primary) reap(cmd *exec.Cmd, ended chan struct{}) {
	_ = cmd.Wait()
	close(ended)
}

func (p *primary) answers() bool {
	m := new(mdns.Msg).SetQuestion(zone, mdns.TypeSOA)
	reply, _, err := (&mdns.Client{Net: "tcp", Timeout: time.Second}).Exchange(m, p.addr)
	return err == nil && reply.Authoritative && len(reply.Answer) == 1
}

// kill ends the server at once. It may be called again.
func (p *primary) kill() {
	select {
	case <-p.ended:
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
	}
	p.off()
}

// freeze stops the server where it stands: the kernel takes connections, and nothing is
// answered.
// freeze stops the server, and returns when all its threads have stopped: the signal alone
// leaves them time for another answer.
func (p *primary) freeze() {
	pid := p.cmd.Process.Pid
	_ = syscall.Kill(-pid, syscall.SIGSTOP)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if !slices.ContainsFunc(threads, runs) {
			return
		}
	}
}

// runs reports whether a thread, of which this is the file stat, is not stopped.
func runs(file string) bool {
	stat, err := os.ReadFile(file)
	_, state, found := strings.Cut(string(stat), ") ")
	return err == nil && found && !strings.HasPrefix(state, "T")
}

func (p *primary) thaw() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGCONT) }

// Write takes down what the server prints.
func (p *primary) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *primary) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.out.String()
	return s[max(0, len(s)-4000):]
}

// target is one of weir's own, with the right key.
func (p *primary) target() *Target { return targetAt(weirKey, p.addr) }

func targetAt(key dns.Key, servers ...string) *Target {
	t := New(dns.Config{Zone: zone, Owner: owner, Update: &dns.Update{Servers: servers, Key: key}})
	t.patience = 30 * time.Second // for machines that do much else at once
	return t
}

// program finds a server, or skips the test; in CI it fails instead, so that a suite
// that silently tests nothing is never green.
func program(t testing.TB, name, debianPackage string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	why := fmt.Sprintf("%s is missing: apt-get install -y --no-install-recommends %s", name, debianPackage)
	if os.Getenv("WEIR_REQUIRE") == "1" || strings.EqualFold(os.Getenv("CI"), "true") {
		t.Fatal(why)
	}
	t.Skip(why)
	return ""
}

var usedPorts sync.Map

// freeAddr picks a free loopback address below the range that the kernel takes for
// outgoing connections.
func freeAddr(t testing.TB) string {
	t.Helper()
	for range 200 {
		addr := fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(22000))
		if _, taken := usedPorts.LoadOrStore(addr, true); taken {
			continue
		}
		if ln, err := net.Listen("tcp", addr); err == nil {
			_ = ln.Close()
			return addr
		}
	}
	t.Fatal("no free loopback port in 200 tries")
	return ""
}

// guard kills a process group when this process dies without cleaning up.
func guard(t testing.TB, pgid int) func() {
	t.Helper()
	cmd := exec.Command("sh", "-c", fmt.Sprintf("read x; [ \"$x\" = off ] || kill -9 -%d", pgid))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("making the guard's pipe: %v", err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting the guard: %v", err)
	}
	return sync.OnceFunc(func() {
		_, _ = io.WriteString(pipe, "off\n")
		_ = pipe.Close()
		_ = cmd.Wait()
	})
}
