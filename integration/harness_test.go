package integration

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// stopCeiling is far above what a stop takes; it only separates "slow machine" from "hangs".
const stopCeiling = 60 * time.Second

// launch says how weir is run.
type launch struct {
	config string   // its file, in which @SMTP@, @ADMIN@ and @STATE@ stand for what is picked here
	prefix []string // a command that runs weir for us, such as `ip netns exec NAME`
	smtp   string   // the address of its listener; empty: a free one on loopback
	admin  string   // of its admin server, host:port or the path of a socket; empty: a free one on loopback
	token  string   // a file with the token that the test itself shows the admin server
}

// weir is one running process of the binary under test.
type weir struct {
	t      *testing.T
	cmd    *exec.Cmd
	prefix []string
	smtp   string
	admin  string
	config string // path of its config file
	state  string // its state_dir
	token  string // a file with the test's own token; empty: it shows none

	exited  chan struct{} // closed after the process ended and its output was read
	err     error         // of Wait, valid after exited
	unwatch func()

	mu    sync.Mutex
	lines []logLine
	raw   bytes.Buffer // all of stderr
}

// startWeir runs `weir serve` with a config in which @SMTP@, @ADMIN@ and @STATE@ stand for addresses and a directory that
// are picked here, and waits until it is ready. On cleanup it must end on SIGTERM with exit 0, without panic and without
// data race.
func startWeir(t *testing.T, cfg string) *weir {
	t.Helper()
	w := launchWeir(t, launch{config: cfg})
	w.waitReady(30 * time.Second)
	return w
}

// launchWeir is startWeir without the wait.
func launchWeir(t *testing.T, l launch) *weir {
	t.Helper()
	dir := t.TempDir()
	w := &weir{t: t, prefix: l.prefix, smtp: l.smtp, admin: l.admin, token: l.token, config: filepath.Join(dir, "weir.yaml"), state: filepath.Join(dir, "state")}
	if w.smtp == "" {
		w.smtp = freeAddr(t)
	}
	if w.admin == "" {
		w.admin = freeAddr(t)
	}
	if err := os.Mkdir(w.state, 0o700); err != nil {
		t.Fatalf("making the state directory: %v", err)
	}
	w.configure(l.config)
	w.run()
	return w
}

// configure writes the config file, at once and wholly, as config management does.
func (w *weir) configure(text string) {
	w.t.Helper()
	text = strings.NewReplacer("@SMTP@", w.smtp, "@ADMIN@", w.admin, "@STATE@", w.state).Replace(text)
	if err := os.WriteFile(w.config+".new", []byte(text), 0o600); err != nil {
		w.t.Fatalf("writing the config: %v", err)
	}
	if err := os.Rename(w.config+".new", w.config); err != nil {
		w.t.Fatalf("putting the config into its place: %v", err)
	}
}

// run starts the process.
func (w *weir) run() {
	w.t.Helper()
	w.exited = make(chan struct{})
	args := append(slices.Clone(w.prefix), weirBin(w.t), "serve", "-c", w.config)
	w.cmd = exec.Command(args[0], args[1:]...)
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := w.cmd.StderrPipe()
	if err != nil {
		w.t.Fatalf("making weir's stderr pipe: %v", err)
	}
	if err := w.cmd.Start(); err != nil {
		w.t.Fatalf("starting weir: %v", err)
	}
	w.unwatch = guard(w.t, w.cmd.Process.Pid)
	go w.readLog(stderr)
	w.t.Cleanup(w.cleanup)
}

// again starts a new process where one has ended: with its config file, its addresses and its state, and waits until it is
// ready.
func (w *weir) again() *weir {
	w.t.Helper()
	n := &weir{t: w.t, prefix: w.prefix, smtp: w.smtp, admin: w.admin, token: w.token, config: w.config, state: w.state}
	n.run()
	n.waitReady(30 * time.Second)
	return n
}

// kill9 ends the process as a power cut would.
func (w *weir) kill9() {
	w.t.Helper()
	w.signal(syscall.SIGKILL)
	w.waitExit(stopCeiling)
}

// readLog owns stderr until its end and then reaps the process.
func (w *weir) readLog(stderr io.Reader) {
	r := bufio.NewReaderSize(stderr, 64<<10)
	for {
		text, err := r.ReadBytes('\n')
		w.addLog(text)
		if err != nil {
			break
		}
	}
	w.err = w.cmd.Wait()
	close(w.exited)
}

func (w *weir) addLog(text []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.raw.Write(text)
	if line, ok := parseLogLine(text); ok {
		w.lines = append(w.lines, line)
	}
}

// SMTPAddr is the address of the listener `inbound`.
func (w *weir) SMTPAddr() string { return w.smtp }

// pid is the process's id, for /proc and signals.
func (w *weir) pid() int { return w.cmd.Process.Pid }

// stderr is all that was logged so far.
func (w *weir) stderr() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.raw.String()
}

// running says whether the process has not ended yet.
func (w *weir) running() bool {
	select {
	case <-w.exited:
		return false
	default:
		return true
	}
}

// signal sends sig to weir alone.
func (w *weir) signal(sig syscall.Signal) {
	w.t.Helper()
	if err := w.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		w.t.Fatalf("sending %s to weir: %v", sig, err)
	}
}

// waitExit waits for the end of the process and returns its exit code; -1 when it was killed by a signal.
func (w *weir) waitExit(ceiling time.Duration) int {
	w.t.Helper()
	select {
	case <-w.exited:
		return w.cmd.ProcessState.ExitCode()
	case <-time.After(ceiling):
		w.dump()
		w.t.Fatalf("weir has not ended after %s; the end of its log:\n%s", ceiling, w.tail(8000))
		return -1
	}
}

// dump makes a hanging weir show its goroutines in the log and end.
func (w *weir) dump() {
	_ = w.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-w.exited:
	case <-time.After(5 * time.Second):
	}
	_ = syscall.Kill(-w.pid(), syscall.SIGKILL)
}

// tail is the end of the log, for failure messages.
func (w *weir) tail(n int) string {
	s := w.stderr()
	return s[max(0, len(s)-n):]
}

// cleanup ends weir if it still runs and judges how it ended.
func (w *weir) cleanup() {
	defer w.unwatch()
	if w.running() {
		_ = w.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-w.exited:
		case <-time.After(stopCeiling):
			w.dump()
			<-w.exited
			w.t.Errorf("weir did not end within %s of SIGTERM; the end of its log:\n%s", stopCeiling, w.tail(20000))
			return
		}
		if w.err != nil {
			w.t.Errorf("weir after SIGTERM: %v, want exit 0", w.err)
		}
	}
	log := w.stderr()
	for _, word := range []string{"panic:", "DATA RACE", "\"level\":\"panic\""} {
		if at := strings.Index(log, word); at >= 0 {
			w.t.Errorf("weir logged %q:\n%s", word, log[at:min(len(log), at+6000)])
		}
	}
	if w.t.Failed() {
		w.t.Logf("the end of weir's log:\n%s", w.tail(4000))
	}
}

// waitReady waits for /readyz; a weir that ends instead fails the test with its log.
func (w *weir) waitReady(ceiling time.Duration) {
	w.t.Helper()
	ok := poll(ceiling, func() bool {
		if !w.running() {
			w.t.Fatalf("weir ended before it was ready: %v\n%s", w.err, w.tail(8000))
		}
		code, _, err := w.get("/readyz")
		return err == nil && code == http.StatusOK
	})
	if !ok {
		w.t.Fatalf("weir is not ready after %s; the end of its log:\n%s", ceiling, w.tail(8000))
	}
}

// result is what a one-shot run of weir left behind.
type result struct {
	code           int
	stdout, stderr string
}

// runWeir runs a subcommand to its end.
func runWeir(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, weirBin(t), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("weir %v did not end: %s", args, stderr.String())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("running weir %v: %v", args, err)
	}
	return result{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
}
