package health

import (
	"time"

	"weir/internal/backend"
)

// machineConfig has the defaults, with the probes of a pool that is far from any
// traffic: to EHLO.
func machineConfig() *Config {
	return &Config{
		Pool: "internet", Probe: DepthEHLO, Interval: 5 * time.Second, FastInterval: time.Second,
		Timeout: 15 * time.Second, Rise: 2, Fall: 3, Jitter: 0.2,
		Breaker: BreakerConfig{
			ConsecutiveFailures: 5, FailureRatio: 0.5, MinRequests: 20, Window: 30 * time.Second,
			OpenFor: 5 * time.Second, OpenMax: 5 * time.Minute,
			StuckAfter: [backend.Stages]time.Duration{
				backend.StageConnect: 2 * time.Second, backend.StageBanner: 10 * time.Second, backend.StageEHLO: 5 * time.Second,
				backend.StageMail: 10 * time.Second, backend.StageRcpt: 10 * time.Second, backend.StageData: 5 * time.Second,
				backend.StageBody: 30 * time.Second, backend.StageFinalDot: time.Minute,
			},
		},
		Ejection: EjectionConfig{MaxPercent: 50, OutlierRatio: 3},
	}
}
