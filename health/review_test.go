package health

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/internal/backend"
	"weir/internal/connector"
	"weir/internal/smtp"
)

const probeEvery = 5 * time.Second

func at0(seconds float64) time.Time {
	return time.Unix(1_800_000_000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

func TestSuspicion(t *testing.T) {
	type told struct {
		at     float64
		name   string
		failed bool
	}
	for _, tt := range []struct {
		name string
		pool int
		told []told
		want bool
	}{
		{"one of two is no crowd", 2, []told{{0, "a", true}}, false},
		{"two of two", 2, []told{{0, "a", true}, {1, "b", true}}, true},
		{"exactly a third", 6, []told{{0, "a", true}, {1, "b", true}}, false},
		{"over a third", 5, []told{{0, "a", true}, {1, "b", true}}, true},
		{"one after the other", 4, []told{{0, "a", true}, {10.1, "b", true}}, false},
		{"just within two intervals", 4, []told{{0, "a", true}, {10, "b", true}}, true},
		{"fails on and on, then another", 4, []told{{0, "a", true}, {5, "a", true}, {11, "a", true}, {12, "b", true}}, false},
		{"fails again after it had passed", 4, []told{{0, "a", true}, {5, "a", false}, {11, "a", true}, {12, "b", true}}, true},
		{"lasts while they fail", 4, []told{{0, "a", true}, {1, "b", true}, {1000, "c", false}, {1001, "a", true}}, true},
		{"ends when enough pass", 4, []told{{0, "a", true}, {1, "b", true}, {2, "a", false}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := suspicion{interval: probeEvery}
			got := false
			for _, v := range tt.told {
				s.told(at0(v.at), v.name, backend.StageRcpt, v.failed)
				got = s.suspect(at0(v.at), backend.StageRcpt, tt.pool)
			}
			if got != tt.want {
				t.Errorf("suspect: %t, want %t", got, tt.want)
			}
			if s.suspect(at0(2000), backend.StageMail, tt.pool) {
				t.Error("another stage is suspect too")
			}
		})
	}
}

func TestSuspicionIsOfDeepStagesOnly(t *testing.T) {
	s := suspicion{interval: probeEvery}
	for stage := range backend.Stages {
		s.told(at0(0), "a", stage, true)
		s.told(at0(0), "b", stage, true)
		want := stage == backend.StageMail || stage == backend.StageRcpt || stage == backend.StageData || stage == backend.StageFinalDot
		if got := s.suspect(at0(0), stage, 2); got != want {
			t.Errorf("%s: suspect %t, want %t", stage, got, want)
		}
	}
	s.forget("a")
	if s.suspect(at0(1), backend.StageMail, 2) {
		t.Error("a connector that was forgotten is still counted")
	}
}

func TestRefusedAlone(t *testing.T) {
	for _, tt := range []struct {
		codes map[string]int // of the answers to RCPT
		want  bool           // that a refuses alone
	}{
		{map[string]int{"a": 550, "b": 250, "c": 250, "d": 250}, true},
		{map[string]int{"a": 550, "b": 250}, true},
		{map[string]int{"a": 550}, false},
		{map[string]int{"a": 550, "b": 550, "c": 550}, false},
		{map[string]int{"a": 550, "b": 550, "c": 250}, false}, // half of the others
		{map[string]int{"a": 550, "b": 550, "c": 250, "d": 251}, true},
		{map[string]int{"a": 550, "b": 450, "c": 451}, false},
		{map[string]int{"a": 450, "b": 250, "c": 250}, false},
		{map[string]int{"a": 250, "b": 550, "c": 550}, false},
		{map[string]int{"a": 0, "b": 250}, false},
		{map[string]int{"a": 550, "b": 250, "c": 0, "d": 0}, true},
	} {
		var r recipients
		for name, code := range tt.codes {
			r.told(name, 250)
			r.told(name, code)
		}
		if got := r.refusedAlone("a"); got != tt.want {
			t.Errorf("%v: %t, want %t", tt.codes, got, tt.want)
		}
	}
}

// envelopeOf is a probe that ended at a stage with a reply.
func envelopeOf(stage backend.Stage, code int) (*Report, error) {
	r := &Report{Depth: DepthEnvelope, Stage: stage}
	reply := smtp.NewReply(code, smtp.EnhancedCode{}, "so it is")
	if stage == backend.StageRcpt {
		r.Rcpt = reply
		if code/100 != 4 {
			return r, nil
		}
	}
	return r, &connector.Error{Stage: stage, Reply: reply}
}

func idOf(name string) backend.ID { return backend.ID{Pool: "p", Name: name} }

func TestReviewOfAnEmptyRecipientMap(t *testing.T) {
	r := newReview(probeEvery)
	judge := func(at float64, name string, code int) finding {
		report, err := envelopeOf(backend.StageRcpt, code)
		return r.judge(at0(at), idOf(name), 3, report, err)
	}
	judge(0, "b", 250)
	judge(0, "c", 250)
	if found := judge(1, "a", 250); found.err != nil || found.reached != backend.StageRcpt || found.events != nil {
		t.Errorf("a pass became %+v", found)
	}
	found := judge(6, "a", 550)
	var failure *connector.Error
	if !errors.As(found.err, &failure) || failure.Stage != backend.StageRcpt || failure.Reply.Code != 550 ||
		!strings.Contains(found.err.Error(), "rcpt: 550 so it is; the other connectors accept this recipient") {
		t.Errorf("got %v", found.err)
	}
	// When the others refuse too it was policy: whoever is asked next passes. The
	// first two at the same time make the probe suspect, which passes as well.
	if found := judge(7, "b", 550); found.err != nil {
		t.Errorf("b: got %v", found.err)
	}
	if found := judge(8, "c", 550); found.err != nil {
		t.Errorf("c: got %v", found.err)
	}
	if found := judge(11, "a", 550); found.err != nil || found.note != "" || found.reached != backend.StageRcpt {
		t.Errorf("a: got %+v", found)
	}
}

func TestReviewDoubtsTheProbe(t *testing.T) {
	r := newReview(probeEvery)
	judge := func(at float64, name string, code int) finding {
		report, err := envelopeOf(backend.StageRcpt, code)
		return r.judge(at0(at), idOf(name), 4, report, err)
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		if found := judge(0, name, 250); found.err != nil || found.events != nil {
			t.Fatalf("%s: %+v", name, found)
		}
	}
	if found := judge(5, "a", 450); found.err == nil || found.note != "" || found.events != nil {
		t.Errorf("the first failure: %+v", found)
	}
	found := judge(6, "b", 450)
	if found.err != nil || found.reached != backend.StageEHLO || !strings.Contains(found.note, "suspect at rcpt") {
		t.Errorf("the second failure: %+v", found)
	}
	if len(found.events) != 1 || found.events[0].Kind != "probe" || found.events[0].Pool != "p" || found.events[0].Backend != "" ||
		found.events[0].To != probeSuspect || !strings.Contains(found.events[0].Why, "450 so it is") {
		t.Errorf("events %+v", found.events)
	}
	if found := judge(7, "a", 450); found.err != nil || found.events != nil {
		t.Errorf("the first one again: %+v", found)
	}
	// A shallow failure is believed, whatever is suspect.
	report, err := envelopeOf(backend.StageBanner, 554)
	if found := r.judge(at0(8), idOf("c"), 4, report, err); found.err == nil {
		t.Error("a refused banner passed")
	}
	if found := judge(9, "a", 250); len(found.events) != 1 || found.events[0].To != probeTrusted {
		t.Errorf("the end: %+v", found)
	}
	if found := judge(10, "b", 450); found.err == nil {
		t.Error("after the doubt a failure passed")
	}
	r.forget("b")
	if len(r.suspicion.seen[backend.StageRcpt]) != 2 { // a and d: c failed before
		t.Errorf("kept %v", r.suspicion.seen[backend.StageRcpt])
	}
}

// Whatever probes find, a pass never becomes a failure unless peers disagree, a
// failure passes only when that is explained, and one of a pool alone is never
// excused.
func TestReviewProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, size := newReview(probeEvery), rapid.IntRange(1, 6).Draw(t, "pool")
		now := 0.0
		for range rapid.IntRange(0, 60).Draw(t, "probes") {
			now += rapid.Float64Range(0, 6).Draw(t, "pause")
			name := string(rune('a' + rapid.IntRange(0, size-1).Draw(t, "connector")))
			stage := rapid.SampledFrom([]backend.Stage{backend.StageBanner, backend.StageMail, backend.StageRcpt}).Draw(t, "stage")
			report, err := envelopeOf(stage, rapid.SampledFrom([]int{250, 450, 550}).Draw(t, "code"))
			found := r.judge(at0(now), idOf(name), size, report, err)
			for _, e := range found.events {
				if e.Why == "" || e.From == e.To || e.Kind != "probe" {
					t.Fatalf("event %+v", e)
				}
			}
			switch {
			case found.err == nil && err != nil && (found.note == "" || found.reached != backend.StageEHLO || size < 2):
				t.Fatalf("%v passed: %+v", err, found)
			case found.err != nil && err == nil && report.Rcpt.Class() != 5:
				t.Fatalf("a pass failed: %+v", found)
			case found.err != nil && found.note != "":
				t.Fatalf("a failure is excused: %+v", found)
			}
		}
	})
}

func TestLadder(t *testing.T) {
	const year2027 = 1_800_000_000
	seen := func(size int64, offers ...string) *Report {
		return &Report{Capabilities: backend.Capabilities{Known: true, Size: size}, Offers: offers}
	}
	until := func(days int, remark string) *Report {
		r := seen(0)
		r.Certificate, r.Remark = time.Unix(year2027, 0).AddDate(0, 0, days), remark
		return r
	}
	for _, tt := range []struct {
		name   string
		probes []*Report
		want   string // the last one's events, as kind to why
	}{
		{"the first says nothing", []*Report{seen(0, "CHUNKING")}, ""},
		{"the same", []*Report{seen(1, "CHUNKING", "SIZE"), seen(1, "CHUNKING", "SIZE")}, ""},
		{"lost", []*Report{seen(0, "CHUNKING", "DSN", "X"), seen(0, "X")}, "capabilities lost lost CHUNKING, DSN"},
		{"gained", []*Report{seen(0), seen(0, "DSN")}, "capabilities changed gained DSN"},
		{"both", []*Report{seen(0, "A"), seen(0, "B")}, "capabilities lost lost A; gained B"},
		{
			"less room",
			[]*Report{seen(52428800, "CHUNKING", "SIZE"), seen(10240000, "SIZE")},
			"capabilities lost lost CHUNKING; SIZE 52428800 → 10240000",
		},
		{"only less room", []*Report{seen(2, "SIZE"), seen(1, "SIZE")}, "capabilities lost SIZE 2 → 1"},
		{"more room", []*Report{seen(1, "SIZE"), seen(2, "SIZE")}, "capabilities changed SIZE 1 → 2"},
		{"no longer a limit", []*Report{seen(1, "SIZE"), seen(0, "SIZE")}, "capabilities changed SIZE 1 → unlimited"},
		{"a limit", []*Report{seen(0, "SIZE"), seen(1, "SIZE")}, "capabilities lost SIZE unlimited → 1"},
		{"SIZE itself", []*Report{seen(1, "SIZE"), seen(0)}, "capabilities lost lost SIZE"},
		{"a failure between", []*Report{seen(0, "A"), {}, seen(0, "A")}, ""},
		{"lost over a failure", []*Report{seen(0, "A"), {}, seen(0)}, "capabilities lost lost A"},
		{"a certificate", []*Report{until(9, "")}, ""},
		{"ending", []*Report{until(9, "9 days left")}, "certificate expiring 9 days left"},
		{"said once", []*Report{until(9, "9 days left"), until(9, "9 days left")}, ""},
		{"and the next day", []*Report{until(9, "9 days left"), until(9, "8 days left")}, "certificate expiring 8 days left"},
		{
			"renewed",
			[]*Report{until(0, "0 days left"), until(10, "")},
			"certificate changed a new certificate, until 2027-01-25; the last one was until 2027-01-15",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l ladder
			var got []string
			for _, r := range tt.probes {
				got = nil
				for _, e := range l.climb(idOf("a"), r) {
					if e.Pool != "p" || e.Backend != "a" || e.By != byProbe {
						t.Errorf("event %+v", e)
					}
					got = append(got, e.Kind+" "+e.To+" "+e.Why)
				}
			}
			if all := strings.Join(got, "\n"); all != tt.want {
				t.Errorf("got %q, want %q", all, tt.want)
			}
		})
	}
}
