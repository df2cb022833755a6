package sim

import (
	"time"

	"weir/health"
	"weir/internal/backend"
	"weir/policies"
)

// Scenario is a load, the connectors that it meets, and what happens to them.
type Scenario struct {
	Name     string
	About    string        // for people
	Seed     uint64        // the same one gives the same result
	Messages int64         // how many arrive; 0: as many as do within Duration
	Duration time.Duration // how long they arrive; 0: until there were Messages
	Replicas int
	Policies []string // to compare, by their names

	arrivals  arrivals
	senders   senders
	groups    []group
	incidents []happening
	pool      pool

	parts [backend.Stages]float64 // worked out once; see [parts]
}

// arrivals is when messages arrive, at all replicas together.
type arrivals struct {
	regular bool    // evenly; else at random (Poisson)
	rate    float64 // messages a second, from the start on
	changes []change
	bursts  []rush
}

// change is another rate from a time on.
type change struct {
	at   time.Duration
	rate float64
	ramp bool // it is reached by then, evenly from the last change on
}

// rush is messages that arrive at once.
type rush struct {
	at       time.Duration
	messages int
}

// senders are whose mail it is. Skew above 1 makes some busier (Zipf); 0: none.
type senders struct {
	count     int
	skew      float64
	addresses []string // worked out once
}

// group is connectors that are alike.
type group struct {
	name     string
	count    int
	weight   int
	cost     int
	capacity int // transactions at a time, others wait at MAIL; 0: any number
	latency  latency
}

// latency is how long a connector takes, for each stage or in total.
type latency struct {
	stages [backend.Stages]dist
	total  dist
	whole  bool // total counts
}

// parts are the shares of a total by stage. The first three come on top, for a
// transaction that needs a new connection.
func parts() [backend.Stages]float64 {
	return [backend.Stages]float64{
		backend.StageConnect: 0.05, backend.StageBanner: 0.05, backend.StageEHLO: 0.05,
		backend.StageMail: 0.1, backend.StageRcpt: 0.1, backend.StageData: 0.1, backend.StageBody: 0.1, backend.StageFinalDot: 0.6,
	}
}

// action is what may happen to a connector.
type action uint8

const (
	slow action = iota
	stuck
	refuse
	deferring
	back
	drain
	undrain
	restart
	reweigh
)

func actionNames() []string {
	return []string{"slow", "stuck", "refuse", "defer", "back", "drain", "undrain", "restart", "weight"}
}

// happening is an action as the scenario tells it.
type happening struct {
	at      time.Duration
	do      action
	on      []string // connectors or groups
	lasts   time.Duration
	stagger time.Duration // between one connector and the next
	lead    time.Duration // of a restart: drained for so long before
	factor  float64
	stage   backend.Stage
	share   float64
	weight  int
}

// pool is what a pool of weir.yaml says.
type pool struct {
	maxConnections int
	queueTimeout   time.Duration
	timeouts       [backend.Stages]time.Duration
	panicPercent   int
	health         health.Config
	hash           policies.Key
	affinity       policies.Key
	affinityTTL    time.Duration
}

const poolName = "sim"

// newScenario holds the defaults; those of the pool are the product's.
func newScenario() *Scenario {
	return &Scenario{
		Seed: 1, Replicas: 1,
		Policies: []string{policies.RoundRobin, policies.LeastConnections, policies.LeastLoad, policies.Maglev, policies.Random},
		senders:  senders{count: 1000},
		pool: pool{
			queueTimeout: 5 * time.Second,
			timeouts: [backend.Stages]time.Duration{
				backend.StageConnect: 5 * time.Second, backend.StageTLS: 30 * time.Second, backend.StageBanner: 30 * time.Second,
				backend.StageEHLO: 30 * time.Second, backend.StageMail: time.Minute, backend.StageRcpt: time.Minute,
				backend.StageData: time.Minute, backend.StageBody: time.Minute, backend.StageFinalDot: 9*time.Minute + 30*time.Second,
			},
			health: DefaultHealth(), hash: policies.KeyNetwork, affinityTTL: time.Hour,
		},
	}
}

// DefaultHealth is how connectors are judged where a scenario says nothing: as in
// a pool of weir.yaml that says nothing.
func DefaultHealth() health.Config {
	return health.Config{
		Pool: poolName, Probe: health.DepthEnvelope, To: "postmaster",
		Interval: 5 * time.Second, Timeout: 15 * time.Second, FastInterval: time.Second,
		Rise: 2, Fall: 3, Jitter: 0.2, SlowStart: 30 * time.Second,
		Breaker: health.BreakerConfig{
			ConsecutiveFailures: 5, FailureRatio: 0.5, MinRequests: 20, Window: 30 * time.Second,
			OpenFor: 5 * time.Second, OpenMax: 5 * time.Minute,
			StuckAfter: [backend.Stages]time.Duration{
				backend.StageConnect: 2 * time.Second, backend.StageBanner: 10 * time.Second, backend.StageEHLO: 5 * time.Second,
				backend.StageMail: 10 * time.Second, backend.StageRcpt: 10 * time.Second, backend.StageData: 5 * time.Second,
				backend.StageBody: 30 * time.Second, backend.StageFinalDot: time.Minute,
			},
		},
		Ejection: health.EjectionConfig{MaxPercent: 50, OutlierRatio: 3},
	}
}

// connectors returns how many there are.
func (s *Scenario) connectors() int {
	n := 0
	for i := range s.groups {
		n += s.groups[i].count
	}
	return n
}

// coupled reports whether replicas feel each other, by the connectors' capacity.
func (s *Scenario) coupled() bool {
	for i := range s.groups {
		if s.groups[i].capacity > 0 {
			return true
		}
	}
	return false
}

// most is how many messages are expected to arrive within a time.
func (a *arrivals) most(within time.Duration) float64 {
	sum, rate, since := 0.0, a.rate, time.Duration(0)
	for _, c := range a.changes {
		until := min(c.at, within)
		if until <= since {
			break
		}
		to := rate
		if c.ramp {
			to = rate + (c.rate-rate)*float64(until-since)/float64(c.at-since)
		}
		sum += (rate + to) / 2 * (until - since).Seconds()
		rate, since = c.rate, c.at
	}
	if within > since {
		sum += rate * (within - since).Seconds()
	}
	for _, b := range a.bursts {
		if b.at <= within {
			sum += float64(b.messages)
		}
	}
	return sum
}

// expected is about how long messages arrive.
func (s *Scenario) expected() time.Duration {
	low, high := time.Duration(0), maxDuration
	if s.Duration > 0 {
		high = s.Duration
	}
	if s.Messages == 0 || s.arrivals.most(high) <= float64(s.Messages) {
		return high
	}
	for high-low > time.Millisecond {
		middle := (low + high) / 2
		if s.arrivals.most(middle) < float64(s.Messages) {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// maxDuration bounds the virtual time that a scenario may take.
const maxDuration = 7 * 24 * time.Hour
