package health

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/smtp"
)

// kinds returns the "to" of every event of a kind, with the connector's name.
func (b *bench) kinds(kind string) []string {
	var out []string
	found, _ := b.log.Since(0)
	for _, e := range found {
		if e.Kind == kind {
			out = append(out, strings.TrimSpace(e.Backend+" "+e.To))
		}
	}
	return out
}

func refusesRcpt() error {
	return &connector.Error{Stage: backend.StageRcpt, Reply: smtp.NewReply(451, smtp.EnhancedCode{Class: 4, Subject: 3}, "no such map")}
}

// When a whole pool begins to fail at one deep stage at once, it is the probe
// that is doubted: all stay in, and the event log says so. One alone goes down.
func TestSuspectProbeTakesNobodyDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a", "b", "c", "d")
		b.prober.depth = DepthEnvelope
		b.run(t)
		pass(20 * time.Second)
		for _, name := range []string{"a", "b", "c", "d"} {
			b.prober.set(name, refusesRcpt())
		}
		pass(time.Minute)
		for _, name := range []string{"a", "b", "c", "d"} {
			want(t, name, b.member(name).State, backend.StateUp)
		}
		if reason := b.member("a").Reason; !strings.HasPrefix(reason, "the probe is suspect at rcpt") {
			t.Errorf("the reason is %q", reason)
		}
		wantAll(t, "what was said of the probe", b.kinds("probe"), []string{probeSuspect})
		for _, name := range []string{"b", "c", "d"} {
			b.prober.set(name, nil)
		}
		pass(time.Minute)
		want(t, "the one that is left", b.member("a").State, backend.StateDown)
		wantAll(t, "what was said of the probe", b.kinds("probe"), []string{probeSuspect, probeTrusted})
	})
}

// A connector that suddenly offers less is reported, once.
func TestLostCapabilitiesAreAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a")
		b.prober.caps = backend.Capabilities{Known: true, Ext: backend.ExtPipelining}
		b.prober.offers = []string{"PIPELINING", "CHUNKING"}
		b.run(t)
		pass(20 * time.Second)
		b.prober.mu.Lock()
		b.prober.offers = []string{"PIPELINING"}
		b.prober.mu.Unlock()
		pass(time.Minute)
		wantAll(t, "changes", b.kinds("capabilities"), []string{"a " + changeLost})
	})
}
