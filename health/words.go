package health

import (
	"fmt"
	"strings"
	"time"

	"weir/internal/backend"
)

// words is the reason as people should see it now.
func (m *machine) words(state backend.Breaker) string {
	switch {
	case m.verdict == backend.HealthDown:
		return m.reason
	case state == backend.BreakerHalfOpen:
		return "on trial, after: " + m.cause
	case state == backend.BreakerOpen:
		return m.cause
	case m.kept != "":
		return m.kept
	case m.capacity.limit > 0:
		return fmt.Sprintf("out of room: %d at a time for now; last: %s", m.capacity.limit, m.capacity.why)
	case m.note != "":
		return m.note
	case m.latency > 0:
		return fmt.Sprintf("slower than the others: gets %.0f %% of its weight", 100*m.latency)
	}
	return m.reason
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
	return counted(n, what) + " in a row"
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func inSeconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
