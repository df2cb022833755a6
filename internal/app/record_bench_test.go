package app

import (
	"io"
	"testing"
	"time"

	"weir/config"
	"weir/dashboard/metrics"
	"weir/internal/backend"
	past "weir/internal/history"
)

// BenchmarkRecord is all that is told of a message that went well: its metrics, its
// place in the history and, at level info, its line.
func BenchmarkRecord(b *testing.B) {
	for _, level := range []string{"warn", "info"} {
		b.Run("level="+level, func(b *testing.B) {
			r := recorder{newLogger(config.Log{Level: level}, io.Discard), metrics.New(metrics.Deps{}).Meter(), past.NewRing(10_000)}
			rec := sampleRecord()
			rec.Tries, rec.Replays, rec.RcptCount = nil, 0, 1
			for stage := backend.StageMail; stage <= backend.StageFinalDot; stage++ {
				rec.Stages[stage] = 100 * time.Microsecond
			}
			b.ReportAllocs()
			for b.Loop() {
				r.Transaction(rec)
			}
		})
	}
}
