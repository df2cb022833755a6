package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"weir/integration/bench/table"
)

// study is how a cost grows with one thing: for each of its values, in each round, a sample of each lane.
type study struct {
	file    string // of its chart, without ".json"
	title   string
	x       string // what grows
	values  []float64
	lanes   []string
	columns []column
	rounds  []map[place]table.Sample
}

// place is where a sample belongs.
type place struct {
	lane string
	x    float64
}

// column is one of the things that are told of a sample.
type column struct {
	title string
	log   bool // its axis
	of    func(x float64, s table.Sample) float64
}

func rateColumn() column {
	return column{"messages a second", false, func(_ float64, s table.Sample) float64 { return s.Rate }}
}

func cpuColumn() column {
	return column{"CPU of the front end a message, µs", false, func(_ float64, s table.Sample) float64 { return s.CPU }}
}

func p99Column() column {
	return column{"99th percentile of a message's time, ms", true, func(_ float64, s table.Sample) float64 { return s.P99 / 1000 }}
}

// add begins a round, and returns where its samples go.
func (s *study) add() map[place]table.Sample {
	round := map[place]table.Sample{}
	s.rounds = append(s.rounds, round)
	return round
}

// median of a column over the rounds; 0 where there is none.
func (s *study) median(c column, lane string, x float64) float64 {
	var all []float64
	for _, r := range s.rounds {
		if sample, ok := r[place{lane, x}]; ok {
			all = append(all, c.of(x, sample))
		}
	}
	return table.Median(all)
}

// against is a column at x, as its ratio to that at base in the same round: what disturbs a round disturbs both. The least
// and the greatest are of single rounds.
func (s *study) against(c column, lane string, x, base float64) (median, least, greatest float64) {
	var all []float64
	for _, r := range s.rounds {
		a, b := c.of(x, r[place{lane, x}]), c.of(base, r[place{lane, base}])
		if a > 0 && b > 0 {
			all = append(all, a/b)
		}
	}
	if len(all) == 0 {
		return 0, 0, 0
	}
	return table.Median(all), slices.Min(all), slices.Max(all)
}

// markdown is a table for each column, a line a value.
func (s *study) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n", s.title)
	for _, c := range s.columns {
		lanes := s.having(c)
		fmt.Fprintf(&b, "\n%s, medians of %d rounds:\n\n| %s | %s |\n|%s\n", strings.ToUpper(c.title[:1])+c.title[1:], len(s.rounds),
			s.x, strings.Join(lanes, " | "), strings.Repeat("---|", len(lanes)+1))
		for _, x := range s.values {
			cells := []string{grouped(x)}
			for _, l := range lanes {
				cells = append(cells, figure(s.median(c, l, x)))
			}
			fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
		}
	}
	return b.String()
}

// having is the lanes that have something in a column: nobody's CPU is not told.
func (s *study) having(c column) []string {
	return slices.DeleteFunc(slices.Clone(s.lanes), func(l string) bool {
		return !slices.ContainsFunc(s.values, func(x float64) bool { return s.median(c, l, x) > 0 })
	})
}

// grouped writes 10000 as 10 000, as the docs do.
func grouped(x float64) string {
	text := fmt.Sprintf("%.0f", x)
	if len(text) > 4 {
		text = text[:len(text)-3] + " " + text[len(text)-3:]
	}
	return text
}

// figure writes a number with about three digits.
func figure(x float64) string {
	switch {
	case x == 0:
		return "–"
	case x < 10:
		return fmt.Sprintf("%.2f", x)
	case x < 100:
		return fmt.Sprintf("%.1f", x)
	}
	return grouped(x)
}

// The form that tools/plot draws.
type (
	chart struct {
		Title  string  `json:"title"`
		Panels []panel `json:"panels"`
	}
	panel struct {
		Title  string `json:"title"`
		X      string `json:"x"`
		LogX   bool   `json:"log_x"`
		LogY   bool   `json:"log_y"`
		Series []line `json:"series"`
	}
	line struct {
		Name   string  `json:"name"`
		Points []point `json:"points"`
	}
	point struct {
		X float64 `json:"x"`
		Y float64 `json:"y"`
	}
)

func (s *study) chart() chart {
	c := chart{Title: s.title}
	for _, col := range s.columns {
		p := panel{Title: col.title, X: s.x, LogX: true, LogY: col.log}
		for _, l := range s.having(col) {
			drawn := line{Name: l}
			for _, x := range s.values {
				if y := s.median(col, l, x); y > 0 {
					drawn.Points = append(drawn.Points, point{x, y})
				}
			}
			p.Series = append(p.Series, drawn)
		}
		c.Panels = append(c.Panels, p)
	}
	return c
}

// save writes the chart into a directory.
func (s *study) save(dir string) error {
	text, err := json.MarshalIndent(s.chart(), "", " ")
	if err != nil {
		return fmt.Errorf("writing the chart of %s: %w", s.title, err)
	}
	if err := os.WriteFile(filepath.Join(dir, s.file+".json"), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the chart of %s: %w", s.title, err)
	}
	return nil
}
