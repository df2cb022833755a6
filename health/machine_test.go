package health

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/internal/backend"
)

func machineConfig() *Config {
	return &Config{
		Pool: "internet", Interval: 5 * time.Second, FastInterval: time.Second,
		Timeout: 15 * time.Second, Rise: 2, Fall: 3, Jitter: 0.2,
	}
}

// drive plays words to a machine:
//
//	p, f        a probe passes, fails
//	+STAGE      traffic succeeds at a stage
//	-STAGE      traffic fails there, in an attempt begun just before
//	=STAGE      the same, of the last connector that its pool has
//	late-STAGE  the same as -, begun long ago
//	5s          time passes
//
// and returns the verdict after each, without repeats.
func drive(m *machine, now time.Time, words string) (verdicts string, end time.Time) {
	var seen []string
	for word := range strings.FieldsSeq(words) {
		switch {
		case word == "p":
			m.probed(now, nil)
		case word == "f":
			m.probed(now, errors.New("banner: 554 go away"))
		case word[0] == '+':
			m.passed(stageNamed(word[1:]))
		case word[0] == '-':
			m.failed(now, now, stageNamed(word[1:]), "no answer in 1s", false)
		case word[0] == '=':
			m.failed(now, now, stageNamed(word[1:]), "no answer in 1s", true)
		case strings.HasPrefix(word, "late-"):
			m.failed(now, now.Add(-time.Hour), stageNamed(word[5:]), "no answer in 1m0s", false)
		default:
			d, err := time.ParseDuration(word)
			if err != nil {
				panic(err)
			}
			now = now.Add(d)
		}
		if v := m.verdict.String(); len(seen) == 0 || seen[len(seen)-1] != v {
			seen = append(seen, v)
		}
	}
	return strings.Join(seen, " "), now
}

func stageNamed(name string) backend.Stage {
	for s := range backend.Stages {
		if s.String() == name {
			return s
		}
	}
	panic("no stage " + name)
}

func TestMachine(t *testing.T) {
	const downAtMail = "p -mail -mail -mail "
	tests := []struct {
		name, words, want, reason string
	}{
		{"the first probe decides: up", "p", "up", "the first probe passed"},
		{"the first probe decides: down", "f", "down", "the first probe failed: banner: 554 go away"},
		{"rise", "f p", "down", "the first probe failed: banner: 554 go away"},
		{"risen", "f p p", "down up", "2 probes in a row passed"},
		{"rise wants them in a row", "f p f p f p", "down", "1 probe failed; last: banner: 554 go away"},
		{"fall", "p f f", "up", "the first probe passed"},
		{"fallen", "p f f f", "up down", "3 probes in a row failed; last: banner: 554 go away"},
		{"fall wants them in a row", "p f f p f f p f f", "up", "the first probe passed"},
		{"the reason follows the latest failure", "p f f f f", "up down", "4 probes in a row failed; last: banner: 554 go away"},

		{"traffic takes it down", downAtMail, "up down", "3 attempts in a row failed in traffic; last: mail: no answer in 1s"},
		{"traffic alone is no first verdict for up", "+final_dot", "unknown", ""},
		{"but for down", "-connect -connect -connect", "unknown down", "3 attempts in a row failed in traffic; last: connect: no answer in 1s"},
		{"success contradicts", "p -mail -mail +mail -mail -mail", "up", "the first probe passed"},
		{"success further on contradicts too", "p -data -data +final_dot -data -data", "up", "the first probe passed"},
		{"early success does not", "p +mail +rcpt -data +mail +rcpt -data +mail +rcpt -data", "up down", "3 attempts in a row failed in traffic; last: data: no answer in 1s"},
		{"success in a transaction does not speak for the connection", "p -connect +final_dot -connect +final_dot -connect", "up down", "3 attempts in a row failed in traffic; last: connect: no answer in 1s"},
		{"nor the other way round", "p -data +ehlo -data +ehlo -data", "up down", "3 attempts in a row failed in traffic; last: data: no answer in 1s"},
		{"EHLO speaks for the connection", "p -banner -connect +ehlo -banner -connect", "up", "the first probe passed"},
		{"failures at several stages add up", "p +mail -rcpt +mail -rcpt -mail", "up down", "3 attempts in a row failed in traffic; last: mail: no answer in 1s"},
		{"probes do not contradict traffic", "p -data -data p p p -data", "up down", "3 attempts in a row failed in traffic; last: data: no answer in 1s"},

		{"the last of its pool stays", "p =data =data =data", "up", "3 attempts in a row failed in traffic; last: data: no answer in 1s; kept, because nothing else in the pool takes mail"},
		{"and is the first that goes when it is not the last", "p =data =data =data -data", "up down", "4 attempts in a row failed in traffic; last: data: no answer in 1s"},
		{"unless it has worked again", "p =data =data =data +final_dot -data", "up", "the first probe passed"},
		{"probes take down the last too", "p =data =data =data f f f", "up down", "3 probes in a row failed; last: banner: 554 go away"},

		{"held at least 5 s", downAtMail + "4s p p p", "up down", "3 attempts in a row failed in traffic; last: mail: no answer in 1s; probes pass, held out until 00:00:05Z"},
		{"held no longer", downAtMail + "4s p p p 1s p", "up down up", "2 probes in a row passed"},
		{"after the hold rise counts", downAtMail + "5s p", "up down", "3 attempts in a row failed in traffic; last: mail: no answer in 1s"},
		{"success in traffic does not bring it back", downAtMail + "10s +final_dot", "up down", "3 attempts in a row failed in traffic; last: mail: no answer in 1s"},
		{"late news of a failure counts nothing", downAtMail + "6s p p late-mail late-mail late-mail", "up down up", "2 probes in a row passed"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			m := newMachine(machineConfig())
			got, _ := drive(&m, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), tc.words)
			if got != tc.want || m.words() != tc.reason {
				t.Errorf("got %s (%s), want %s (%s)", got, m.words(), tc.want, tc.reason)
			}
		})
	}
}

func TestPause(t *testing.T) {
	const fast, slow = time.Second, 5 * time.Second
	tests := []struct {
		name, words string
		want        time.Duration
	}{
		{"nothing known", "", fast},
		{"up after one", "p", fast},
		{"up", "p p", slow},
		{"one failure", "p p f", fast},
		{"one failure was nothing", "p p f p p", slow},
		{"a failure in traffic", "p p -data", fast},
		{"doubt in traffic ends", "p p -data p p", slow},
		{"down", "p p f f f f", slow},
		{"down, first success", "f p", fast},
		{"down, relapsed", "f p f", slow},
		{"held for long yet", "p -mail -mail -mail", slow},
		{"the hold ends soon", "p -mail -mail -mail p 3s", 2 * time.Second},
		{"the hold is about to end", "p -mail -mail -mail p 4990ms", fast},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			m := newMachine(machineConfig())
			_, now := drive(&m, time.Unix(0, 0), tc.words)
			if got := m.pause(now); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// A connector that relapses is held twice as long each time, up to a bound; one
// that has proved itself begins anew.
func TestHoldDoubles(t *testing.T) {
	m := newMachine(machineConfig())
	_, now := drive(&m, time.Unix(0, 0), "p")
	for i, want := range []time.Duration{5, 10, 20, 40, 80, 160, 300, 300} {
		_, now = drive(&m, now, "20s -data -data -data")
		if got := m.hold.left(now); got != want*time.Second {
			t.Errorf("hold %d lasts %v, want %v", i+1, got, want*time.Second)
		}
		_, now = drive(&m, now.Add(want*time.Second), "p p")
	}
	if _, now = drive(&m, now, "10m -data -data -data"); m.hold.left(now) != 5*time.Second {
		t.Errorf("after ten good minutes the hold lasts %v, want the first one", m.hold.left(now))
	}
}

// What a connector does at stages that it passes cannot hide the stage at which
// it always dies, whichever it is and however the rest is mixed.
func TestAFailingStageIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(machineConfig())
		m.cfg.Fall = rapid.IntRange(1, 6).Draw(t, "fall")
		now, _ := time.Unix(0, 0), m.probed(time.Unix(0, 0), nil)
		bad := backend.Stage(rapid.IntRange(0, int(backend.Stages)-1).Draw(t, "stage"))
		for n := 1; n <= m.cfg.Fall; n++ {
			if m.verdict != backend.HealthUp {
				t.Fatalf("down after %d of %d failures at %s", n-1, m.cfg.Fall, bad)
			}
			first := backend.StageConnect // a reused connection begins at mail
			if bad >= backend.StageMail && rapid.Bool().Draw(t, "reused") {
				first = backend.StageMail
			}
			for s := first; s < bad; s++ {
				m.passed(s)
			}
			for range rapid.IntRange(0, 2).Draw(t, "probes") {
				m.probed(now, nil)
			}
			now = now.Add(time.Second)
			m.failed(now, now, bad, "connection closed", false)
		}
		if m.verdict != backend.HealthDown {
			t.Fatalf("still %s after %d failures at %s", m.verdict, m.cfg.Fall, bad)
		}
	})
}

// Whatever happens in whatever order: a known verdict has a reason, probes keep
// being made, the verdict changes only on evidence, and there is always a way
// back by probes.
func TestMachineOnRandomEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(machineConfig())
		m.cfg.Rise = rapid.IntRange(1, 4).Draw(t, "rise")
		m.cfg.Fall = rapid.IntRange(1, 4).Draw(t, "fall")
		r := randomRun{m: &m, now: time.Unix(0, 0)}
		t.Repeat(map[string]func(*rapid.T){
			"probe passes":   func(*rapid.T) { r.probe(nil) },
			"probe fails":    func(*rapid.T) { r.probe(errors.New("mail: 451 no")) },
			"traffic fails":  func(t *rapid.T) { r.trafficFails(drawStage(t), false) },
			"the last fails": func(t *rapid.T) { r.trafficFails(drawStage(t), true) },
			"traffic passes": func(t *rapid.T) { m.passed(drawStage(t)) },
			"time passes": func(t *rapid.T) {
				r.now = r.now.Add(time.Duration(rapid.IntRange(1, 600).Draw(t, "s")) * time.Second)
			},
			"": r.check,
		})
		r.now = r.now.Add(holdMost)
		for range m.cfg.Rise {
			m.probed(r.now, nil)
		}
		if m.verdict != backend.HealthUp {
			t.Fatalf("no way back: %s (%s)", m.verdict, m.reason)
		}
	})
}

// randomRun counts the evidence beside the machine, in the simplest way.
type randomRun struct {
	m         *machine
	now       time.Time
	good, bad int // probes in a row
	failures  int // in traffic since the last verdict
	before    backend.Health
	wrong     string
}

func (r *randomRun) probe(err error) {
	if err == nil {
		r.good, r.bad = r.good+1, 0
	} else {
		r.good, r.bad = 0, r.bad+1
	}
	r.before = r.m.verdict
	changed := r.m.probed(r.now, err)
	r.verify(changed)
}

func (r *randomRun) trafficFails(stage backend.Stage, last bool) {
	r.before = r.m.verdict
	if r.before != backend.HealthDown { // there it is no news
		r.good = 0
		r.failures++
	}
	changed := r.m.failed(r.now, r.now, stage, "connection closed", last)
	r.verify(changed)
}

func (r *randomRun) verify(changed bool) {
	if changed != (r.before != r.m.verdict) {
		r.wrong = fmt.Sprintf("changed %t from %s to %s", changed, r.before, r.m.verdict)
	}
	if !changed {
		return
	}
	switch {
	case r.m.verdict == backend.HealthUp && r.before == backend.HealthDown && r.good < r.m.cfg.Rise:
		r.wrong = fmt.Sprintf("up after %d good probes", r.good)
	case r.m.verdict == backend.HealthDown && r.before == backend.HealthUp && r.bad < r.m.cfg.Fall && r.failures < r.m.cfg.Fall:
		r.wrong = fmt.Sprintf("down after %d bad probes and %d failures", r.bad, r.failures)
	}
	r.failures = 0
}

func (r *randomRun) check(t *rapid.T) {
	if r.wrong != "" {
		t.Fatal(r.wrong)
	}
	if known := r.m.verdict != backend.HealthUnknown; known != (r.m.reason != "") {
		t.Fatalf("verdict %s with reason %q", r.m.verdict, r.m.reason)
	}
	if p := r.m.pause(r.now); p < r.m.cfg.FastInterval || p > r.m.cfg.Interval {
		t.Fatalf("the next probe comes after %v", p)
	}
}

func drawStage(t *rapid.T) backend.Stage {
	return backend.Stage(rapid.IntRange(0, int(backend.Stages)-1).Draw(t, "stage"))
}

func TestWordsOfAFailure(t *testing.T) {
	for _, tc := range []struct{ why, want string }{
		{"no answer in 1s", "rcpt: no answer in 1s"},
		{"rcpt: no answer in 1s", "rcpt: no answer in 1s"},
	} {
		if got := at(backend.StageRcpt, tc.why); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}
