package backend

import (
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// The table of interface.md: of several facts that hold, the first of disabled,
// drain, down, ejected, starting, recovering, up is shown, with its own reason.
func TestStateDerivation(t *testing.T) {
	disabled := AdminFact{Admin: AdminDisabled, Reason: "by alice"}
	drain := AdminFact{Admin: AdminDrain, Reason: "reboot"}
	maintenance := Spec{Maintenance: "consul maintenance"}
	critical := Spec{Critical: "consul check failed"}
	both := Spec{Maintenance: "consul maintenance", Critical: "consul check failed"}
	down := HealthFact{Health: HealthDown, Breaker: BreakerOpen, Reason: "3 probes failed"}
	ejected := HealthFact{Health: HealthUp, Breaker: BreakerOpen, Reason: "stuck at data"}
	halfOpen := HealthFact{Health: HealthUp, Breaker: BreakerHalfOpen, Reason: "trial"}
	trial := HealthFact{Health: HealthUp, Breaker: BreakerHalfOpen, Recovering: true, Reason: "on trial"}
	trialUnknown := HealthFact{Breaker: BreakerHalfOpen, Recovering: true}
	ejectedUnknown := HealthFact{Breaker: BreakerOpen, Reason: "stuck at data"}
	recovering := HealthFact{Health: HealthUp, Recovering: true, Reason: "slow start"}
	unknownRecovering := HealthFact{Recovering: true}
	up := HealthFact{Health: HealthUp, Reason: "probe passed"}

	tests := []struct {
		name   string
		member Member
		state  State
		reason string
	}{
		{"nothing known", Member{}, StateStarting, "no probe has ended yet"},
		{"up", Member{Health: up}, StateUp, "probe passed"},
		{"recovering", Member{Health: recovering}, StateRecovering, "slow start"},
		{"starting hides recovering", Member{Health: unknownRecovering}, StateStarting, "no probe has ended yet"},
		{"ejected", Member{Health: ejected}, StateEjected, "stuck at data"},
		{"half-open is ejected", Member{Health: halfOpen}, StateEjected, "trial"},
		{"half-open is recovering when mail is the trial", Member{Health: trial}, StateRecovering, "on trial"},
		{"starting hides a trial", Member{Health: trialUnknown}, StateStarting, "no probe has ended yet"},
		{"ejected hides starting", Member{Health: ejectedUnknown}, StateEjected, "stuck at data"},
		{"down hides ejected", Member{Health: down}, StateDown, "3 probes failed"},
		{"critical", Member{Spec: critical, Health: up}, StateDown, "consul check failed"},
		{"critical hides ejected", Member{Spec: critical, Health: ejected}, StateDown, "consul check failed"},
		{"down's reason before critical's", Member{Spec: critical, Health: down}, StateDown, "3 probes failed"},
		{"maintenance", Member{Spec: maintenance, Health: up}, StateDrain, "consul maintenance"},
		{"maintenance hides critical", Member{Spec: both}, StateDrain, "consul maintenance"},
		{"drain hides down", Member{Admin: drain, Health: down}, StateDrain, "reboot"},
		{"drain's reason before maintenance's", Member{Spec: maintenance, Admin: drain}, StateDrain, "reboot"},
		{"gone hides maintenance", Member{Spec: maintenance, Gone: true, Health: up}, StateDrain, "no source knows it any more: it is forgotten when what runs there has ended"},
		{"disabled hides everything", Member{Spec: both, Admin: disabled, Health: down}, StateDisabled, "by alice"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			state, reason := deriveState(&tc.member)
			if state != tc.state || reason != tc.reason {
				t.Errorf("got %s (%q), want %s (%q)", state, reason, tc.state, tc.reason)
			}
		})
	}
}

// Eligible are up and recovering; starting only once start-up is over, and only
// while the pool has nothing better.
func TestEligibility(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &Pool{Members: rapid.SliceOfN(rapid.Custom(drawMember), 0, 5).Draw(t, "members")}
		started := rapid.Bool().Draw(t, "started")
		derive(p, started, time.Now())

		better := false
		for _, m := range p.Members {
			better = better || m.State == StateUp || m.State == StateRecovering
		}
		eligible := 0
		for _, m := range p.Members {
			want := m.State == StateUp || m.State == StateRecovering ||
				m.State == StateStarting && started && !better
			if m.Eligible != want {
				t.Errorf("%s: eligible %t, want %t (started %t, better %t)", m.State, m.Eligible, want, started, better)
			}
			if want {
				eligible++
			}
		}
		if p.Eligible != eligible {
			t.Errorf("pool counts %d eligible, want %d", p.Eligible, eligible)
		}
	})
}

func TestSinceFollowsTheStateOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Pool{Members: []*Member{{Health: HealthFact{Health: HealthUp}}}}
		derive(p, true, time.Now())
		since := p.Members[0].Since
		if !since.Equal(time.Now()) {
			t.Errorf("since %v after starting → up, want now", since)
		}

		time.Sleep(time.Minute) // virtual: synctest
		p.Members[0] = with(p.Members[0], func(m *Member) { m.Health.Reason = "another reason" })
		derive(p, true, time.Now())
		if got := p.Members[0]; !got.Since.Equal(since) || got.Reason != "another reason" {
			t.Errorf("since %v reason %q, want the old since with the new reason", got.Since, got.Reason)
		}
		p.Members[0] = with(p.Members[0], func(m *Member) { m.Admin.Admin = AdminDrain })
		derive(p, true, time.Now())
		if got := p.Members[0].Since; !got.Equal(time.Now()) {
			t.Errorf("since %v after up → drain, want now", got)
		}
	})
}

func TestRedundant(t *testing.T) {
	for _, tc := range []struct {
		eligible, minimum int
		want              bool
	}{{0, 0, true}, {1, 2, false}, {2, 2, true}, {3, 2, true}} {
		p := Pool{PoolConfig: PoolConfig{MinRedundancy: tc.minimum}, Eligible: tc.eligible}
		if got := p.Redundant(); got != tc.want {
			t.Errorf("%d eligible of min_redundancy %d: %t, want %t", tc.eligible, tc.minimum, got, tc.want)
		}
	}
}

// with returns a changed copy: members themselves never change.
func with(m *Member, change func(*Member)) *Member {
	next := *m
	change(&next)
	return &next
}

func drawMember(t *rapid.T) *Member {
	m := &Member{
		Health: drawHealth(t),
		Admin:  AdminFact{Admin: Admin(rapid.IntRange(0, len(adminNames)-1).Draw(t, "admin"))},
	}
	m.Spec.Maintenance = rapid.SampledFrom([]string{"", "maintenance"}).Draw(t, "maintenance")
	m.Spec.Critical = rapid.SampledFrom([]string{"", "critical"}).Draw(t, "critical")
	return m
}

func drawHealth(t *rapid.T) HealthFact {
	return HealthFact{
		Health:     Health(rapid.IntRange(0, len(healthNames)-1).Draw(t, "health")),
		Breaker:    Breaker(rapid.IntRange(0, len(breakerNames)-1).Draw(t, "breaker")),
		Recovering: rapid.Bool().Draw(t, "recovering"),
		Limit:      rapid.IntRange(0, 3).Draw(t, "learned limit"),
	}
}
