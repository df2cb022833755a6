package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"weir/config"
	"weir/health"
	"weir/internal/app"
	"weir/internal/backend"
	"weir/internal/connector"
)

// Bounds of check --live.
const (
	liveAtOnce    = 8 // so that a machine behind many connectors is not flooded
	consulLongest = 5 * time.Second
)

// liveCheck is one server that the config names.
type liveCheck struct {
	what string
	try  func(ctx context.Context) (remark string, err error)
}

// checkLive asks every server that the config names, prints a line for each, in
// the file's order, and fails when any has failed.
func checkLive(ctx context.Context, cfg *config.Config, w io.Writer) error {
	hostname, err := ownName(cfg)
	if err != nil {
		return err
	}
	checks := liveChecks(cfg, hostname)
	results := make([]chan string, len(checks))
	var mu sync.Mutex
	failed := 0
	slots := make(chan struct{}, liveAtOnce)
	for i, c := range checks {
		results[i] = make(chan string, 1)
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			remark, err := c.try(ctx)
			text := "ok"
			if remark != "" {
				text += ", " + remark
			}
			if err != nil {
				text = "FAILED: " + err.Error()
				mu.Lock()
				failed++
				mu.Unlock()
			}
			results[i] <- c.what + ": " + text
		}()
	}
	var wrong error
	for _, result := range results {
		if _, err := fmt.Fprintln(w, oneLine(<-result)); err != nil {
			wrong = err
		}
	}
	if wrong == nil && failed > 0 {
		return fmt.Errorf("%d of %s failed", failed, count(len(checks), "live check"))
	}
	return wrong
}

func liveChecks(cfg *config.Config, hostname string) []liveCheck {
	var checks []liveCheck
	for i := range cfg.Pools {
		p, dialer := &cfg.Pools[i], app.DialerOf(cfg, i, hostname)
		for _, spec := range p.Static {
			checks = append(checks, liveConnector(dialer, p.Health.Timeout, spec))
		}
		checks = append(checks, liveList(dialer, p)...)
	}
	checks = append(checks, consulChecks(cfg)...)
	return append(checks, liveZones(cfg)...)
}

// liveConnector goes as far as EHLO, with the TLS and the identity that mail would
// have: a recipient or a message would be asking
// for more than whether somebody is there.
func liveConnector(dialer connector.Dialer, timeout time.Duration, spec backend.Spec) liveCheck {
	what := "connector " + spec.ID().String()
	if spec.Name != spec.Address {
		what += " at " + spec.Address
	}
	return liveCheck{what, func(ctx context.Context) (string, error) {
		answer := app.ProbeAddress(ctx, dialer, spec.Address, health.Config{Probe: health.DepthEHLO, Timeout: timeout})
		if !answer.OK {
			return "", errors.New(answer.Error)
		}
		remark := fmt.Sprintf("EHLO answered in %.1f ms", answer.TookMS)
		for _, line := range answer.Dialogue {
			if line.From == "note" && strings.HasPrefix(line.Text, "TLS ") {
				remark += ", " + line.Text
			}
		}
		if answer.Remark != "" {
			remark += ", " + answer.Remark
		}
		return remark, nil
	}}
}

// liveList returns a check for each connector that a pool's file lists, or one that
// says why there are none.
func liveList(dialer connector.Dialer, p *config.Pool) (checks []liveCheck) {
	if p.File == "" {
		return nil
	}
	specs, err := readList(p.File)
	if err != nil {
		return []liveCheck{{"file of pool " + p.Name, func(context.Context) (string, error) { return "", err }}}
	}
	for _, spec := range specs {
		spec.Pool = p.Name
		checks = append(checks, liveConnector(dialer, p.Health.Timeout, spec))
	}
	return checks
}

func readList(path string) ([]backend.Spec, error) {
	// What is no file, such as a pipe, might never end.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", path)
	}
	data, err := config.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return config.ParseBackends(path, data)
}

// ownName is what weir calls itself in EHLO.
func ownName(cfg *config.Config) (string, error) {
	if cfg.Balancer.Hostname != "" {
		return cfg.Balancer.Hostname, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("asking for the machine's name: %w", err)
	}
	return name, nil
}
