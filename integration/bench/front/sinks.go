package front

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"weir/integration/bench/sink"
)

// Sinks is the process of the connectors.
type Sinks struct {
	*process
	Addrs []string
	ask   io.WriteCloser
	lines *bufio.Scanner
}

// StartSinks runs n sinks in a process of their own, which is this program again with `sink`; args are further flags.
func StartSinks(ctx context.Context, n int, args ...string) (*Sinks, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	addrs, err := freeAddrs(n)
	if err != nil {
		return nil, err
	}
	s := &Sinks{Addrs: addrs}
	cmd := exec.Command(self, append([]string{"sink", "-addrs", strings.Join(addrs, ",")}, args...)...)
	s.process = &process{name: "the sinks", cmd: cmd, ended: make(chan struct{})}
	cmd.Stderr = &s.said
	if s.ask, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting the sinks: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the sinks: %w", err)
	}
	s.lines = bufio.NewScanner(out)
	if err := s.launch(); err != nil {
		return nil, err
	}
	if err := s.wait(ctx, func() bool { return listens(addrs[n-1]) }); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// PID is for CPU and Memory.
func (s *Sinks) PID() int { return s.cmd.Process.Pid }

// Counts asks the sinks what they have seen so far.
func (s *Sinks) Counts() (sink.Counts, error) {
	var c sink.Counts
	if _, err := io.WriteString(s.ask, "\n"); err != nil {
		return c, fmt.Errorf("asking the sinks: %w: %s", err, s.said.tail())
	}
	if !s.lines.Scan() {
		return c, fmt.Errorf("asking the sinks: they have ended: %w: %s", errors.Join(s.lines.Err()), s.said.tail())
	}
	if err := json.Unmarshal(s.lines.Bytes(), &c); err != nil {
		return c, fmt.Errorf("reading what the sinks say: %w", err)
	}
	return c, nil
}
