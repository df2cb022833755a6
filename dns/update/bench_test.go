package update

import (
	"slices"
	"strconv"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
)

// BenchmarkVisible times a change from the decision until it has been read back from
// the primary: with the connection, the reading before and the update itself. Promised
// is a median under 5 ms on BIND.
func BenchmarkVisible(b *testing.B) {
	for _, kind := range []string{"bind", "knot"} {
		b.Run(kind, func(b *testing.B) {
			p := startPrimary(b, kind)
			target := p.target()
			a := set(mx, mdns.TypeA, 60, "192.0.2.1", "192.0.2.2")
			mustWrite(b, target, claim(0, a))
			var took []time.Duration
			for b.Loop() {
				a.Records[1] = "192.0.2." + strconv.Itoa(2+len(took)%200)
				began := time.Now()
				mustWrite(b, target, within(1, a))
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			for name, at := range map[string]int{"p50-ms": len(took) / 2, "p99-ms": len(took) * 99 / 100} {
				b.ReportMetric(float64(took[at].Microseconds())/1000, name)
			}
		})
	}
}
