package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"weir/config"
	"weir/dashboard"
	"weir/health"
	"weir/internal/backend"
	"weir/internal/connector"
)

// probesAtOnce bounds what operators can have a connector put up with.
const probesAtOnce = 4

// prober probes connectors on request, as their pools' own probes do.
type prober struct {
	slots chan struct{}

	mu      sync.Mutex
	pools   map[string]health.Config
	dialers map[string]connector.Dialer
}

func newProber(pools []config.Pool, dialers map[string]connector.Dialer) *prober {
	p := &prober{slots: make(chan struct{}, probesAtOnce)}
	p.set(pools, dialers)
	return p
}

// set changes how connectors are probed from now on.
func (p *prober) set(pools []config.Pool, dialers map[string]connector.Dialer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pools, p.dialers = map[string]health.Config{}, dialers
	for i := range pools {
		p.pools[pools[i].Name] = pools[i].Health
	}
}

func (p *prober) of(pool string) (health.Config, connector.Dialer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pools[pool], p.dialers[pool]
}

// Probe implements [dashboard.Prober].
func (p *prober) Probe(ctx context.Context, spec backend.Spec, request dashboard.ProbeRequest) (dashboard.ProbeAnswer, error) {
	pool, dialer := p.of(spec.Pool)
	cfg, err := asked(pool, request)
	if err != nil {
		return dashboard.ProbeAnswer{}, err
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return dashboard.ProbeAnswer{}, fmt.Errorf("waiting for other probes: %w", ctx.Err())
	}
	defer func() { <-p.slots }()
	answer := probe(ctx, cfg, dialer, spec)
	answer.Backend = spec.ID().String()
	return answer, nil
}

// asked is the pool's probe with what the request wants otherwise.
func asked(cfg health.Config, request dashboard.ProbeRequest) (health.Config, error) {
	if request.Depth != "" {
		depth, ok := health.ParseDepth(request.Depth)
		switch {
		case !ok:
			return cfg, fmt.Errorf("%w: there is no probe %q", dashboard.ErrRefused, request.Depth)
		case depth == health.DepthMessage && cfg.Probe != depth:
			return cfg, fmt.Errorf("%w: a probe \"message\" delivers a message, and the pool's health.probe does not say that somebody wants it", dashboard.ErrRefused)
		case depth != health.DepthStartTLS:
			cfg.Expect.CertificateDays = 0
		}
		if depth < health.DepthEHLO {
			cfg.Expect.Capabilities = nil
		}
		cfg.Probe = depth
	}
	if request.Timeout != "" {
		timeout, err := time.ParseDuration(request.Timeout)
		if err != nil || timeout <= 0 {
			return cfg, fmt.Errorf("%w: %q is no timeout, such as 15s", dashboard.ErrRefused, request.Timeout)
		}
		cfg.Timeout = timeout
	}
	return cfg, nil
}

// ProbeAddress probes a host that need not be a connector of anybody's, with the
// dialer of a pool or one that has a name to give.
func ProbeAddress(ctx context.Context, dialer connector.Dialer, address string, cfg health.Config) dashboard.ProbeAnswer {
	return probe(ctx, cfg, dialer, backend.Spec{Pool: "cli", Name: "probe", Address: address})
}

func probe(ctx context.Context, cfg health.Config, dialer connector.Dialer, spec backend.Spec) dashboard.ProbeAnswer {
	report, err := health.NewProber(cfg, dialer).Probe(ctx, spec)
	answer := dashboard.ProbeAnswer{
		Address: spec.Address, OK: err == nil, Stage: report.Stage.String(), Remark: report.Remark,
		Depth: report.Depth.String(), TookMS: milliseconds(report.Took), Dialogue: []dashboard.ProbeLine{},
	}
	if err != nil {
		answer.Error = err.Error()
	}
	if err == nil || report.Stage != backend.StageConnect {
		answer.Dialogue = append(answer.Dialogue, dashboard.ProbeLine{
			AtMS: milliseconds(report.Stages[backend.StageConnect]), From: "note", Text: "connected to " + spec.Address,
		})
	}
	for _, line := range report.Dialogue {
		from := "connector"
		switch {
		case line.Note:
			from = "note"
		case line.Sent:
			from = "weir"
		}
		answer.Dialogue = append(answer.Dialogue, dashboard.ProbeLine{AtMS: milliseconds(line.At), From: from, Text: line.Text})
	}
	return answer
}
