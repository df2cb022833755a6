package main

import (
	"strings"
	"testing"

	"weir/integration/bench/table"
)

// The third round met a busy machine: what is added is the median of the rounds' own differences.
func TestHalfMarkdown(t *testing.T) {
	row := halfRow{name: "4 KB", most: 9000}
	for _, busy := range []float64{0, 100, 20_000} {
		row.rounds = append(row.rounds, table.Round{
			table.Weir:    {P50: 300, P99: 1200 + busy},
			table.HAProxy: {P50: 200, P99: 2600 + busy},
			table.None:    {P50: 100, P99: 500 + busy},
		})
	}
	slow := row
	slow.name = "slow"
	slow.rounds = []table.Round{{table.Weir: {P50: 2000, P99: 3000}, table.None: {P50: 100, P99: 500}, table.HAProxy: {P50: 1, P99: 1}}}
	got := halfMarkdown([]halfRow{row, slow})
	for _, want := range []string{
		"| 4 KB | 4500 | 0.30 / 1.30 | 0.20 / 2.70 | 0.10 / 0.60 | 0.70 | 2.10 | ≤ 1 ms: met |\n",
		"| 2.50 | -0.50 | ≤ 1 ms: **missed** |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}
