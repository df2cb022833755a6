package table

import (
	"fmt"
	"slices"
	"strings"
)

// Names of front ends, as rounds have them.
const (
	Weir    = "weir"
	WeirTCP = "weir, tcp mode"
	Old     = "old weir" // another build, to compare with
	OldTCP  = "old weir, tcp mode"
	HAProxy = "HAProxy"
	Nginx   = "nginx"
	None    = "none" // senders and connectors face to face
)

// Row is a load, in the order of its rounds.
type Row struct {
	Load    string
	Weir    string // which front end is judged: Weir or WeirTCP
	Rounds  []Round
	MinRate float64 // targets for the ratios to HAProxy; 0: none
	MaxCPU  float64
	Busy    Spread // the machine's load average before the rounds
}

// in is the front end that stands in a column: an old weir is compared in the row's own mode.
func (r *Row) in(column string) string {
	if column == Old && r.Weir == WeirTCP {
		return OldTCP
	}
	return column
}

// Markdown is four tables: rates, CPU and latencies, each with the ratios that it allows, and what connectors bear.
func Markdown(rows []Row) string {
	var b strings.Builder
	b.WriteString("Messages a second, medians; the ratio is the median of the rounds' own (least and greatest):\n\n")
	rates(&b, rows)
	b.WriteString("\nCPU of the front end, user and system, in µs a message:\n\n")
	costs(&b, rows)
	b.WriteString("\nTime of a message, p50 / p99 in ms (medians of the rounds):\n\n")
	latencies(&b, rows)
	burdens(&b, rows)
	return b.String()
}

func rates(b *strings.Builder, rows []Row) {
	peers := ran(rows, Old, HAProxy, Nginx, None)
	header(b, append(append([]string{"load", "weir"}, peers...), ratioColumns(rows, "load average", "CPU of others")...))
	for _, r := range rows {
		cells := []string{r.Load, whole(Median(of(r.Rounds, r.Weir, rate)))}
		for _, f := range peers {
			cells = append(cells, whole(Median(of(r.Rounds, r.in(f), rate))))
		}
		cells = append(cells, r.ratioCells(rows, rate, r.MinRate, "≥", func(x float64) bool { return x >= r.MinRate })...)
		line(b, append(cells, fmt.Sprintf("%.1f–%.1f", r.Busy.Min, r.Busy.Max), r.disturbed()))
	}
}

// disturbed is what others took of the machine while weir and HAProxy ran: half of the runs less, and the most.
func (r *Row) disturbed() string {
	s := spread(append(of(r.Rounds, r.Weir, others), of(r.Rounds, HAProxy, others)...))
	if s.Max == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f %%, at most %.0f %%", 100*s.Median, 100*s.Max)
}

func costs(b *strings.Builder, rows []Row) {
	peers := ran(rows, Old, HAProxy, Nginx)
	header(b, append(append([]string{"load", "weir"}, peers...), ratioColumns(rows)...))
	for _, r := range rows {
		cells := []string{r.Load, whole(Median(of(r.Rounds, r.Weir, cpu)))}
		for _, f := range peers {
			cells = append(cells, whole(Median(of(r.Rounds, r.in(f), cpu))))
		}
		line(b, append(cells, r.ratioCells(rows, cpu, r.MaxCPU, "≤", func(x float64) bool { return x <= r.MaxCPU })...))
	}
}

func latencies(b *strings.Builder, rows []Row) {
	inPairs(b, rows, func(rounds []Round, f string) string {
		if m := Median(of(rounds, f, p50)); m > 0 {
			return fmt.Sprintf("%.2f / %.2f", m/1000, Median(of(rounds, f, p99))/1000)
		}
		return "–"
	})
}

func burdens(b *strings.Builder, rows []Row) {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return spread(of(r.Rounds, r.Weir, behindCPU)).Max == 0 })
	if len(rows) == 0 {
		return
	}
	b.WriteString("\nWhat the connectors bear, CPU in µs a message, connections in a hundred messages:\n\n")
	inPairs(b, rows, func(rounds []Round, f string) string {
		if m := Median(of(rounds, f, behindCPU)); m > 0 {
			return fmt.Sprintf("%.0f, %.0f", m, 100*Median(of(rounds, f, behindConns)))
		}
		return "–"
	})
}

// inPairs is a table with two values in a cell.
func inPairs(b *strings.Builder, rows []Row, cell func(rounds []Round, front string) string) {
	peers := ran(rows, Old, HAProxy, Nginx, None)
	header(b, append([]string{"load", "weir"}, peers...))
	for _, r := range rows {
		cells := []string{r.Load, cell(r.Rounds, r.Weir)}
		for _, f := range peers {
			cells = append(cells, cell(r.Rounds, r.in(f)))
		}
		line(b, cells)
	}
}

// ran is which of some front ends ran in any row.
func ran(rows []Row, fronts ...string) []string {
	return slices.DeleteFunc(fronts, func(f string) bool {
		return !slices.ContainsFunc(rows, func(r Row) bool { return len(of(r.Rounds, r.in(f), rate)) > 0 })
	})
}

func ratioColumns(rows []Row, more ...string) []string {
	var all []string
	for _, f := range ran(rows, Old) {
		all = append(all, "weir / "+f)
	}
	return append(append(all, "weir / HAProxy", "target"), more...)
}

// ratioCells are the ratios to the other fronts, and whether that to HAProxy is what was promised.
func (r *Row) ratioCells(rows []Row, column func(Sample) float64, target float64, sign string, met func(float64) bool) []string {
	var cells []string
	for _, f := range ran(rows, Old) {
		cells = append(cells, ratioCell(ratios(r.Rounds, r.Weir, r.in(f), column)))
	}
	s := ratios(r.Rounds, r.Weir, HAProxy, column)
	verdict := "–"
	switch {
	case target == 0 || s.Median == 0:
	case met(s.Median):
		verdict = fmt.Sprintf("%s %.1f: met", sign, target)
	default:
		verdict = fmt.Sprintf("%s %.1f: **missed**", sign, target)
	}
	return append(cells, ratioCell(s), verdict)
}

func ratioCell(s Spread) string {
	if s.Median == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.Median, s.Min, s.Max)
}

func whole(x float64) string {
	if x == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f", x)
}

func header(b *strings.Builder, names []string) {
	line(b, names)
	b.WriteString("|" + strings.Repeat("---|", len(names)) + "\n")
}

func line(b *strings.Builder, cells []string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}
