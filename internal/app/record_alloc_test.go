package app

import (
	"io"
	"runtime/debug"
	"slices"
	"testing"

	"weir/config"
	"weir/dashboard/metrics"
	past "weir/internal/history"
)

// What a transaction is recorded with costs next to no memory: the words that it ends
// with are made once, whether the log, the history or both want them.
func TestRecorderAllocatesNextToNothing(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector has pools forget")
	}
	for _, test := range []struct {
		level string
		most  float64
	}{{"warn", 1}, {"info", 1}} {
		r := recorder{newLogger(config.Log{Level: test.level}, io.Discard), metrics.New(metrics.Deps{}).Meter(), past.NewRing(100)}
		rec := sampleRecord()
		rec.Tries = nil // it went well
		if n := testing.AllocsPerRun(1000, func() { r.Transaction(rec) }); n > test.most {
			t.Errorf("at level %s: %v allocations, want at most %v", test.level, n, test.most)
		}
	}
}
