package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"weir/config"
	"weir/health"
	"weir/internal/app"
	"weir/internal/backend"
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
		p := &cfg.Pools[i]
		for _, spec := range p.Static {
			checks = append(checks, liveConnector(hostname, p.Health.Timeout, spec))
		}
	}
	if cfg.Consul != nil {
		checks = append(checks, liveConsul(cfg.Consul))
	}
	return append(checks, liveZones(cfg)...)
}

// liveConnector goes as far as EHLO: a recipient or a message would be asking
// for more than whether somebody is there.
func liveConnector(hostname string, timeout time.Duration, spec backend.Spec) liveCheck {
	what := "connector " + spec.ID().String()
	if spec.Name != spec.Address {
		what += " at " + spec.Address
	}
	return liveCheck{what, func(ctx context.Context) (string, error) {
		answer := app.ProbeAddress(ctx, hostname, spec.Address, health.Config{Probe: health.DepthEHLO, Timeout: timeout})
		if !answer.OK {
			return "", errors.New(answer.Error)
		}
		return fmt.Sprintf("EHLO answered in %.1f ms", answer.TookMS), nil
	}}
}

// liveConsul asks the agent who leads, which needs no rights and shows that the
// servers are there too.
func liveConsul(cfg *config.Consul) liveCheck {
	what := "consul"
	if cfg.Address != "" {
		what += " at " + cfg.Address
	}
	return liveCheck{what, func(ctx context.Context) (string, error) {
		client, err := app.ConsulClient(cfg)
		if err != nil {
			return "", err
		}
		ctx, cancel := context.WithTimeout(ctx, consulLongest)
		defer cancel()
		leader, err := client.Status().LeaderWithQueryOptions(consulOptions(ctx))
		switch {
		case err != nil:
			return "", errors.New(plain(err))
		case leader == "":
			return "", errors.New("the agent answers, and the servers have no leader")
		default:
			return "leader " + leader, nil
		}
	}}
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
