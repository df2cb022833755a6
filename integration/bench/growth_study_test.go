package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/integration/bench/table"
)

// exampleStudy has three rounds of two lanes; the second round met a machine that was twice as slow.
func exampleStudy() *study {
	s := &study{
		file: "bench-example", title: "An example", x: "things", values: []float64{1, 10_000},
		lanes: []string{table.Weir, table.None}, columns: []column{rateColumn(), cpuColumn(), p99Column()},
	}
	for _, slow := range []float64{1, 2, 1} {
		round := s.add()
		for _, x := range s.values {
			rate := 8000.0
			if x > 1 {
				rate = 7000
			}
			round[place{table.Weir, x}] = table.Sample{Rate: rate / slow, CPU: 80 * slow, P99: 1500 * slow}
			round[place{table.None, x}] = table.Sample{Rate: 3 * rate / slow, P99: 500 * slow}
		}
	}
	return s
}

const exampleMarkdown = `### An example

Messages a second, medians of 3 rounds:

| things | weir | none |
|---|---|---|
| 1 | 8000 | 24 000 |
| 10 000 | 7000 | 21 000 |

CPU of the front end a message, µs, medians of 3 rounds:

| things | weir |
|---|---|
| 1 | 80.0 |
| 10 000 | 80.0 |

99th percentile of a message's time, ms, medians of 3 rounds:

| things | weir | none |
|---|---|---|
| 1 | 1.50 | 0.50 |
| 10 000 | 1.50 | 0.50 |
`

func TestStudyMarkdown(t *testing.T) {
	if got := exampleStudy().markdown(); got != exampleMarkdown {
		t.Errorf("got\n%s\nwant\n%s", got, exampleMarkdown)
	}
}

// A slow round is slow at both ends, and its ratio is as good as that of any other.
func TestStudyComparesWithinRounds(t *testing.T) {
	s := exampleStudy()
	if median, least, most := s.against(rateColumn(), table.Weir, 10_000, 1); median != 0.875 || least != 0.875 || most != 0.875 {
		t.Errorf("%g (%g–%g), want 0.875 in each round", median, least, most)
	}
	s.rounds = append(s.rounds, map[place]table.Sample{{table.Weir, 1}: {Rate: 1}}) // it has only one end
	if median, _, _ := s.against(rateColumn(), table.Weir, 10_000, 1); median != 0.875 {
		t.Errorf("a round without a pair makes it %g", median)
	}
	if median, _, _ := s.against(cpuColumn(), table.None, 10_000, 1); median != 0 {
		t.Errorf("CPU of nobody: %g", median)
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		lane   string
		column column
		least  float64
		judged bool
		want   string
	}{
		{table.Weir, rateColumn(), 0.85, true, "× 0.88 (single rounds 0.88–0.88); target ≥ 0.85: met"},
		{table.Weir, rateColumn(), 0.9, true, "target ≥ 0.90: **missed**"},
		{table.None, rateColumn(), 0, false, "(single rounds 0.88–0.88)\n"},
		{table.HAProxy, rateColumn(), 0, false, "10 000 things could not be measured"},
	} {
		if got := exampleStudy().verdict(tt.column, tt.lane, 10_000, 1, tt.least, tt.judged); !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q in it", tt.lane, got, tt.want)
		}
	}
	s := exampleStudy()
	if got := s.verdictOnVariants(); strings.Count(got, "met\n") != 0 || strings.Count(got, "missed") != 1 || strings.Count(got, "\n") != 2 {
		t.Errorf("a fall to 0.875 is told as %q", got)
	}
}

// A chart is what tools/plot draws: a panel a column, without those who have nothing there.
func TestStudyChart(t *testing.T) {
	dir := t.TempDir()
	if err := exampleStudy().save(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "bench-example.json"))
	if err != nil {
		t.Fatal(err)
	}
	var c chart
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	if c.Title != "An example" || len(c.Panels) != 3 {
		t.Fatalf("the chart is %+v", c)
	}
	for i, want := range []int{2, 1, 2} {
		p := c.Panels[i]
		if len(p.Series) != want || !p.LogX || p.LogY != (i == 2) || p.X != "things" {
			t.Errorf("panel %d is %+v", i, p)
		}
	}
	if got := c.Panels[0].Series[0].Points[1]; got != (point{10_000, 7000}) {
		t.Errorf("the second point is %v", got)
	}
	if err := exampleStudy().save(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a chart was saved in a directory that is not there")
	}
}

func TestFigures(t *testing.T) {
	for x, want := range map[float64]string{0: "–", 0.5: "0.50", 9.994: "9.99", 63.24: "63.2", 431: "431", 9999: "9999", 26_317.4: "26 317"} {
		if got := figure(x); got != want {
			t.Errorf("figure(%g) = %q, want %q", x, got, want)
		}
	}
}
