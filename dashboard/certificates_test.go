package dashboard

import (
	"strings"
	"testing"
	"time"

	"weir/internal/backend"
)

func TestAttentionToTheEdge(t *testing.T) {
	now := time.Date(2026, 1, 3, 3, 4, 5, 0, time.UTC)
	day, hour := now.Add(-24*time.Hour), now.Add(time.Hour)
	takes := func(relay string) *backend.Snapshot {
		m := &backend.Member{Backend: recordOf("m"), Spec: backend.Spec{Pool: "p", Name: "m"}, State: backend.StateUp}
		m.SetProbe(backend.ProbeFact{OK: true, Relay: relay})
		return poolOf(m)
	}
	for name, tt := range map[string]struct {
		facts facts
		want  string
	}{
		"a certificate that lasts": {facts{certificates: []Certificate{{Name: "mx.test", NotAfter: hour}}}, ""},
		"a certificate that ends": {
			facts{certificates: []Certificate{{Name: "mx.test", NotAfter: hour, Soon: true}}},
			"the certificate for mx.test ends on 2026-01-03T04:04:05Z",
		},
		"a certificate that ended": {
			facts{certificates: []Certificate{{Name: "mx.test", NotAfter: day, Soon: true}}},
			"the certificate for mx.test ended on 2026-01-02T03:04:05Z: senders that verify go away",
		},
		"an open relay": {
			facts{snapshot: takes("250 2.1.5 Ok")},
			"p/m relays for anyone who gets here (it took a recipient at example.net: 250 2.1.5 Ok)",
		},
		"no relay": {facts{snapshot: takes("")}, ""},
	} {
		tt.facts.now = now
		if got := strings.Join(attentionTo(&tt.facts), "; "); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}
