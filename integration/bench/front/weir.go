package front

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Weir is a running weir.
type Weir struct {
	*process
	SMTP  string // its listener in smtp mode
	TCP   string // its listener in tcp mode
	Admin string
}

// WeirConfig is what is measured: two listeners, one pool, a log without a line for each transaction, and weir's defaults
// for the rest. StartWeir puts addresses in for @SMTP@, @TCP@ and @ADMIN@, and a directory for @DIR@.
func WeirConfig(backends []string) string {
	return `hostname: edge.test.example
log: {level: warn}
state_dir: @DIR@
listeners:
  - {name: smtp, address: "@SMTP@", mode: smtp, pool: sinks}
  - {name: tcp, address: "@TCP@", mode: tcp, pool: sinks}
pools:
  sinks:
    relay: true
    backends: ["` + strings.Join(backends, `", "`) + `"]
admin: {address: "@ADMIN@"}
`
}

// BuildWeir builds the weir of this module into dir and returns its path.
func BuildWeir(ctx context.Context, dir string) (string, error) {
	bin := filepath.Join(dir, "weir")
	out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, "weir/cmd/weir").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building weir: %w: %s", err, out)
	}
	return bin, nil
}

// StartWeir runs bin with a config and waits until it serves and all its connectors are eligible.
func StartWeir(ctx context.Context, bin, config string) (*Weir, error) {
	addrs, err := freeAddrs(3)
	if err != nil {
		return nil, err
	}
	w := &Weir{SMTP: addrs[0], TCP: addrs[1], Admin: addrs[2]}
	config = strings.NewReplacer("@SMTP@", w.SMTP, "@TCP@", w.TCP, "@ADMIN@", w.Admin).Replace(config)
	dir, err := room(map[string]string{"weir.yaml": config})
	if err != nil {
		return nil, err
	}
	if w.process, err = start("weir", dir, bin, "serve", "-c", filepath.Join(dir, "weir.yaml")); err != nil {
		return nil, err
	}
	if err := w.wait(ctx, func() bool { return w.complete(ctx) }); err != nil {
		_ = w.Stop()
		return nil, err
	}
	return w, nil
}

// PID is for CPU and Memory.
func (w *Weir) PID() int { return w.cmd.Process.Pid }

// complete says whether every connector of every pool is eligible.
func (w *Weir) complete(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.Admin+"/v1/status", nil)
	if err != nil {
		return false
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	var status struct {
		Ready bool
		Pools []struct{ Eligible, Total int }
	}
	if json.NewDecoder(resp.Body).Decode(&status) != nil {
		return false
	}
	for _, p := range status.Pools {
		if p.Eligible < p.Total {
			return false
		}
	}
	return status.Ready && len(status.Pools) > 0
}
