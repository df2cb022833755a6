package balancer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/balancer"
	"weir/internal/backend"
	"weir/internal/faulty"
)

// TestAmbiguityIsExact sends many messages past connectors of which one stores
// each message and is then lost: all counts must agree to the message.
func TestAmbiguityIsExact(t *testing.T) {
	b := newBench(t, "a", "b", "c", "d")
	b.connectors["a"].Hurt(faulty.StoreThen(faulty.Drop))
	b.start(0)
	s := b.dial().hello()
	const messages = 80
	acknowledged, deferred := 0, 0
	for i := range messages {
		switch reply := s.message(fmt.Sprintf("Subject: %d\r\n\r\ntext\r\n", i)); reply[:3] {
		case "250":
			acknowledged++
		case "451":
			deferred++
		default:
			t.Fatalf("got %q", reply)
		}
	}
	seen := map[string]int{}
	for name, srv := range b.connectors {
		for _, m := range srv.Messages() {
			seen[string(m.Content)]++
		}
		if name != "a" && len(srv.Messages()) != int(b.member(name).Traffic.Messages.Load()) {
			t.Errorf("%s stored %d messages, weir counted %d", name, len(srv.Messages()), b.member(name).Traffic.Messages.Load())
		}
	}
	if len(seen) != messages {
		t.Errorf("%d of %d messages are stored somewhere", len(seen), messages)
	}
	for content, n := range seen {
		if n != 1 {
			t.Errorf("stored %d times: %q", n, content)
		}
	}
	lost := len(b.connectors["a"].Messages())
	ambiguous := 0
	digests := map[string]bool{}
	for _, r := range b.witness.records() {
		if r.Outcome == balancer.Ambiguous {
			ambiguous++
			digests[r.Digest] = true
			if r.ByConnector || r.Replays != 0 || r.Stage != backend.StageFinalDot {
				t.Errorf("by connector %v, %d replays, stage %v", r.ByConnector, r.Replays, r.Stage)
			}
		}
	}
	if counted := int(b.member("a").Traffic.Ambiguous.Load()); lost == 0 || deferred != lost || ambiguous != lost || counted != lost ||
		b.witness.verdicts("a", backend.Failure) != lost || acknowledged != messages-lost {
		t.Errorf("stored and lost %d, put off %d, recorded %d, counted %d, failures %d, acknowledged %d",
			lost, deferred, ambiguous, counted, b.witness.verdicts("a", backend.Failure), acknowledged)
	}
	if len(digests) != 1 || digests[""] {
		t.Errorf("digests of one and the same envelope: %v", digests)
	}
	_ = s.nc.Close()
	b.leavesNothing()
}

// TestNothingIsSentTwice: whatever goes wrong at whichever connectors, at most one
// of them has the message; the sender is told 250 exactly when its connector said
// so; and a message that somebody has and nobody acknowledged is ambiguous.
func TestNothingIsSentTwice(t *testing.T) {
	b := newBench(t, "a", "b", "c", "d")
	for _, stage := range []backend.Stage{backend.StageMail, backend.StageRcpt, backend.StageData, backend.StageBody, backend.StageFinalDot} {
		b.pool().Timeouts[stage] = 60 * time.Millisecond
	}
	b.start(0)
	serial := 0
	rapid.Check(t, func(rt *rapid.T) {
		for _, name := range b.names {
			b.connectors[name].Hurt(anyFaults(rt, name)...)
		}
		serial++
		id := fmt.Sprintf("Subject: number %d.\r\n", serial)
		s := b.dial().hello()
		reply := s.message(id + "\r\n" + strings.Repeat("text\r\n", rapid.SampledFrom([]int{1, 100, 20000, 60000}).Draw(rt, "lines")))
		_ = s.nc.Close()
		r := b.witness.transaction(t, serial)
		checkOnce(rt, b, id, reply, &r)
	})
	b.leavesNothing()
}

// checkOnce looks for a message at all connectors.
func checkOnce(rt *rapid.T, b *bench, id, reply string, r *balancer.Record) {
	acknowledged := strings.HasPrefix(reply, "250")
	stored := b.storedBy(id)
	if acknowledged && stored == 0 {
		// A connector that answers early stores a moment after it has spoken.
		waitFor(b.t, "the message to be stored", func() bool { return b.storedBy(id) > 0 })
		stored = b.storedBy(id)
	}
	for _, srv := range b.connectors {
		srv.Forget()
	}
	switch {
	case stored > 1:
		rt.Fatalf("%d connectors have it (%s, %v)", stored, reply, r.Tries)
	case acknowledged != (r.Outcome == balancer.Delivered):
		rt.Fatalf("%q and outcome %s", reply, r.Outcome)
	case stored == 1 && !acknowledged && r.Outcome != balancer.Ambiguous:
		rt.Fatalf("a connector has it, and the sender was told %q: outcome %s", reply, r.Outcome)
	}
}

// storedBy counts the connectors that have a message.
func (b *bench) storedBy(id string) int {
	n := 0
	for _, srv := range b.connectors {
		for _, m := range srv.Messages() {
			if strings.HasPrefix(string(m.Content), id) {
				n++
			}
		}
	}
	return n
}

// anyFaults draws what a connector does wrong; half of them do nothing wrong.
func anyFaults(rt *rapid.T, name string) []faulty.Fault {
	if rapid.Bool().Draw(rt, name+" is honest") {
		return nil
	}
	f := faulty.Fault{
		Stage: rapid.SampledFrom([]faulty.Stage{faulty.MAIL, faulty.RCPT, faulty.DATA, faulty.Body, faulty.FinalDot, faulty.RSET}).Draw(rt, name+" at"),
		Do:    rapid.SampledFrom([]faulty.Action{faulty.Answer, faulty.Drop, faulty.Reset, faulty.Mute, faulty.Garbage, faulty.Endless, faulty.StopReading}).Draw(rt, name+" does"),
		After: rapid.SampledFrom([]int{0, 10, 5000, 200000}).Draw(rt, name+" after"),
	}
	if f.Do == faulty.Answer {
		f.Reply = rapid.SampledFrom([]string{"421 4.3.2 later", "451 4.3.0 later", "550 5.7.1 no", "354 go on", "250 2.0.0 fine", "250 2.0.0 fine\n250 2.0.0 again"}).Draw(rt, name+" says")
	}
	f.Store = f.Stage == faulty.FinalDot && f.Do != faulty.Answer && rapid.Bool().Draw(rt, name+" stores")
	f.Reused = rapid.Bool().Draw(rt, name+" only when reused")
	return []faulty.Fault{f}
}
