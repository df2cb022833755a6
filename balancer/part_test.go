package balancer_test

import (
	"strings"
	"testing"
	"time"

	"weir/balancer"
	"weir/internal/backend"
	"weir/internal/faulty"
	"weir/policies"
)

// latency is what policies know of a connector.
func (b *bench) latency(name string) time.Duration { return b.member(name).Traffic.Latency.Value() }

// waited is how long a transaction waited for connectors from MAIL on, the body left
// out.
func waited(r *balancer.Record) (sum time.Duration) {
	for stage, d := range r.Stages {
		if s := backend.Stage(stage); s >= backend.StageMail && s != backend.StageBody {
			sum += d
		}
	}
	return sum
}

// measured is what is known of a connector after one part of that length.
func measured(d time.Duration) time.Duration {
	var l backend.Latency
	l.Observe(d, false, time.Now())
	return l.Value()
}

func near(a, b time.Duration) bool { return (a - b).Abs() <= b/100+time.Millisecond }

// A connector is measured by all its stages in a transaction but the body, and those
// of a connection that was only opened now.
func TestLatencyIsOfAllStages(t *testing.T) {
	b := newBench(t, "a")
	const pause = 30 * time.Millisecond
	b.connectors["a"].Hurt(
		faulty.Fault{Stage: faulty.RCPT, Reply: "250 2.1.5 ok", Delay: pause},
		faulty.Fault{Stage: faulty.FinalDot, Reply: "250 2.0.0 ok", Delay: pause, Store: true},
	)
	b.start(0)
	s := b.dial().hello()
	b.delivers(s)
	record := b.witness.transaction(t, 1)
	if got, want := b.latency("a"), waited(&record); !near(got, measured(want)) || want < 2*pause {
		t.Errorf("measured %v, the stages took %v", got, want)
	}
	_ = s.nc.Close()
	b.leavesNothing()
}

// Each connector is measured by its own part; one that was silent or not reached by
// how long that was waited for.
func TestLatencyOfEachPart(t *testing.T) {
	const patience = 200 * time.Millisecond
	for name, fault := range map[string]faulty.Fault{
		"banner": faulty.At(faulty.Banner, faulty.Mute), "mail": faulty.At(faulty.MAIL, faulty.Mute), "data": faulty.At(faulty.DATA, faulty.Mute),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, "a", "b")
			for _, stage := range []backend.Stage{backend.StageBanner, backend.StageMail, backend.StageData} {
				b.witness.patience[stage] = patience
			}
			b.connectors["a"].Hurt(fault)
			b.start(0)
			s := b.dial().hello()
			b.delivers(s)
			record := b.witness.transaction(t, 1)
			first, second := b.latency("a"), b.latency("b")
			if first < measured(patience) || second == 0 {
				t.Errorf("measured %v and %v", first, second)
			}
			// Of a stage in which dialling failed the record does not know.
			if sum := waited(&record); name != "banner" && second > measured(sum-patience) {
				t.Errorf("the second was measured by %v of %v", second, sum)
			}
			_ = s.nc.Close()
			b.leavesNothing()
		})
	}
}

// To fail fast, or to put off at once, is not to be fast; an operator's order says
// nothing at all.
func TestLatencyIsNotLoweredByFailures(t *testing.T) {
	for what, fault := range map[string]faulty.Fault{
		"450 to mail": faulty.Say(faulty.MAIL, "450 4.2.0 later"), "450 to rcpt": faulty.Say(faulty.RCPT, "450 4.2.0 later"),
		"450 to the dot": faulty.Say(faulty.FinalDot, "450 4.2.0 later"), "drop": faulty.At(faulty.RCPT, faulty.Drop), "ambiguous": faulty.At(faulty.FinalDot, faulty.Drop),
		"banner": faulty.Say(faulty.Banner, "421 4.3.2 no"),
	} {
		t.Run(what, func(t *testing.T) {
			b := newBench(t, "a")
			b.connectors["a"].Hurt(fault)
			b.start(0)
			latency := &b.member("a").Traffic.Latency
			latency.Observe(time.Minute, false, time.Now())
			before := latency.Value()
			s := b.dial().hello()
			if reply := s.message(short); reply[0] != '4' {
				t.Errorf("got %q", reply)
			}
			_ = s.nc.Close()
			b.stop()
			if got := latency.Value(); got != before {
				t.Errorf("%v became %v", before, got)
			}
			b.leavesNothing()
		})
	}
}

func TestLatencyOfWhomAnOperatorDisabled(t *testing.T) {
	b := newBench(t, "a", "b")
	b.connectors["a"].Hurt(faulty.At(faulty.RCPT, faulty.Mute))
	b.start(0)
	s := b.dial().hello()
	s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	answer := make(chan string, 1)
	go func() { answer <- s.say("RCPT TO:<to@mx.test>\r\n") }()
	waitFor(t, "the connector to be asked", func() bool { return b.connectors["a"].Heard("RCPT") == 1 })
	b.registry.SetAdmin(backend.ID{Pool: "internet", Name: "a"}, backend.AdminFact{Admin: backend.AdminDisabled})
	if reply := <-answer; !strings.HasPrefix(reply, "250") {
		t.Errorf("got %q", reply)
	}
	if d := b.latency("a"); d != 0 {
		t.Errorf("measured %v", d)
	}
	_ = s.nc.Close()
	b.leavesNothing()
}

// Whoever answered the first recipient is preferred from then on, even where that
// was a greylisting; and left at once when it is drained.
func TestAffinityOfWhoAnswered(t *testing.T) {
	b := newBench(t, "a", "b", "c")
	b.pool().Affinity, b.pool().AffinityTTL = policies.KeyClient, time.Hour
	for _, srv := range b.connectors {
		srv.Hurt(faulty.Say(faulty.RCPT, "450 4.2.0 greylisted").Limited(1))
	}
	b.start(0)
	ask := func() (string, string) {
		s := b.dial().hello()
		defer s.nc.Close()
		n := b.witness.count() + 1
		reply := s.message(short)
		if strings.HasPrefix(reply, "4") {
			s.ask("RSET\r\n", "250 *")
		}
		return b.witness.transaction(t, n).Backend, reply
	}
	first, reply := ask()
	if !strings.HasPrefix(reply, "450") {
		t.Errorf("got %q", reply)
	}
	for i := range 4 {
		if got, reply := ask(); got != first || !strings.HasPrefix(reply, "250") {
			t.Fatalf("%q of %s, not of %s", reply, got, first)
		}
		b.reload(func(c *balancer.Config) { c.Pools[0].Reuse.Messages = 10 + i })
	}
	b.registry.SetAdmin(backend.ID{Pool: "internet", Name: first}, backend.AdminFact{Admin: backend.AdminDrain})
	second, _ := ask()
	if second == first {
		t.Fatalf("%s is drained", first)
	}
	for range 3 {
		if got, _ := ask(); got != second {
			t.Errorf("it went to %s, not to %s", got, second)
		}
	}
	b.leavesNothing()
}

// A connector that is lost after its answer is not where the next ones go: the one
// that has the transaction in the end is.
func TestAffinityFollowsAMove(t *testing.T) {
	b := newBench(t, "a", "b", "c")
	b.pool().Affinity, b.pool().AffinityTTL = policies.KeySender, time.Hour
	b.connectors["a"].Hurt(faulty.At(faulty.DATA, faulty.Drop).Limited(1))
	b.start(0)
	s := b.dial().hello()
	b.delivers(s)
	moved := b.witness.transaction(t, 1)
	if moved.Replays != 1 {
		t.Fatalf("it was not moved: %v", moved.Tries)
	}
	for n := range 3 {
		b.delivers(s)
		if got := b.witness.transaction(t, n+2).Backend; got != moved.Backend {
			t.Errorf("it went to %s, not to %s", got, moved.Backend)
		}
	}
	_ = s.nc.Close()
	b.leavesNothing()
}

// The record names those that were passed over, and why.
func TestTriesNameWhoWasPassedOver(t *testing.T) {
	b := newBench(t, "a", "b", "c")
	b.connectors["a"].Hurt(faulty.At(faulty.RCPT, faulty.Mute))
	b.start(2)
	s := b.dial().hello()
	s.ask("MAIL FROM:<from@client.test>\r\n", "250 *")
	answer := make(chan string, 1)
	go func() { answer <- s.say("RCPT TO:<to@mx.test>\r\n") }()
	waitFor(t, "the connector to be asked", func() bool { return b.connectors["a"].Heard("RCPT") == 1 })
	b.setHealth("b", backend.HealthDown)
	for b.member("c").Acquire() {
		defer b.member("c").Release()
	}
	b.connectors["a"].DropConnections(false)
	<-answer
	s.ask("RSET\r\n", "250 *")
	var got []string
	for _, try := range b.witness.transaction(t, 1).Tries {
		got = append(got, try.Backend+" "+try.Why)
	}
	want := "internet/a rcpt: *; internet/b is no candidate any more: down: set by the test; internet/c all 2 places are taken"
	if err := like(strings.Join(got, "; "), want); err != nil {
		t.Error(err)
	}
	_ = s.nc.Close()
}
