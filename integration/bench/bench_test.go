package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/integration/bench/table"
)

// TestMain lets the test binary be the parts that the benchmark runs as processes of their own.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "load" || os.Args[1] == "sink") {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestComparison runs the benchmark, briefly, without weir: building it would take longer than all other tests.
func TestComparison(t *testing.T) {
	fronts, want := "^none$", []string{"| 4 KB, 100 a connection | – | ", "Rounds: 1.", "No run was repeated."}
	if _, err := exec.LookPath("haproxy"); err == nil {
		fronts, want = "^(none|HAProxy)$", append(want, "| load | weir | HAProxy | none |")
	}
	out := filepath.Join(t.TempDir(), "bench.md")
	err := run(t.Context(), []string{
		"-quick", "-rounds", "1", "-calm", "1", "-weir", "/bin/true", "-fronts", fronts, "-rows", "^4 KB, 100 a connection$", "-out", out,
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if !strings.Contains(string(text), w) {
			t.Errorf("the table lacks %q:\n%s", w, text)
		}
	}
}

func TestBadUse(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"lode"}, `"lode" is no part of the benchmark`},
		{[]string{"-rounds", "0"}, "at least one round"},
		{[]string{"-rows", "("}, "reading -rows"},
		{[]string{"-fronts", "("}, "reading -fronts"},
		{[]string{"-rows", "no such row"}, "no row matches"},
		{[]string{"load", "-addr", "somewhere"}, "reading -addr"},
		{[]string{"load", "-conns", "0"}, "at least one connection"},
		{[]string{"sink", "-addrs", "127.0.0.1"}, "reading -addrs"},
		{[]string{"sink", "-delay", "body=1s"}, "is no stage"},
	} {
		if err := run(t.Context(), tt.args); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v, want an error with %q", tt.args, err, tt.want)
		}
	}
}

// TestTurns: in as many rounds as there are front ends each is first once, and each follows several others.
func TestTurns(t *testing.T) {
	all := []contender{{name: "a"}, {name: "b"}, {name: "c"}}
	var got []string
	for i := range 4 {
		order := ""
		for _, c := range turns(all, i) {
			order += c.name
		}
		got = append(got, order)
	}
	if want := []string{"abc", "bac", "cab", "acb"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestOthers: two of three seconds of each core went to us.
func TestOthers(t *testing.T) {
	before := reading{at: time.Unix(0, 0), machine: time.Hour, ours: time.Minute}
	cores := time.Duration(runtime.NumCPU())
	after := reading{at: time.Unix(3, 0), machine: time.Hour + 3*cores*time.Second, ours: time.Minute + 2*cores*time.Second}
	if got := after.others(before); got < 0.333 || got > 0.334 {
		t.Errorf("others took %g, want a third", got)
	}
	after.machine = before.machine // it is counted in hundredths of a second, ours to the nanosecond
	if got := after.others(before); got != 0 {
		t.Errorf("others took %g", got)
	}
}

func TestCalmest(t *testing.T) {
	for _, tt := range []struct {
		others []float64 // of the runs as they come
		want   float64
		runs   int
	}{{[]float64{0.05}, 0.05, 1}, {[]float64{0.5, 0.1}, 0.1, 2}, {[]float64{0.5, 0.3, 0.2, 0.4}, 0.2, 4}} {
		runs := 0
		got, err := calmest(0.1, func() (table.Sample, error) { runs++; return table.Sample{Others: tt.others[runs-1]}, nil })
		if err != nil || got.Others != tt.want || runs != tt.runs {
			t.Errorf("%v: %g after %d runs, %v", tt.others, got.Others, runs, err)
		}
	}
	if _, err := calmest(1, func() (table.Sample, error) { return table.Sample{}, audit(2, 1) }); err == nil {
		t.Error("a run that failed is taken")
	}
}

func TestRepeats(t *testing.T) {
	if got := repeats(0.1); !strings.Contains(got, "over 10 %") {
		t.Errorf("got %q", got)
	}
}

func TestAudit(t *testing.T) {
	if err := audit(5, 5); err != nil {
		t.Error(err)
	}
	if err := audit(5, 4); err == nil || !strings.Contains(err.Error(), "1 of 5") {
		t.Errorf("one is lost: %v", err)
	}
	if err := audit(5, 7); err == nil || !strings.Contains(err.Error(), "2 messages more") {
		t.Errorf("two came twice: %v", err)
	}
}

// TestShapes: every row is there once, and each shape's front ends are those that its rows are judged by.
func TestShapes(t *testing.T) {
	var names []string
	for _, s := range shapes() {
		for _, r := range s.rows {
			names = append(names, r.name)
			if !s.wants(r.weir) || !s.wants(table.HAProxy) {
				t.Errorf("%s lacks a front end", r.name)
			}
		}
	}
	if slices.Sort(names); len(slices.Compact(slices.Clone(names))) != len(names) || len(names) != 14 {
		t.Errorf("%d rows: %q", len(names), names)
	}
	o := &options{rows: regexp.MustCompile("^tcp mode: 4 KB, one"), quick: true}
	picked := o.pick()
	if len(picked) != 1 || len(picked[0].rows) != 1 || picked[0].wants(table.Weir) || picked[0].wants(table.Nginx) || !picked[0].wants(table.WeirTCP) {
		t.Fatalf("picked %+v", picked)
	}
	if args := strings.Join(picked[0].args("127.0.0.1:25"), " "); args != "load -addr 127.0.0.1:25 -conns 20 -each 1 -size 4096 -duration 500ms" {
		t.Errorf("the senders are run as %s", args)
	}
}
