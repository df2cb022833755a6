package sim

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Table shows the result to people: a line a policy.
func (r *Result) Table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d connectors, %s, seed %d\n\n", r.Scenario, r.Connectors, counted(r.Replicas, "replica"), r.Seed)
	rows := [][]string{{
		"POLICY", "MESSAGES", "RATE/S", "P50", "P99", "P99.9", "MAX/MEAN", "CV", "TO BAD", "EVEN", "MOVED", "DEFERRED", "EJECTED", "AFTER", "FALSE",
	}}
	for i := range r.Policies {
		rows = append(rows, r.Policies[i].row())
	}
	align(&b, rows)
	b.WriteString("\n" + legend)
	return b.String()
}

const legend = `P50 … P99.9  from the arrival of a message to the final reply, of those delivered
MAX/MEAN, CV how evenly the connectors that nothing happened to got mail, by weight: 1 and 0 are even
TO BAD       of the messages that came while some connector was bad, sent to a bad one first; EVEN is their share by weight
EJECTED      connectors that failed mail and were ejected, as each replica saw it, and after how long in the mean
FALSE        ejections of connectors that nothing was wrong with
`

func (p *PolicyResult) row() []string {
	after := "-"
	if p.Ejected > 0 {
		after = fmt.Sprintf("%.1fs", p.EjectMean)
	}
	maxMean, cv := "-", "-"
	if p.MaxMean > 0 {
		maxMean, cv = fmt.Sprintf("%.2f", p.MaxMean), fmt.Sprintf("%.3f", p.CV)
	}
	return []string{
		p.Policy, fmt.Sprint(p.Messages), fmt.Sprintf("%.0f", p.Rate), took(p.P50), took(p.P99), took(p.P999),
		maxMean, cv, percent(p.BadShare), percent(p.EvenShare),
		fmt.Sprint(p.Moved), fmt.Sprint(p.Deferred), fmt.Sprintf("%d/%d", p.Ejected, p.Sicknesses), after, fmt.Sprint(p.False),
	}
}

func percent(share float64) string { return fmt.Sprintf("%.2f%%", 100*share) }

// took is a number of milliseconds with three digits.
func took(ms float64) string {
	d := time.Duration(ms * float64(time.Millisecond))
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	default:
		return d.Round(100 * time.Microsecond).String()
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// align writes rows in columns: the first to the left, the others to the right.
func align(b *strings.Builder, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString(cell + pad)
			} else {
				b.WriteString("  " + pad + cell)
			}
		}
		b.WriteString("\n")
	}
}
