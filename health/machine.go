package health

import (
	"fmt"
	"strings"
	"time"

	"weir/internal/backend"
)

// machine judges one connector. It is pure: what happens and when is told to it.
type machine struct {
	cfg     *Config
	verdict backend.Health
	since   time.Time // of the verdict
	reason  string    // of the verdict, in words for people

	good, bad int    // probes in a row, good at most cfg.Rise
	failures  counts // in traffic
	hold      hold
	cause     string // what traffic has against it, once that is fall failures
}

func newMachine(cfg *Config) machine { return machine{cfg: cfg} }

// probed takes in the result of a probe, nil for one that passed. It reports
// whether the verdict is another one now.
func (m *machine) probed(now time.Time, err error) bool {
	if err != nil {
		return m.probeFailed(now, err)
	}
	m.bad = 0
	m.good = min(m.good+1, m.cfg.Rise)
	switch {
	case m.verdict == backend.HealthUp:
		return false
	case m.verdict == backend.HealthUnknown:
		return m.turn(now, backend.HealthUp, "the first probe passed")
	case m.good < m.cfg.Rise:
		return false
	case m.hold.left(now) > 0:
		m.reason = fmt.Sprintf("%s; probes pass, held out until %s", m.cause, m.hold.until.UTC().Format("15:04:05Z"))
		return false
	}
	return m.turn(now, backend.HealthUp, fmt.Sprintf("%s passed", inARow(m.good, "probe")))
}

func (m *machine) probeFailed(now time.Time, err error) bool {
	m.good = 0
	m.bad++
	why := fmt.Sprintf("%s failed; last: %v", inARow(m.bad, "probe"), err)
	switch {
	case m.verdict == backend.HealthUnknown:
		// Never seen healthy, and not healthy now: it gets no mail to try with.
		return m.turn(now, backend.HealthDown, fmt.Sprintf("the first probe failed: %v", err))
	case m.verdict == backend.HealthDown:
		m.reason = why
		return false
	case m.bad < m.cfg.Fall:
		return false
	}
	return m.turn(now, backend.HealthDown, why)
}

// failed takes in a failure in traffic, of an attempt that began at that time.
// It reports whether the verdict is another one now. The last connector of its
// pool is never taken down so: senders would be no better off, and they would
// not be served either when it works again before its hold is over.
func (m *machine) failed(now, began time.Time, stage backend.Stage, why string, last bool) bool {
	if m.verdict == backend.HealthDown || began.Before(m.since) {
		return false // late news of what is known, or of a time before it recovered
	}
	m.good = 0 // doubt: let some probes pass before trusting it again
	m.failures.add(stage)
	n := m.failures.total()
	if n < m.cfg.Fall {
		return false
	}
	m.cause = fmt.Sprintf("%s failed in traffic; last: %s", inARow(n, "attempt"), at(stage, why))
	if last {
		return false
	}
	m.hold.begin(now, now.Sub(m.since))
	return m.turn(now, backend.HealthDown, m.cause)
}

// passed takes in a success in traffic. Only probes bring a connector up.
func (m *machine) passed(stage backend.Stage) { m.failures.clear(contradicts(stage)) }

// words is the reason as people should see it now.
func (m *machine) words() string {
	if m.failures.total() < m.cfg.Fall {
		return m.reason
	}
	return m.cause + "; kept, because nothing else in the pool takes mail"
}

// turn changes the verdict, and all evidence begins anew but for the probes that
// speak for the new one.
func (m *machine) turn(now time.Time, verdict backend.Health, reason string) bool {
	m.verdict, m.since, m.reason = verdict, now, reason
	m.failures = counts{}
	return true
}

// pause is how long to wait from now, the end of a probe, until the next.
func (m *machine) pause(now time.Time) time.Duration {
	fast := min(m.cfg.FastInterval, m.cfg.Interval)
	if left := m.hold.left(now); m.verdict == backend.HealthDown && left > 0 {
		return min(max(left, fast), m.cfg.Interval)
	}
	if m.doubt() {
		return fast
	}
	return m.cfg.Interval
}

// doubt reports whether the evidence is on its way from one verdict to another.
func (m *machine) doubt() bool {
	switch m.verdict {
	case backend.HealthUp:
		return m.good < m.cfg.Rise
	case backend.HealthDown:
		return m.good > 0
	default:
		return true
	}
}

// at puts the stage before the words, unless they begin with it.
func at(stage backend.Stage, why string) string {
	if strings.HasPrefix(why, stage.String()+":") {
		return why
	}
	return stage.String() + ": " + why
}

func inARow(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss in a row", n, what)
}
