package integration

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestTCPModeSplices: in tcp mode a large message goes through the kernel only, by splice(2): weir's own memory sees none of it
// but its first piece.
func TestTCPModeSplices(t *testing.T) {
	t.Parallel()
	need(t, "strace", "strace")
	needRoot(t)
	f := newPassing(t, 1, opts{})
	c := f.dial()
	f.expect(c, 250, "MAIL FROM:<a@sender.example>")
	f.expect(c, 250, "RCPT TO:<box@test.example>")
	f.expect(c, 354, "DATA")
	const size = 8 << 20
	stop := f.traced()
	if rep, err := c.finish(append(filler(size), ".\r\n"...)); err != nil || rep.code != 250 {
		t.Fatalf("the message: %s, %v", rep, err)
	}
	moved := stop()
	// Each octet is spliced twice: from the sender into the pipe, and out of it.
	if got := moved["splice"]; got < 2*(size-64<<10) || got > 2*size+1<<20 {
		t.Errorf("splice moved %d octets, want %d", got, 2*size)
	}
	delete(moved, "splice")
	for name, n := range moved {
		if n > 64<<10 {
			t.Errorf("%s moved %d octets of it", name, n)
		}
	}
	c.quit()
}

// traced follows weir's system calls; stop returns how many octets each kind has moved.
func (w *weir) traced() (stop func() map[string]int) {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), "trace")
	const calls = "splice,read,write,readv,writev,pread64,sendto,recvfrom,sendmsg,recvmsg,sendfile,copy_file_range"
	cmd := exec.Command("strace", "-f", "-s", "0", "-e", "trace="+calls, "-e", "signal=none", "-o", file, "-p", strconv.Itoa(w.pid()))
	said, err := cmd.StderrPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatalf("starting strace: %v", err)
	}
	in := bufio.NewReader(said)
	if first, err := in.ReadString('\n'); err != nil || !strings.Contains(first, "attached") {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		unmet(w.t, fmt.Sprintf("strace cannot follow weir: %s", first))
	}
	go func() { _, _ = io.Copy(io.Discard, in) }()
	return func() map[string]int {
		w.t.Helper()
		_ = cmd.Process.Signal(syscall.SIGINT) // it lets weir go
		_ = cmd.Wait()
		text, err := os.ReadFile(file)
		if err != nil {
			w.t.Fatal(err)
		}
		return countMoved(string(text))
	}
}

// A call that another thread interrupts in the trace is "… <unfinished ...>" and later "<... splice resumed> … = 17".
var traced = regexp.MustCompile(`(?m)^\d+ +(?:<\.\.\. )?(\w+)(?: resumed>|\().*= (\d+)$`)

func countMoved(trace string) map[string]int {
	moved := map[string]int{}
	for _, call := range traced.FindAllStringSubmatch(trace, -1) {
		n, _ := strconv.Atoi(call[2])
		moved[call[1]] += n
	}
	return moved
}
