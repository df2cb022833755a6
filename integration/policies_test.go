package integration

import (
	"fmt"
	"testing"
	"time"

	"weir/internal/faulty"
)

// TestPolicies_WeightsHold: of 4000 messages, connectors of weight 3 and 1 get three quarters and one, within 3 %, by
// every policy that promises it.
func TestPolicies_WeightsHold(t *testing.T) {
	messages := fewer(4000)
	const share = 0.75
	within := 0.03 * float64(messages)
	for _, x := range []struct {
		policy  string
		senders int
		late    time.Duration // of both: what they are compared by is then theirs, and not this machine's
		bound   float64
	}{
		{"round-robin", 4, 0, 0.03 * float64(messages) * (1 - share)},
		{"least-connections", 12, 4 * time.Millisecond, within},
		{"least-load", 8, 4 * time.Millisecond, max(within, drawn(messages, share))},
		{"random", 4, 0, max(within, drawn(messages, share))},
	} {
		t.Run(x.policy, func(t *testing.T) {
			t.Parallel()
			f := newSinks(t, 2, opts{policy: x.policy, keys: []string{"weight: 3", "weight: 1"}}, x.late, x.late)
			f.pump(x.senders, messages)
			t.Logf("%d messages: %v", messages, f.got())
			f.near("c0", share*float64(messages), x.bound)
			f.near("c1", (1-share)*float64(messages), x.bound)
		})
	}
}

// TestPolicies_OneConnectionOf10000: the choice is made for each message, so one sender's long connection is spread
// evenly over all connectors, within 2 %.
func TestPolicies_OneConnectionOf10000(t *testing.T) {
	t.Parallel()
	messages := fewer(10000)
	f := newSinks(t, 4, opts{})
	f.pump(1, messages)
	for i := range 4 {
		f.near(backendName(i), float64(messages)/4, 0.02*float64(messages)/4)
	}
}

// TestPolicies_FaultIsNotSeen: whatever the policy, no sender notices that one of four connectors refuses mail in the
// middle of a load (P4): failover is the policy's next choice. A file that names none gets least-load.
func TestPolicies_FaultIsNotSeen(t *testing.T) {
	for _, policy := range []string{"", "least-connections", "maglev", "random"} {
		t.Run(or(policy, "default"), func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 4, opts{policy: or(policy, unnamed), pool: []string{"hash: sender"}})
			if got := f.status().Pools[0].Policy; got != or(policy, "least-load") {
				t.Errorf("the policy is %q", got)
			}
			steady().run(f, func() { f.c[1].Hurt(faulty.Say(faulty.MAIL, "451 4.3.0 later")) }).flawless(f)
			f.metFault(loadCase{})
		})
	}
}

// TestPolicies_SlowConnectorGetsLittle: a connector ten times slower than its peers gets under a fifth of its even
// share by least-load, whether one message is under way at a time or twenty. One at a time it is 40 ms, below what
// health calls slow: only the policy is at work. With twenty the times are long, so that what a busy machine adds to
// each does not make them alike.
func TestPolicies_SlowConnectorGetsLittle(t *testing.T) {
	for name, x := range map[string]struct {
		senders, messages int
		quick             time.Duration
	}{"one at a time": {1, 1000, 4 * time.Millisecond}, "twenty": {20, 2000, 20 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			messages := fewer(x.messages)
			f := newSinks(t, 4, opts{policy: "least-load"}, 10*x.quick, x.quick, x.quick, x.quick)
			f.pump(x.senders, messages)
			got := f.got()
			t.Logf("%d messages: %v", messages, got)
			if got["c0"]*4*5 >= messages {
				t.Errorf("the slow one got %d of %d, want under %d; all: %v", got["c0"], messages, messages/4/5, got)
			}
		})
	}
}

// TestPolicies_MaglevIsTheSameEverywhere: two processes that share nothing choose alike, also for keys whose connector
// is out, and a connector that is drained takes no other's keys along.
func TestPolicies_MaglevIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	o := opts{policy: "maglev", pool: []string{"hash: sender"}}
	f := newFlock(t, 4, o)
	for _, c := range f.c {
		o.backends = append(o.backends, c.Addr())
	}
	g := &flock{t: t, c: f.c}
	g.front(o)
	g.waitEligible(poolName, 4)
	before := f.chosenAlike(g, 60)
	for _, one := range []*flock{f, g} {
		one.mustCtl("drain", "c0")
		one.waitState(poolName, "c0", "drain")
	}
	moved := 0
	for sender, name := range f.chosenAlike(g, 60) {
		switch {
		case name == "c0":
			t.Errorf("mail of %s goes to c0, which is drained", sender)
		case name == before[sender]:
		case before[sender] != "c0":
			t.Errorf("%s has moved from %s to %s, though only c0 went", sender, before[sender], name)
		default:
			moved++
		}
	}
	if moved == 0 || moved == 60 {
		t.Errorf("c0 had %d of 60 senders", moved)
	}
}

// chosenAlike sends a message of each of n senders through both, and returns which connector each chose.
func (f *flock) chosenAlike(g *flock, n int) map[string]string {
	f.t.Helper()
	mine, theirs := f.dial(), g.dial()
	chosen := map[string]string{}
	for i := range n {
		a, b := f.message("alike", 300), f.message("alike", 300)
		a.from = fmt.Sprintf("sender%d@sender.example", i)
		b.from = a.from
		at := f.lands(mine, a).Name()
		if other := g.lands(theirs, b).Name(); other != at {
			f.t.Errorf("mail of %s goes to %s here and to %s there", a.from, at, other)
		}
		chosen[a.from] = at
	}
	return chosen
}
