package backend

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Members in the states that panic tells apart.
func panicMembers() (up, open, half, body, dot, down, drained, disabled Member) {
	broken := func(h Health, b Breaker, s Stage) Member {
		return Member{Health: HealthFact{Health: h, Breaker: b, Stage: s}}
	}
	up, open = broken(HealthUp, BreakerClosed, 0), broken(HealthUp, BreakerOpen, StageRcpt)
	half = broken(HealthUp, BreakerHalfOpen, StageData)
	body, dot = broken(HealthUp, BreakerOpen, StageBody), broken(HealthUp, BreakerOpen, StageFinalDot)
	down = broken(HealthDown, BreakerOpen, StageRcpt)
	drained, disabled = open, open
	drained.Admin.Admin, disabled.Admin.Admin = AdminDrain, AdminDisabled
	return up, open, half, body, dot, down, drained, disabled
}

// Below panic_percent the ejected are used again, but neither those whose mail
// may be lost nor any that is out for another reason; they are still called
// ejected, and do not make the pool redundant.
func TestPanic(t *testing.T) {
	up, open, half, body, dot, down, drained, disabled := panicMembers()
	starting, left := Member{}, Member{Gone: true}
	for _, tc := range []panicCase{
		{"off", 0, []Member{open, open}, "..", false},
		{"exactly the share", 50, []Member{up, open}, "x.", false},
		{"below it", 51, []Member{up, open}, "xx", true},
		{"half-open too", 100, []Member{half, up}, "xx", true},
		{"body and final dot stay out", 100, []Member{up, body, dot, open}, "x..x", true},
		{"nobody to take back", 100, []Member{up, body, dot}, "x..", false},
		{"down, drained and disabled stay out", 100, []Member{down, drained, disabled, open}, "...x", true},
		{"drained ones are members too", 50, []Member{up, drained, drained, open}, "x..x", true},
		{"the gone are not members any more", 51, []Member{up, open, left, left}, "xx..", true},
		{"better than the unknown", 100, []Member{open, starting}, "x.", true},
		{"the unknown, where there is nothing else", 100, []Member{dot, starting}, ".x", false},
		{"empty", 100, nil, "", false},
	} {
		t.Run(tc.name, tc.check)
	}
}

// Each tier is judged by itself, and panics only where no other one is better.
func TestPanicOfTiers(t *testing.T) {
	up, open, _, _, dot, down, _, _ := panicMembers()
	for _, tc := range []panicCase{
		{"not while a later tier has somebody", 100, []Member{open, up, at(10, up)}, ".xx", false},
		{"each tier has its own share", 50, []Member{open, open, at(10, up), at(10, open), at(10, open)}, "..xxx", true},
		{"all tiers, when nobody is left", 50, []Member{open, at(10, open), at(20, dot)}, "xx.", true},
		{"a later tier that has nobody is no way out", 60, []Member{up, open, at(10, open), at(10, down)}, "xxx.", true},
		{"not behind a tier that has enough", 50, []Member{up, up, at(10, open)}, "xx.", false},
		{"the last tier, although the first has some", 60, []Member{up, open, at(10, up), at(10, open)}, "x.xx", true},
		{"the unknown of a later tier are nobody", 50, []Member{open, at(10, Member{})}, "x.", true},
		{"tiers in any order", 100, []Member{at(10, up), open}, "x.", false},
	} {
		t.Run(tc.name, tc.check)
	}
}

type panicCase struct {
	name    string
	percent int
	members []Member
	want    string // of each member, whether it is eligible
	panics  bool
}

func (tc *panicCase) check(t *testing.T) {
	p := &Pool{PoolConfig: PoolConfig{PanicPercent: tc.percent, MinRedundancy: 2}}
	for _, m := range tc.members {
		p.Members = append(p.Members, &m)
	}
	derive(p, true, time.Now())
	got, n, sound := "", 0, 0
	for _, m := range p.Members {
		mark := "."
		if m.Eligible {
			mark = "x"
			n++
			if m.State != StateEjected {
				sound++
			}
		}
		got += mark
	}
	if got != tc.want || p.Panic != tc.panics || p.Eligible != n {
		t.Errorf("eligible %s (%d), panic %t; want %s, panic %t", got, p.Eligible, p.Panic, tc.want, tc.panics)
	}
	if p.Redundant() != (sound >= 2) {
		t.Errorf("redundant %t with %d that are not ejected", p.Redundant(), sound)
	}
}

// at puts a member into a cost tier.
func at(cost int, m Member) Member {
	m.Spec.Cost = cost
	return m
}

// Tiers panic by the rule that people are told, whatever the facts are: a tier in
// which fewer than panic_percent are eligible, unless a later one has somebody or
// one before it has enough.
func TestPanicByTiers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &Pool{PoolConfig: PoolConfig{PanicPercent: rapid.IntRange(0, 100).Draw(t, "percent")}}
		p.Members = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *Member {
			m := drawMember(t)
			m.Spec.Cost, m.Gone = 10*rapid.IntRange(0, 2).Draw(t, "cost"), rapid.Bool().Draw(t, "gone")
			m.Health.Stage = rapid.SampledFrom([]Stage{StageRcpt, StageBody, StageFinalDot}).Draw(t, "stage")
			return m
		}), 0, 9).Draw(t, "members")
		sound, present := map[int]int{}, map[int]int{}
		for _, m := range p.Members {
			if state, _ := deriveState(m); state == StateUp || state == StateRecovering {
				sound[m.Spec.Cost]++
			}
			if !m.Gone {
				present[m.Spec.Cost]++
			}
		}
		enough := func(cost int) bool { return 100*sound[cost] >= p.PanicPercent*present[cost] }
		derive(p, false, time.Now())
		panicked := 0
		for _, m := range p.Members {
			if m.State != StateEjected {
				continue
			}
			want := !enough(m.Spec.Cost) && m.Health.Stage == StageRcpt
			for cost := 0; cost <= 20; cost += 10 {
				if cost > m.Spec.Cost && sound[cost] > 0 || cost < m.Spec.Cost && sound[cost] > 0 && enough(cost) {
					want = false
				}
			}
			if m.Eligible != want {
				t.Errorf("ejected in tier %d: eligible %t, want %t (%v of %v are sound)", m.Spec.Cost, m.Eligible, want, sound, present)
			}
			if m.Eligible {
				panicked++
			}
		}
		if p.Panic != (panicked > 0) || p.Eligible != panicked+sound[0]+sound[10]+sound[20] {
			t.Errorf("panic %t and %d eligible, with %d in by panic", p.Panic, p.Eligible, panicked)
		}
	})
}
