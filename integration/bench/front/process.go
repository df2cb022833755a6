package front

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startCeiling is how long a program may take until it serves, stopCeiling until it has ended.
const (
	startCeiling = 30 * time.Second
	stopCeiling  = 20 * time.Second
)

// process is a running program with a directory of its own.
type process struct {
	name  string
	dir   string
	cmd   *exec.Cmd
	said  output
	ended chan struct{} // closed after it has ended
	err   error         // of Wait, after ended
}

// start runs a program until Stop. It dies with the benchmark.
func start(name, dir, program string, args ...string) (*process, error) {
	p := &process{name: name, dir: dir, cmd: exec.Command(program, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	return p, p.launch()
}

func (p *process) launch() error {
	// A group of its own: an interrupt at the keyboard is for the benchmark, which then stops it in order. The parent whose
	// death ends it is a thread; Go keeps its threads as long as no goroutine ends that is locked to one.
	p.cmd.WaitDelay = time.Second // for children that outlive it, and hold its output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	go p.reap()
	return nil
}

func (p *process) reap() {
	p.err = p.cmd.Wait()
	close(p.ended)
}

// Stop ends the program and removes its directory. If it had ended by itself that is an error, with its last words.
func (p *process) Stop() error {
	defer func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // what it may have left of its group
		_ = os.RemoveAll(p.dir)
	}()
	select {
	case <-p.ended:
		return fmt.Errorf("%s ended by itself: %w: %s", p.name, errors.Join(p.err), p.said.tail())
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopCeiling):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
		return fmt.Errorf("%s did not end within %s of SIGTERM: %s", p.name, stopCeiling, p.said.tail())
	}
}

// wait waits until the program serves, as ready says.
func (p *process) wait(ctx context.Context, ready func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, startCeiling)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-tick.C:
		case <-p.ended:
			return fmt.Errorf("starting %s: it ended: %w: %s", p.name, errors.Join(p.err), p.said.tail())
		case <-ctx.Done():
			return fmt.Errorf("starting %s: %w: %s", p.name, ctx.Err(), p.said.tail())
		}
	}
	return nil
}

// output keeps what a program says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.text.Bytes()
	return string(b[max(0, len(b)-2000):])
}

// listens says whether somebody accepts connections.
func listens(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

// FreeAddr is a free port of loopback, below those that the kernel takes for outgoing connections.
func FreeAddr() (string, error) {
	var last error
	for range 200 {
		addr := fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(22000))
		ln, err := net.Listen("tcp", addr)
		if err == nil {
			return addr, ln.Close()
		}
		last = err
	}
	return "", fmt.Errorf("picking a free port: %w", last)
}

func freeAddrs(n int) ([]string, error) {
	var all []string
	seen := map[string]bool{}
	for len(all) < n {
		a, err := FreeAddr()
		if err != nil {
			return nil, err
		}
		if !seen[a] {
			seen[a] = true
			all = append(all, a)
		}
	}
	return all, nil
}

// room makes a directory with files in it; their texts may name it as @DIR@.
func room(files map[string]string) (string, error) {
	dir, err := os.MkdirTemp("", "wb-") // short: a socket's path has 108 octets
	if err != nil {
		return "", fmt.Errorf("making a directory: %w", err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "@DIR@", dir)), 0o600); err != nil {
			_ = os.RemoveAll(dir)
			return "", fmt.Errorf("writing a config: %w", err)
		}
	}
	return dir, nil
}
