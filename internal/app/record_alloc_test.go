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

// What a transaction is recorded with costs no memory, whether the log, the history or
// both want it.
func TestRecorderAllocatesNothing(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector has pools forget")
	}
	for _, level := range []string{"warn", "info"} {
		r := recorder{newLogger(config.Log{Level: level}, io.Discard), metrics.New(metrics.Deps{}).Meter(), past.NewRing(100)}
		rec := sampleRecord()
		rec.Tries = nil // it went well
		if n := testing.AllocsPerRun(1000, func() { r.Transaction(rec) }); n > 0 {
			t.Errorf("at level %s: %v allocations", level, n)
		}
	}
}
