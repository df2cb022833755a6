package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"weir/integration/bench/load"
	"weir/integration/bench/table"
)

// halfTarget is how much later a message may be answered for weir's being there, in microseconds, at the 99th percentile.
const halfTarget = 1000

// halfRow is one load at half of the rate that weir reaches with it.
type halfRow struct {
	name   string
	load   load.Options
	most   float64 // weir's rate in a closed loop
	rounds []table.Round
}

// halfLoad sends at half of weir's greatest rate through each front end, evenly, whatever the answers take.
func halfLoad(ctx context.Context, o *partOptions) (err error) {
	y, err := newYard(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, y.stop()) }()
	rows := []halfRow{
		{name: "4 KB, one message a connection", load: load.Options{Each: 1, Size: 4096}},
		{name: "4 KB, 100 a connection", load: load.Options{Each: 100, Size: 4096}},
		{name: "4 KB, 100 a connection, pipelined", load: load.Options{Each: 100, Size: 4096, Pipeline: true}},
	}
	rows = slices.DeleteFunc(rows, func(r halfRow) bool { return !o.only.MatchString(r.name) })
	if len(rows) == 0 {
		return nil
	}
	for i := range rows {
		if err := rows[i].measure(ctx, o, y); err != nil {
			return fmt.Errorf("measuring half load: %s: %w", rows[i].name, err)
		}
	}
	o.out.WriteString(halfMarkdown(rows) + "\n")
	return nil
}

func (r *halfRow) measure(ctx context.Context, o *partOptions, y *yard) error {
	l := r.load
	l.Conns, l.Sources, l.Warmup, l.Duration = 20, 8, o.time(0.3), o.time(1.5)
	var reached []float64
	for range 3 {
		s, err := y.run(ctx, &y.lanes[0], l)
		if err != nil {
			return err
		}
		reached = append(reached, s.Rate)
	}
	r.most = table.Median(reached)
	l.Pace = r.most / 2
	l.Conns = 100 // so that none is missing when a message is due
	// Many short turns: a hiccup of the machine spoils one of them, and its medians are those of the others.
	l.Duration = o.time(0.7)
	for i := range 3 * o.rounds {
		round := table.Round{}
		for _, one := range turned(y.lanes, i) {
			s, err := y.run(ctx, &one, l)
			if err != nil {
				return err
			}
			o.say("half load, %s, round %d: %s: %.0f/s, p50 %.0f µs, p99 %.0f µs", r.name, i+1, one.name, s.Rate, s.P50, s.P99)
			round[one.name] = s
		}
		r.rounds = append(r.rounds, round)
	}
	return nil
}

// column is the median of what a front end came to.
func (r *halfRow) column(name string, of func(table.Sample) float64) float64 {
	var all []float64
	for _, round := range r.rounds {
		all = append(all, of(round[name]))
	}
	return table.Median(all)
}

// added is the median over the rounds of how much later the 99th percentile is than without a front end, in microseconds.
func (r *halfRow) added(name string) float64 {
	var all []float64
	for _, round := range r.rounds {
		all = append(all, round[name].P99-round[table.None].P99)
	}
	return table.Median(all)
}

func halfMarkdown(rows []halfRow) string {
	var b strings.Builder
	b.WriteString("### Latency at half load\n\nMessages begin evenly at half of the rate that weir reaches with that load. Time of a message, p50 / p99 in ms; added is p99 against none, round by round.\n\n")
	b.WriteString("| load | messages a second | weir | HAProxy | none | weir adds, ms | HAProxy adds, ms | target |\n|---|---|---|---|---|---|---|---|\n")
	p50 := func(s table.Sample) float64 { return s.P50 }
	p99 := func(s table.Sample) float64 { return s.P99 }
	for i := range rows {
		r := &rows[i]
		fmt.Fprintf(&b, "| %s | %s |", r.name, grouped(r.most/2))
		for _, name := range []string{table.Weir, table.HAProxy, table.None} {
			fmt.Fprintf(&b, " %.2f / %.2f |", r.column(name, p50)/1000, r.column(name, p99)/1000)
		}
		verdict := "met"
		if r.added(table.Weir) > halfTarget {
			verdict = "**missed**"
		}
		fmt.Fprintf(&b, " %.2f | %.2f | ≤ 1 ms: %s |\n", r.added(table.Weir)/1000, r.added(table.HAProxy)/1000, verdict)
	}
	return b.String()
}
