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

// othersNeed says what is usual; 0: it is not known.
func othersNeed(usual time.Duration) string {
	if usual == 0 {
		return ""
	}
	return fmt.Sprintf("; the others need %s at most", span(usual))
}

// span is a time that was measured, as people say it: 12.3 s, 3 ms.
func span(d time.Duration) string {
	if tenth := 100 * time.Millisecond; d >= tenth {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d ms", max(d.Round(time.Millisecond), time.Millisecond).Milliseconds())
}

// short is a time that was configured, as people write it: 2m, not 2m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
