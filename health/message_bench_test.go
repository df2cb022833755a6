package health

import (
	"context"
	"testing"
	"time"

	"weir/internal/backend"
)

// BenchmarkMessage is what health is told of a message that goes well, at one of four
// connectors by turns, while time passes.
func BenchmarkMessage(b *testing.B) {
	bench := newLargeBench(4)
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	if err := bench.monitor.Run(ctx); err != nil {
		b.Fatal(err)
	}
	members := bench.registry.Snapshot().Pool("internet").Members
	now := time.Now()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		record := members[i%len(members)].Backend
		for _, stage := range []backend.Stage{backend.StageMail, backend.StageRcpt, backend.StageData, backend.StageBody, backend.StageFinalDot} {
			ticket := bench.monitor.Begin(record, stage, now)
			now = now.Add(10 * time.Microsecond)
			bench.monitor.End(ticket, backend.Outcome{Verdict: backend.Success, At: now, Code: 250})
		}
	}
}
