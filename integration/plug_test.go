package integration

import (
	"os"
	"testing"
	"time"
)

// needWeir skips a test that makes no sense against a Postfix alone.
func needWeir(t *testing.T) {
	t.Helper()
	if os.Getenv("WEIR_DIRECT") == "1" {
		t.Skip("needs weir")
	}
}

// TestKillNine pulls the plug on one of four Postfix in the middle of 2000 messages: nothing is lost, nothing is
// stored twice that was not logged as ambiguous, no sender gets a 5xx, and the connector comes back into service.
func TestKillNine(t *testing.T) {
	needWeir(t)
	posts := startPostfixes(t, 4)
	addr, w := front(t, posts)
	senders, each := 8, 250
	if testing.Short() {
		each = 50
	}
	l := startMTAs(t, addr, "kill", senders, each, 0)
	quarter := int64(senders * each / 4)
	eventually(t, time.Minute, func() bool { return l.count.Load() >= quarter }, "the load does not flow")
	victim := posts[1]
	victim.kill9()
	w.waitState(poolName, backendName(1), "down", "ejected")
	results := l.wait(t, 3*time.Minute)
	if len(results) != senders*each {
		t.Errorf("%d messages were sent, want %d", len(results), senders*each)
	}
	acknowledged := judgeLoad(t, w, results)

	// What it had acknowledged lies in its queue: the restart shows it.
	victim.start()
	w.waitState(poolName, backendName(1), "up", "recovering")
	box := settle(t, posts)
	checkDelivered(t, box, acknowledged, w.ambiguous)
	checkComesBack(t, w, posts, victim)
}

// checkComesBack: a connector that is up again gets its share.
func checkComesBack(t *testing.T, w *weir, posts []*postfix, back *postfix) {
	t.Helper()
	w.waitEligible(poolName, len(posts))
	before := settle(t, posts).byHost()[back.host]
	done := sendRaw((*client).sendPipelined)(t, w.SMTPAddr(), smallMessages("after", 40))
	box := settle(t, posts)
	checkDelivered(t, box, done, nil)
	// Slow start may keep it below its full share of 10, but mail it must get.
	if got := box.byHost()[back.host] - before; got < 1 {
		t.Errorf("%s came back and got %d of 40 messages: %v", back.host, got, box.byHost())
	}
}

// TestRollingRestart stops and starts each Postfix in turn under a steady load on long connections: no sender's first
// try fails that weir could have saved.
func TestRollingRestart(t *testing.T) {
	needWeir(t)
	posts := startPostfixes(t, 4)
	addr, w := front(t, posts)
	l := startMTAs(t, addr, "rolling", 6, 0, 10*time.Millisecond)
	eventually(t, 30*time.Second, func() bool { return l.count.Load() > 50 }, "the load does not flow")
	for i, p := range posts {
		p.stop()
		w.waitState(poolName, backendName(i), "down", "ejected")
		at := l.count.Load()
		eventually(t, 30*time.Second, func() bool { return l.count.Load() > at+50 }, "the load stands while %s is down", p.host)
		p.start()
		w.waitState(poolName, backendName(i), "up", "recovering")
		w.waitEligible(poolName, len(posts))
	}
	acknowledged := judgeLoad(t, w, l.stop(t))
	box := settle(t, posts)
	checkDelivered(t, box, acknowledged, w.ambiguous)
	for _, p := range posts {
		if box.byHost()[p.host] == 0 {
			t.Errorf("%s got no mail at all", p.host)
		}
	}
	checkBackendLines(t, w, len(posts))
}

// checkBackendLines: each outage is in the log, down and up, with its reason and its author.
func checkBackendLines(t *testing.T, w *weir, n int) {
	t.Helper()
	for i := range n {
		var down, up bool
		for _, l := range w.backendLines() {
			if l.str("backend") != backendName(i) && l.str("backend") != poolName+"/"+backendName(i) {
				continue
			}
			to := l.str("to")
			down = down || to == "down" || to == "ejected"
			up = up || down && (to == "up" || to == "recovering")
			if l.str("why") == "" || l.str("from") == "" {
				t.Errorf("a state change without from or why: %v", l)
			}
		}
		if !down || !up {
			t.Errorf("the log does not tell that %s went down (%t) and came back (%t)", backendName(i), down, up)
		}
	}
}

// TestAllDownAndBack: with every connector gone senders are greeted and told 451, never 5xx, and their retries get
// through when one returns.
func TestAllDownAndBack(t *testing.T) {
	needWeir(t)
	posts := startPostfixes(t, 1)
	addr, w := front(t, posts)
	l := startMTAs(t, addr, "alldown", 2, 0, 20*time.Millisecond)
	eventually(t, 30*time.Second, func() bool { return l.count.Load() > 10 }, "the load does not flow")
	posts[0].stop()
	w.waitState(poolName, backendName(0), "down", "ejected")
	c, err := dialSMTP(addr)
	if err != nil {
		t.Fatalf("no greeting while all connectors are down (P2): %v", err)
	}
	defer c.quit()
	if err := c.envelope(newMessage("alldown", nil)); err == nil || !isReply(err, 451, "4.3.2", "4.4.1") {
		t.Errorf("with no connector the envelope got %v, want 451 4.3.2 or 4.4.1 (P2, P3)", err)
	}
	posts[0].start()
	w.waitState(poolName, backendName(0), "up", "recovering")
	at := l.count.Load()
	eventually(t, 30*time.Second, func() bool { return l.count.Load() > at+10 }, "the load does not flow again")
	var acknowledged []*message
	for _, v := range l.stop(t) {
		if v.permanent != nil || !v.acknowledged {
			t.Errorf("%s: permanent %v, acknowledged %t", v.msg.id, v.permanent, v.acknowledged)
		} else {
			acknowledged = append(acknowledged, v.msg)
		}
	}
	checkDelivered(t, settle(t, posts), acknowledged, w.ambiguous)
}
