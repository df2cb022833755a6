package integration

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weir.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatalf("writing the config: %v", err)
	}
	return path
}

// minimal is the smallest useful file of the contract, but for TLS, which this stage of weir has to be told to leave.
const minimal = `listeners:
  - address: "127.0.0.1:2525"
    tls: {mode: off}
pools:
  internet:
    tls: {mode: off}
    backends: ["127.0.0.1:2526", "127.0.0.1:2527"]
`

// TestCheckAccepts: `weir check` takes good files and starts nothing.
func TestCheckAccepts(t *testing.T) {
	filled := strings.NewReplacer("@SMTP@", "127.0.0.1:2525", "@ADMIN@", "127.0.0.1:8025", "@STATE@", t.TempDir()).
		Replace(basicConfig(opts{backends: []string{"127.0.0.1:2526", "127.0.0.1:2527"}}))
	for name, cfg := range map[string]string{"minimal": minimal, "the suite's own": filled} {
		t.Run(name, func(t *testing.T) {
			if r := runWeir(t, "check", "-c", writeConfig(t, cfg)); r.code != 0 {
				t.Errorf("exit %d: %s%s", r.code, r.stdout, r.stderr)
			}
		})
	}
}

// TestCheckRejects: exit 1, and every error of the file at once with its line.
func TestCheckRejects(t *testing.T) {
	tests := map[string]struct {
		cfg  string
		want []string // patterns in the output
	}{
		"misspelt key": {
			cfg:  strings.Replace(minimal, "backends:", "backend:", 1),
			want: []string{`weir\.yaml:7`, `backend`, `backends`},
		},
		"two errors at once": {
			cfg:  "hostnam: mx\n" + minimal + "    queue_timeout: soon\n",
			want: []string{`weir\.yaml:1`, `hostname`, `weir\.yaml:9`, `queue_timeout|soon`},
		},
		"unknown value": {
			cfg:  strings.Replace(minimal, "  internet:\n    tls: {mode: off}", "  internet:\n    tls: {mode: sometimes}", 1),
			want: []string{`weir\.yaml:6`, `sometimes`, `required`},
		},
		"address without port": {
			cfg:  strings.Replace(minimal, "127.0.0.1:2526", "127.0.0.1", 1),
			want: []string{`weir\.yaml:7`, `port`},
		},
		"empty file": {cfg: "", want: []string{`listener|pool|empty`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := runWeir(t, "check", "-c", writeConfig(t, tt.cfg))
			if r.code != 1 {
				t.Errorf("exit %d, want 1", r.code)
			}
			for _, pattern := range tt.want {
				if !regexp.MustCompile(pattern).MatchString(r.stdout + r.stderr) {
					t.Errorf("the output has no %q:\n%s%s", pattern, r.stdout, r.stderr)
				}
			}
		})
	}
}

// TestCheckMissingFile: a file that is not there is named.
func TestCheckMissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nowhere.yaml")
	if r := runWeir(t, "check", "-c", path); r.code != 1 || !strings.Contains(r.stdout+r.stderr, path) {
		t.Errorf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
}

// TestVersion: one line that names the program.
func TestVersion(t *testing.T) {
	r := runWeir(t, "version")
	if r.code != 0 || !regexp.MustCompile(`(?i)weir.*\S`).MatchString(r.stdout) {
		t.Errorf("exit %d, %q", r.code, r.stdout)
	}
}

// TestUsage: a word that is no command is a usage error.
func TestUsage(t *testing.T) {
	if r := runWeir(t, "swim"); r.code != 2 {
		t.Errorf("exit %d, want 2: %s", r.code, r.stderr)
	}
}

// TestDemo: the demo needs no file, shows a line a second, a connector going down and coming back, and ends cleanly on
// Ctrl-C with every message accounted for.
func TestDemo(t *testing.T) {
	cmd := exec.Command(weirBin(t), "demo")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	unwatch := guard(t, cmd.Process.Pid)
	defer unwatch()
	// Whatever happens below, the process ends, and with it the reading of its output.
	ceiling := time.AfterFunc(stopCeiling, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer ceiling.Stop()
	var show demoShow
	show.watch(stdout, func() { _ = cmd.Process.Signal(syscall.SIGINT) })
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v, want exit 0\n%s", err, stderr.String())
	}
	if show.seconds < 3 || !show.down || !show.back || !show.clean {
		t.Errorf("%d lines of seconds, connector down %t, back %t, nothing lost %t:\n%s\n%s",
			show.seconds, show.down, show.back, show.clean, show.text.String(), stderr.String())
	}
	if strings.Contains(stderr.String(), "panic:") || strings.Contains(stderr.String(), "DATA RACE") {
		t.Errorf("stderr:\n%s", stderr.String())
	}
}

// demoShow is what a viewer of the demo has seen.
type demoShow struct {
	seconds           int
	down, back, clean bool
	text              strings.Builder
}

// watch reads to the end, and interrupts the demo once the whole story was told.
func (s *demoShow) watch(stdout io.Reader, interrupt func()) {
	interrupt = sync.OnceFunc(interrupt)
	for in := bufio.NewScanner(stdout); in.Scan(); {
		line := in.Text()
		s.text.WriteString(line + "\n")
		if strings.Contains(line, "msg/s") {
			s.seconds++
		}
		s.down = s.down || strings.Contains(line, "→ down")
		s.back = s.back || strings.Contains(line, "down →")
		s.clean = s.clean || strings.Contains(line, "lost 0, duplicated 0")
		if s.seconds >= 3 && s.down && s.back {
			interrupt()
		}
	}
}
