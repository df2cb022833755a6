package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"weir/config"
	"weir/health"
	"weir/internal/sim"
)

const smallScenario = `
name: small
messages: 500
arrivals: {rate: 100}
connectors: [{name: mx, count: 3, latency: 20ms}]
`

func scenarioFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "small.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSimulate(t *testing.T) {
	path := scenarioFile(t, smallScenario)
	code, out, errs := weir("simulate", path, "--policy", "round-robin", "--policy", "random")
	if code != exitDone || !strings.Contains(out, "round-robin") || !strings.Contains(out, "random") || strings.Contains(out, "maglev") {
		t.Errorf("exit %d:\n%s%s", code, out, errs)
	}
	code, out, errs = weir("simulate", path, "-o", "json", "--messages", "200", "--seed", "9", "--policy", "maglev")
	var r sim.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitDone {
		t.Fatalf("exit %d: %v:\n%s%s", code, err, out, errs)
	}
	if r.Seed != 9 || len(r.Policies) != 1 || r.Policies[0].Messages != 200 || len(r.Policies[0].Series) == 0 {
		t.Errorf("got %+v", r)
	}
}

func TestSimulateShippedScenarios(t *testing.T) {
	code, out, errs := weir("simulate", "--list")
	for _, name := range sim.ShippedNames() {
		if !strings.Contains(out, name+"\n    ") {
			t.Errorf("exit %d, and %s is missing:\n%s%s", code, name, out, errs)
		}
	}
	code, out, errs = weir("simulate", "--show", "stuck-one")
	if code != exitDone || !strings.Contains(out, "name: stuck-one") {
		t.Errorf("exit %d:\n%s%s", code, out, errs)
	}
	if code, out, errs = weir("simulate", "stuck-one", "--messages", "500", "--policy", "random"); code != exitDone || !strings.Contains(out, "stuck-one: 10 connectors") {
		t.Errorf("exit %d:\n%s%s", code, out, errs)
	}
}

func TestSimulateBadInput(t *testing.T) {
	good := scenarioFile(t, smallScenario)
	bad := scenarioFile(t, smallScenario+"mesages: 3\n")
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"simulate"}, exitUsage, "takes one SCENARIO"},
		{[]string{"simulate", "nowhere.yaml"}, exitFailed, "there is no file nowhere.yaml"},
		{[]string{"simulate", bad}, exitFailed, bad + `:6:1: mesages: unknown key; did you mean "messages"?`},
		{[]string{"simulate", t.TempDir()}, exitFailed, "reading the scenario"},
		{[]string{"simulate", scenarioFile(t, strings.Repeat("# filler\n", 200_000))}, exitFailed, "larger than 1 MiB"},
		{[]string{"simulate", good, "--policy", "sideways"}, exitUsage, `there is no "sideways"`},
		{[]string{"simulate", good, "--messages", "-1"}, exitUsage, "-1 is not from 1"},
		{[]string{"simulate", good, "-o", "xml"}, exitUsage, `no --output "xml"`},
		{[]string{"simulate", good, "--list"}, exitUsage, "go with nothing else"},
		{[]string{"simulate", "--show", "nothing"}, exitFailed, `no scenario called "nothing"`},
	} {
		code, _, errs := weir(tt.args...)
		if code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: exit %d, want %d, with %q:\n%s", tt.args, code, tt.code, tt.want, errs)
		}
	}
}

// TestSimulateJudgesAsByDefault: where a scenario says nothing, connectors are
// judged as in a pool of which the config says nothing.
func TestSimulateJudgesAsByDefault(t *testing.T) {
	cfg, _, err := config.Parse("weir.yaml", []byte(goodFile))
	if err != nil {
		t.Fatal(err)
	}
	used := func(c health.Config) health.Config { // what is simulated of it
		return health.Config{
			Probe: c.Probe, Interval: c.Interval, Timeout: c.Timeout, FastInterval: c.FastInterval, Rise: c.Rise, Fall: c.Fall,
			Jitter: c.Jitter, Breaker: c.Breaker, Ejection: c.Ejection, SlowStart: c.SlowStart,
		}
	}
	want, got := used(cfg.Pools[0].Health), used(sim.DefaultHealth())
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
