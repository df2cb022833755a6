package table

import (
	"flag"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write testdata anew")

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		all  []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 3}, 2.5}} {
		before := slices.Clone(tt.all)
		if got := Median(tt.all); got != tt.want || !slices.Equal(before, tt.all) {
			t.Errorf("of %v: %g, want %g", before, got, tt.want)
		}
	}
}

func TestMedianIsInTheMiddle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Float64Range(0, 1e6), 1, 20).Draw(t, "all")
		m := Median(all)
		var below, above int
		for _, x := range all {
			if x < m {
				below++
			}
			if x > m {
				above++
			}
		}
		if 2*below > len(all) || 2*above > len(all) {
			t.Fatalf("%d are below %g and %d above", below, m, above)
		}
	})
}

// TestRatiosArePaired: a round in which the machine was busy with something else disturbs both, and not their ratio.
func TestRatiosArePaired(t *testing.T) {
	rounds := []Round{
		{Weir: {Rate: 150}, HAProxy: {Rate: 100}},
		{Weir: {Rate: 15}, HAProxy: {Rate: 10}},
		{Weir: {Rate: 160}, HAProxy: {Rate: 100}},
		{Weir: {Rate: 900}}, // without a partner it says nothing
	}
	if got, want := ratios(rounds, Weir, HAProxy, rate), (Spread{1.5, 1.5, 1.6}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := ratios(rounds, Weir, Nginx, rate); got != (Spread{}) {
		t.Errorf("got %v of nothing", got)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != got {
		t.Errorf("%s differs (%v); with -update it is written anew. Got:\n%s", file, err, got)
	}
}

func TestMarkdown(t *testing.T) {
	rounds := []Round{
		{
			Weir: {15000, 50, 900, 2000, 20, 0.01, 0.02}, WeirTCP: {9500, 70, 1000, 2500, 40, 1, 0}, HAProxy: {10000, 60, 1100, 3000, 40.4, 1, 0.3},
			Nginx: {450, 230, 44000, 48000, 0, 0, 0}, None: {40000, 0, 300, 700, 0, 0, 0},
		},
		{
			Weir: {14000, 52, 950, 2100, 21, 0.02, 0.01}, WeirTCP: {9900, 71, 1000, 2500, 41, 1, 0.02}, HAProxy: {10000, 62, 1100, 3000, 41, 1, 0.02},
			Nginx: {440, 231, 44100, 48000, 0, 0, 0}, None: {41000, 0, 300, 700, 0, 0, 0},
		},
		{
			Weir: {16000, 51, 905, 2050, 22, 0.01, 0}, WeirTCP: {9900, 77, 1000, 2500, 42, 1, 0}, HAProxy: {10000, 61, 1200, 3000, 39, 1, 0},
			Nginx: {450, 233, 44000, 48000, 0, 0, 0}, None: {42000, 0, 300, 700, 0, 0, 0},
		},
	}
	golden(t, "peers.md", Markdown([]Row{
		{Load: "4 KB", Weir: Weir, Rounds: rounds, MinRate: 1.4, MaxCPU: 0.8, Busy: Spread{1, 0.5, 2}},
		{Load: "tcp mode: 4 KB", Weir: WeirTCP, Rounds: rounds, MinRate: 1, MaxCPU: 1.2, Busy: Spread{1, 0.5, 2}},
		{Load: "no promise", Weir: Weir, Rounds: rounds, Busy: Spread{1, 0.5, 2}},
		{Load: "real Postfix", Weir: Weir, Rounds: []Round{{Weir: {900, 300, 0, 0, 0, 0, 0}, HAProxy: {600, 250, 0, 0, 0, 0, 0}}}, MinRate: 1.6},
	}))
}

func TestMarkdownBesideAnOldWeir(t *testing.T) {
	rounds := []Round{{Weir: {150, 50, 1, 2, 0, 0, 0}, Old: {100, 60, 1, 2, 0, 0, 0}, WeirTCP: {90, 40, 1, 2, 0, 0, 0}, OldTCP: {120, 50, 3000, 4000, 0, 0, 0}}}
	golden(t, "old.md", Markdown([]Row{
		{Load: "4 KB", Weir: Weir, Rounds: rounds, MinRate: 1.4},
		{Load: "tcp mode: 4 KB", Weir: WeirTCP, Rounds: rounds, MinRate: 1},
	}))
}
