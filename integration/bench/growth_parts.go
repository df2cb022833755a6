package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"weir/integration/bench/front"
	"weir/integration/bench/load"
	"weir/integration/bench/table"
)

// The targets: what a growth may take away.
const (
	sessionsMayTake = 0.15 // of the throughput, from 100 to 10 000 concurrent sessions
	variantsMayTake = 0.10 // of it, with 1000 connectors or 10 000 routes
)

// growthOfSessions is a closed loop of ever more senders, each of which goes on when it has its answer.
func growthOfSessions(ctx context.Context, o *partOptions) (s *study, verdict string, err error) {
	s = &study{
		file: "bench-sessions", title: "4 KB messages, by concurrent sessions", x: "concurrent sessions",
		values: []float64{1, 10, 100, 1000, 10_000}, columns: []column{rateColumn(), cpuColumn(), p99Column()},
	}
	err = s.compare(ctx, o, func(x float64) load.Options {
		l := load.Options{Conns: int(x), Each: 100, Size: 4096, Gather: true, Sources: 8, Warmup: o.time(0.5), Duration: o.time(1.5)}
		if x > 1000 { // a sender waits for all the others: only a long time has several messages of each
			l.Warmup, l.Duration = o.time(1.5), o.time(6)
		}
		return l
	})
	var b strings.Builder
	for _, l := range s.lanes {
		b.WriteString(s.verdict(rateColumn(), l, 10_000, 100, 1-sessionsMayTake, l == table.Weir))
	}
	return s, b.String(), err
}

// growthOfSize is ever larger messages.
func growthOfSize(ctx context.Context, o *partOptions) (s *study, verdict string, err error) {
	volume := column{"MB a second", true, func(x float64, s table.Sample) float64 { return s.Rate * x * 1024 / 1e6 }}
	s = &study{
		file: "bench-size", title: "Pipelined messages, by their size", x: "KiB a message",
		values: []float64{1, 4, 16, 64, 256, 1024, 10_240}, columns: []column{volume, {cpuColumn().title, true, cpuColumn().of}},
	}
	err = s.compare(ctx, o, func(x float64) load.Options {
		l := load.Options{Conns: 20, Each: 50, Size: int(x) * 1024, Pipeline: true, Warmup: o.time(0.3), Duration: o.time(1.2)}
		if x >= 1024 {
			l.Conns, l.Duration = 4, o.time(3)
		}
		return l
	})
	return s, "", err
}

// compare fills a study with weir, HAProxy and none: in each round every value, and for each value every lane.
func (s *study) compare(ctx context.Context, o *partOptions, at func(x float64) load.Options) (err error) {
	y, err := newYard(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, y.stop()) }()
	for _, l := range y.lanes {
		s.lanes = append(s.lanes, l.name)
	}
	for i := range o.rounds {
		round := s.add()
		for _, x := range s.values {
			for _, l := range turned(y.lanes, i) {
				if !fits(l.name, at(x).Conns) {
					continue
				}
				sample, err := y.run(ctx, &l, at(x))
				if err != nil {
					return err
				}
				o.say("%s, round %d: %s: %s: %.0f/s, %.0f µs", s.file, i+1, grouped(x), l.name, sample.Rate, sample.CPU)
				round[place{l.name, x}] = sample
			}
		}
	}
	return nil
}

// growthOfConnectors is one pool of ever more connectors, all probed as by default.
func growthOfConnectors(ctx context.Context, o *partOptions) (s *study, verdict string, err error) {
	s = &study{
		file: "bench-connectors", title: "4 KB messages, by connectors in the pool", x: "connectors",
		values: []float64{4, 100, 1000}, lanes: []string{table.Weir}, columns: []column{rateColumn(), cpuColumn(), p99Column()},
	}
	// Once it runs again, weir makes up for all probes at once; the next ones are due after 4 to 6 s. So the time that counts
	// holds one of each connector, as 5 s of an undisturbed weir do.
	l := load.Options{Conns: 20, Each: 100, Size: 4096, Warmup: o.time(4), Duration: o.time(5)}
	err = s.variants(ctx, o, 1000, l, func(x float64, sinks []string) string { return front.WeirConfig(sinks[:int(x)]) })
	return s, s.verdictOnVariants(), err
}

// growthOfRoutes is ever more routes, of which the one in the middle matches.
func growthOfRoutes(ctx context.Context, o *partOptions) (s *study, verdict string, err error) {
	s = &study{
		file: "bench-routes", title: "4 KB messages, by routes", x: "routes",
		values: []float64{1, 100, 10_000}, lanes: []string{table.Weir}, columns: []column{rateColumn(), cpuColumn(), p99Column()},
	}
	l := load.Options{Conns: 20, Each: 100, Size: 4096, Warmup: o.time(1), Duration: o.time(2)}
	err = s.variants(ctx, o, 4, l, func(x float64, sinks []string) string {
		return routed(front.WeirConfig(sinks), int(x))
	})
	return s, s.verdictOnVariants(), err
}

// routed gives the listener in smtp mode n routes instead of its pool.
func routed(config string, n int) string {
	var b strings.Builder
	b.WriteString(strings.Replace(config, "mode: smtp, pool: sinks", "mode: smtp, routes: true", 1))
	b.WriteString("routes:\n")
	for i := range n {
		domain := fmt.Sprintf("domain%d.example", i)
		if i == n/2 {
			domain = "test.example" // where the senders send to
		}
		fmt.Fprintf(&b, "  - {match: [%s], to: sinks}\n", domain)
	}
	return b.String()
}

// variants fills a study with weirs that differ in their config, by turns. Those whose turn it is not are stopped, so that
// what they do without mail is not counted against another one.
func (s *study) variants(ctx context.Context, o *partOptions, sinks int, l load.Options, config func(x float64, sinks []string) string) (err error) {
	y, err := sinksOnly(ctx, sinks)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, y.stop()) }()
	values := map[string]float64{}
	for _, x := range s.values {
		w, err := y.addWeir(ctx, o, grouped(x), config(x, y.sinks.Addrs))
		if err != nil {
			return err
		}
		y.stops = append(y.stops, func() error { return syscall.Kill(w.PID(), syscall.SIGCONT) })
		values[grouped(x)] = x
		if err := syscall.Kill(w.PID(), syscall.SIGSTOP); err != nil {
			return fmt.Errorf("stopping a weir until its turn: %w", err)
		}
	}
	for i := range o.rounds {
		round := s.add()
		for _, one := range turned(y.lanes, i) {
			sample, err := y.awake(ctx, &one, l)
			if err != nil {
				return err
			}
			o.say("%s, round %d: %s: %.0f/s, %.0f µs", s.file, i+1, one.name, sample.Rate, sample.CPU)
			round[place{table.Weir, values[one.name]}] = sample
		}
	}
	return nil
}

// awake is run for a front end that is stopped otherwise.
func (y *yard) awake(ctx context.Context, l *lane, o load.Options) (table.Sample, error) {
	if err := syscall.Kill(l.pid, syscall.SIGCONT); err != nil {
		return table.Sample{}, fmt.Errorf("waking the weir with %s: %w", l.name, err)
	}
	s, err := y.run(ctx, l, o)
	return s, errors.Join(err, syscall.Kill(l.pid, syscall.SIGSTOP))
}

// verdict says what a column is at x, in parts of what it is at base.
func (s *study) verdict(c column, lane string, x, base, least float64, judged bool) string {
	median, low, high := s.against(c, lane, x, base)
	text := fmt.Sprintf("- %s, %s against %s %s: %s × %.2f (single rounds %.2f–%.2f)", lane, grouped(x), grouped(base), s.x, c.title, median, low, high)
	switch {
	case median == 0:
		return fmt.Sprintf("- %s: %s %s could not be measured: this machine allows too few descriptors\n", lane, grouped(x), s.x)
	case !judged:
		return text + "\n"
	case median >= least:
		return text + fmt.Sprintf("; target ≥ %.2f: met\n", least)
	}
	return text + fmt.Sprintf("; target ≥ %.2f: **missed**\n", least)
}

func (s *study) verdictOnVariants() string {
	var b strings.Builder
	base := s.values[0]
	for _, x := range s.values[1:] {
		b.WriteString(s.verdict(rateColumn(), table.Weir, x, base, 1-variantsMayTake, true))
		b.WriteString(s.verdict(cpuColumn(), table.Weir, x, base, 0, false))
	}
	return b.String()
}
