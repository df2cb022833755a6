package integration

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// need skips the test when a program is missing, and says how to get it; in CI it fails instead, so that a suite
// that silently tests nothing is never green.
func need(t *testing.T, program, debianPackage string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	unmet(t, fmt.Sprintf("%s is missing: apt-get install -y --no-install-recommends %s", program, debianPackage))
}

// needRoot is for tests that start servers which insist on root.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		unmet(t, "Postfix wants files owned by root: run as root (sudo -E make test)")
	}
}

func unmet(t *testing.T, why string) {
	t.Helper()
	if strict() {
		t.Fatal(why)
	}
	t.Skip(why)
}

// eventually polls cond until it holds or the ceiling has passed.
func eventually(t *testing.T, ceiling time.Duration, cond func() bool, msg string, args ...any) {
	t.Helper()
	if !poll(ceiling, cond) {
		t.Fatalf("after %s: %s", ceiling, fmt.Sprintf(msg, args...))
	}
}

// poll is eventually without a verdict, for cleanups and for callers with a better message.
func poll(ceiling time.Duration, cond func() bool) bool {
	deadline := time.Now().Add(ceiling)
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		if cond() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(wait)
	}
}

var usedPorts sync.Map

// freeAddr picks a free loopback address. It stays below the range the kernel takes for outgoing connections, else
// one of our own senders could sit on the port before the server binds it.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range 200 {
		port := 10000 + rand.IntN(22000)
		if _, taken := usedPorts.LoadOrStore(port, true); taken {
			continue
		}
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		_ = ln.Close()
		return addr
	}
	t.Fatal("no free loopback port in 200 tries")
	return ""
}

// guard kills a process group when this test process dies without cleaning up (a timeout, a panic). The returned
// function calls it off.
func guard(t *testing.T, pgid int) func() {
	t.Helper()
	return guardBy(t, fmt.Sprintf("kill -9 -%d", pgid))
}

// guardBy is guard with a command of the shell: that waits on a pipe which the kernel closes.
func guardBy(t *testing.T, command string) func() {
	t.Helper()
	cmd := exec.Command("sh", "-c", fmt.Sprintf("read x; [ \"$x\" = off ] || %s", command))
	// A group of its own: an interrupt at the keyboard, or a kill of the whole group, must not take the guard with it.
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
