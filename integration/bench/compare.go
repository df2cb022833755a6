package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"weir/integration/bench/front"
	"weir/integration/bench/table"
)

// options are the comparison's flags.
type options struct {
	rounds int
	quick  bool
	rows   *regexp.Regexp
	fronts *regexp.Regexp
	out    string
	weir   string // a binary; empty: it is built
	old    string // another one, measured beside it
	calm   float64
}

func parseOptions(args []string) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&o.rounds, "rounds", 5, "rounds; in each every front end has its turn")
	flags.BoolVar(&o.quick, "quick", false, "three short rounds: enough to see that it works")
	rows := flags.String("rows", "", "only the rows that match, a regular expression")
	fronts := flags.String("fronts", "", "only the front ends that match; they are weir; weir, tcp mode; old weir; old weir, tcp mode; HAProxy; nginx; none")
	flags.StringVar(&o.out, "out", "", "write the Markdown to this file, too")
	flags.StringVar(&o.weir, "weir", "", "measure this weir instead of building one")
	flags.StringVar(&o.old, "old", "", "measure this weir, too, by turns")
	flags.Float64Var(&o.calm, "calm", 0.1, "repeat a run in which others took more than this share of the machine's CPU, at most three times")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("%q is no part of the benchmark: load, sink, or nothing", flags.Arg(0))
	}
	if o.rounds < 1 {
		return nil, errors.New("there must be at least one round")
	}
	if o.quick {
		o.rounds = min(o.rounds, 3)
	}
	var err error
	if o.rows, err = regexp.Compile(*rows); err != nil {
		return nil, fmt.Errorf("reading -rows: %w", err)
	}
	if o.fronts, err = regexp.Compile(*fronts); err != nil {
		return nil, fmt.Errorf("reading -fronts: %w", err)
	}
	return o, nil
}

// pick is the shapes of the rows that are wanted.
func (o *options) pick() []shape {
	var picked []shape
	for _, s := range shapes() {
		s.rows = slices.DeleteFunc(s.rows, func(r rowOf) bool { return !o.rows.MatchString(r.name) })
		if o.quick {
			s.duration, s.messages = s.duration/3, s.messages/4
		}
		if len(s.rows) > 0 {
			picked = append(picked, s)
		}
	}
	return picked
}

// runComparison is the whole benchmark.
func runComparison(ctx context.Context, args []string) error {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	picked := o.pick()
	if len(picked) == 0 {
		return errors.New("no row matches -rows; without it all are run")
	}
	dir, err := os.MkdirTemp("", "wb-")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if o.weir == "" {
		progress("building weir")
		if o.weir, err = front.BuildWeir(ctx, dir); err != nil {
			return err
		}
	}
	var rows []table.Row
	for _, behind := range []stand{sinks, plainSinks, realPostfix, relayPostfix} {
		of := slices.DeleteFunc(slices.Clone(picked), func(s shape) bool { return s.stand != behind })
		if len(of) == 0 {
			continue
		}
		got, err := o.compareAt(ctx, behind, of)
		if err != nil {
			return fmt.Errorf("before %s: %w", behind, err)
		}
		rows = append(rows, got...)
	}
	slices.SortStableFunc(rows, func(a, b table.Row) int { return strings.Compare(a.Weir, b.Weir) })
	text := describe(ctx, o.weir, o.rounds) + repeats(o.calm) + "\n" + table.Markdown(rows)
	if o.out != "" {
		if err := os.WriteFile(o.out, []byte(text), 0o644); err != nil {
			return fmt.Errorf("writing the table: %w", err)
		}
	}
	_, err = fmt.Print(text)
	return err
}

// compareAt runs all shapes that have the same connectors.
func (o *options) compareAt(ctx context.Context, behind stand, of []shape) (rows []table.Row, err error) {
	b, err := o.open(ctx, behind, of)
	defer func() { err = errors.Join(err, b.close()) }()
	if err != nil {
		return nil, err
	}
	for i := range of {
		got, err := b.rounds(ctx, &of[i], o.rounds)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", of[i].rows[0].name, err)
		}
		rows = append(rows, got...)
	}
	return rows, nil
}

// rounds runs a shape through every front end, by turns; each begins once.
func (b *bench) rounds(ctx context.Context, s *shape, n int) ([]table.Row, error) {
	fronts := slices.DeleteFunc(slices.Clone(b.fronts), func(f contender) bool { return !s.wants(f.name) })
	progress("%s", s.rows[0].name)
	warm := *s
	warm.duration, warm.messages = min(s.duration, 500*time.Millisecond), s.messages/4
	for _, f := range fronts {
		if _, err := b.measure(ctx, f, &warm); err != nil {
			return nil, fmt.Errorf("warming %s: %w", f.name, err)
		}
	}
	var rounds []table.Round
	var busy []float64
	for i := range n {
		busy = append(busy, busyness())
		round := table.Round{}
		said := fmt.Sprintf("  round %d of %d, load average %.1f:", i+1, n, busy[i])
		for _, f := range turns(fronts, i) {
			sample, err := calmest(b.calm, func() (table.Sample, error) { return b.measure(ctx, f, s) })
			if err != nil {
				return nil, fmt.Errorf("through %s: %w", f.name, err)
			}
			round[f.name] = sample
			said += fmt.Sprintf(" %s %.0f/s %.0f µs (others %.0f %%),", f.name, sample.Rate, sample.CPU, 100*sample.Others)
		}
		rounds = append(rounds, round)
		progress("%s", strings.TrimSuffix(said, ","))
	}
	var rows []table.Row
	for _, r := range s.rows {
		rows = append(rows, table.Row{
			Load: r.name, Weir: r.weir, Rounds: rounds, MinRate: r.minRate, MaxCPU: r.maxCPU,
			Busy: table.Spread{Median: table.Median(busy), Min: slices.Min(busy), Max: slices.Max(busy)},
		})
	}
	return rows, nil
}

// repeats says in the table what was thrown away.
func repeats(calm float64) string {
	if calm >= 1 {
		return "No run was repeated.\n"
	}
	return fmt.Sprintf("A run in which other processes took over %.0f %% of the machine was repeated, at most three times, and the least disturbed counts.\n", 100*calm)
}

// calmest measures until others leave the machine alone, four times at most, and returns the sample that they disturbed
// least. It is the same for all front ends.
func calmest(calm float64, measure func() (table.Sample, error)) (best table.Sample, err error) {
	for try := range 4 {
		s, err := measure()
		if err != nil {
			return s, err
		}
		if try == 0 || s.Others < best.Others {
			best = s
		}
		if best.Others <= calm {
			break
		}
	}
	return best, nil
}

// turns is the order of a round: each front end is the first in its turn, and every other round goes backwards, so that
// none always has the same one before it.
func turns(fronts []contender, round int) []contender {
	first := round % len(fronts)
	order := slices.Concat(fronts[first:], fronts[:first])
	if round%2 == 1 {
		slices.Reverse(order[1:])
	}
	return order
}

// progress is for those who wait.
func progress(format string, args ...any) { _, _ = fmt.Fprintf(os.Stderr, format+"\n", args...) }
