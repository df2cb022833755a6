package health

import (
	"testing"
	"time"

	"weir/internal/backend"
)

// judged is a pool of three before a judge, on a time of its own.
type judged struct {
	*testing.T
	now      time.Time
	registry *backend.Registry
	judge    *Judge
	next     [3]time.Time // when probes are due
}

func newJudged(t *testing.T) *judged {
	p := &judged{T: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	p.registry = backend.NewRegistryAt([]backend.PoolConfig{{Name: "p"}}, func() time.Time { return p.now })
	var specs []backend.Spec
	for _, name := range []string{"a", "b", "c"} {
		specs = append(specs, backend.Spec{Pool: "p", Name: name, Address: name + ":25", Weight: 100})
	}
	p.registry.SetMembers("p", specs)
	cfg := courtConfig()
	cfg.Pool = "p"
	p.judge = NewJudge(p.registry, cfg, func() float64 { return 0.5 })
	for i, c := range p.judge.Cases() {
		p.next[i] = c.Probed(Probe{Took: time.Millisecond}, p.now)
	}
	return p
}

func (p *judged) member(i int) *backend.Member { return p.registry.Snapshot().Pools[0].Members[i] }

func TestJudgeProbes(t *testing.T) {
	p := newJudged(t)
	first := p.member(0)
	if first.State != backend.StateUp || !first.Since.Equal(p.now) {
		t.Fatalf("%v since %v after a good probe, want up since %v", first.State, first.Since, p.now)
	}
	if pause := p.next[0].Sub(p.now); pause <= 0 || pause > time.Minute {
		t.Errorf("the next probe is due after %v", pause)
	}
	for range 3 {
		p.now = p.now.Add(time.Second)
		p.judge.Cases()[0].Probed(Probe{Failed: true, Stage: backend.StageConnect, Why: "connection refused"}, p.now)
	}
	if got := p.member(0); got.State != backend.StateDown || !got.Since.Equal(p.now) {
		t.Errorf("%v since %v after three bad probes, want down since %v", got.State, got.Since, p.now)
	}
	for range 3 {
		p.now = p.now.Add(time.Second)
		p.judge.Cases()[1].Probed(Probe{Failed: true, Stage: backend.StageRcpt, Code: 451}, p.now)
	}
	if got := p.member(1); got.State != backend.StateDown {
		t.Errorf("%v after three that were answered 451, want down", got.State)
	}
}

// TestJudgeP16 has one connector silent at MAIL while the others answer.
func TestJudgeP16(t *testing.T) {
	p := newJudged(t)
	for range 30 * 4 {
		p.now = p.now.Add(Sitting)
		for i, c := range p.judge.Cases() {
			ticket := c.Begin(backend.StageMail, p.now)
			if i > 0 {
				c.End(ticket, backend.Outcome{Verdict: backend.Success}, p.now.Add(5*time.Millisecond))
			}
		}
		p.judge.Sit(p.now)
	}
	if m := p.member(0); m.State != backend.StateEjected || !m.Health.Stuck {
		t.Errorf("the silent one is %v: %s", m.State, m.Reason)
	}
	for i := 1; i < 3; i++ {
		if m := p.member(i); m.State != backend.StateUp {
			t.Errorf("number %d is %v: %s", i, m.State, m.Reason)
		}
	}
}

func TestJudgeHurries(t *testing.T) {
	p := newJudged(t)
	c := p.judge.Cases()[0]
	p.next[0] = c.Probed(Probe{Took: time.Millisecond}, p.now) // up for sure, so the next is not soon
	if _, ok := c.Hurried(); ok {
		t.Fatal("hurried before anything failed")
	}
	ticket := c.Begin(backend.StageMail, p.now)
	c.End(ticket, backend.Outcome{Verdict: backend.Failure, Why: "connection lost"}, p.now)
	due, ok := c.Hurried()
	if !ok || !due.Before(p.next[0]) {
		t.Errorf("due %v, %v; it was planned for %v", due, ok, p.next[0])
	}
	if _, again := c.Hurried(); again {
		t.Error("hurried twice by one failure")
	}
}

// TestLatestAnswersInSum: the sum that is kept is what looking through would find.
func TestLatestAnswersInSum(t *testing.T) {
	var a answers
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 100 {
		now = now.Add(time.Second)
		a.add(i%3 == 0, now)
		var want sample
		for _, x := range a.ring {
			if x.at == 0 {
				continue
			}
			want.add(x.deferral)
			if at := a.when(x); want.since.IsZero() || at.Before(want.since) {
				want.since = at
			}
		}
		if got := a.latest(time.Time{}); got != want {
			t.Fatalf("after %d answers: %+v, want %+v", i+1, got, want)
		}
		if got := a.latest(now); got.n != 1 {
			t.Fatalf("%d answers since the last one, want 1", got.n)
		}
	}
}
