package integration

import (
	"strings"
	"testing"
	"time"
)

// quickProbes find a fault in a second or two.
const quickProbes = "{probe: envelope, probe_to: box@test.example, interval: 500ms, fast_interval: 200ms, timeout: 2s, rise: 2, fall: 2}"

// patientProbes leave the judgement to traffic: they outlast what a busy connector needs, and take little of its room.
const patientProbes = "{probe: envelope, probe_to: box@test.example, interval: 2s, fast_interval: 2s, timeout: 15s, rise: 2, fall: 3}"

// TestJudgedFrozen: a Postfix whose processes are stopped. The kernel accepts connections for it, nothing is ever said
// there: out, with no sender's first try failed, and back when it goes on.
func TestJudgedFrozen(t *testing.T) {
	j := startJudged(t, opts{health: quickProbes}, nil)
	l := startMTAs(t, j.SMTPAddr(), "frozen", 6, 0, 10*time.Millisecond)
	j.flows(l, 50)
	thaw := j.sick.freeze()
	j.waitState(poolName, sickName, "down", "ejected")
	j.flows(l, 50)
	thaw()
	j.waitState(poolName, sickName, "up")
	j.flows(l, 50)
	if box := j.finish(l); box.byHost()[j.sick.host] == 0 {
		t.Errorf("%s stored nothing", j.sick.host)
	}
}

// TestJudgedFullDisk: a Postfix without room for its queue answers `452 4.3.1` to MAIL. Senders see nothing of it, it
// is offered less and less mail, and gets its share again when there is room.
func TestJudgedFullDisk(t *testing.T) {
	j := startJudged(t, opts{health: patientProbes}, nil)
	l := startMTAs(t, j.SMTPAddr(), "full", 6, 0, 10*time.Millisecond)
	j.flows(l, 50)
	j.sick.reconfigure("queue_minfree = 4611686018427387904\n")
	eventually(t, time.Minute, func() bool { return strings.Contains(j.stderr(), "452 4.3.1") }, "%s is not full", j.sick.host)
	// A quarter would be its due. What it is still offered are trials.
	var met, all int
	eventually(t, 90*time.Second, func() bool {
		from := len(j.transactions())
		j.flows(l, 100)
		met, all = j.metSick(from)
		return met*20 <= all
	}, "a full connector keeps its share: %d of the last %d messages were tried there; %q", met, all, j.changes())
	j.sick.reconfigure("queue_minfree = 0\n")
	eventually(t, 2*time.Minute, func() bool {
		before := settled(j.sick)
		j.flows(l, 60)
		return settled(j.sick) > before
	}, "%s has room again and gets no mail; %q", j.sick.host, j.changes())
	j.finish(l)
}

// settled is how many messages an instance has stored.
func settled(p *postfix) int {
	p.maildir.scan()
	return len(p.maildir.seen)
}

// TestJudgedConnectionRate: a Postfix that greets some connections and answers the others with 421, because too many
// come at once. That is a lack of room, no fault: it stays, with a limit.
func TestJudgedConnectionRate(t *testing.T) {
	rate := "anvil_rate_time_unit = 1s\nsmtpd_client_connection_rate_limit = 3\nsmtpd_client_event_limit_exceptions =\n"
	// Few messages a connection, so that more are wanted than it greets.
	o := opts{health: patientProbes, pool: []string{"reuse: {messages: 10}"}}
	j := startJudged(t, o, func(posts []*postfix) { posts[theSick].addMain(rate) })
	l := startMTAs(t, j.SMTPAddr(), "rate", 24, 0, 50*time.Millisecond)
	j.learnsLimit()
	j.flows(l, 200)
	j.neverOut()
	if box := j.finish(l); box.byHost()[j.sick.host] == 0 {
		t.Errorf("%s stored nothing", j.sick.host)
	}
}

// TestJudgedProcessLimit: a Postfix with two smtpd processes. While both work, further connections are accepted by the
// kernel and not greeted. That is a lack of room, no fault: it stays, with a limit.
func TestJudgedProcessLimit(t *testing.T) {
	o := opts{health: patientProbes, pool: []string{"reuse: {idle: 1s}"}}
	j := startJudged(t, o, func(posts []*postfix) {
		p := posts[theSick]
		master := strings.ReplaceAll(masterCF, "@ADDR@", p.addr)
		p.writeFile("etc/master.cf", strings.Replace(master, "n - n - - smtpd", "n - n - 2 smtpd", 1))
	})
	l := startMTAs(t, j.SMTPAddr(), "procs", 24, 0, 20*time.Millisecond)
	j.learnsLimit()
	j.flows(l, 200)
	j.neverOut()
	if box := j.finish(l); box.byHost()[j.sick.host] == 0 {
		t.Errorf("%s stored nothing", j.sick.host)
	}
}

// TestJudgedEmptiedMap: a Postfix that has lost its recipient map refuses with 550, for good, what its peers take. The
// probe's recipient shows it (P18), before mail bounces for long.
func TestJudgedEmptiedMap(t *testing.T) {
	j := startJudged(t, opts{health: quickProbes}, nil)
	j.sick.reconfigure(j.sick.knowsNobody())
	j.waitState(poolName, sickName, "down")
	l := startMTAs(t, j.SMTPAddr(), "map", 4, 25, 0)
	acknowledged := judgeLoad(t, j.weir, l.wait(t, time.Minute))
	checkDelivered(t, settle(t, j.posts), acknowledged, nil)
	j.sick.reconfigure("virtual_mailbox_maps = static:box/\n")
	j.waitState(poolName, sickName, "up", "recovering")
	j.othersStayed()
}

// TestJudgedAllMapsEmpty: a recipient that no connector knows says nothing about any of them.
func TestJudgedAllMapsEmpty(t *testing.T) {
	j := startJudged(t, opts{health: quickProbes}, func(posts []*postfix) {
		for _, p := range posts {
			p.addMain(p.knowsNobody())
		}
	})
	eventually(t, time.Minute, func() bool {
		for _, p := range j.posts {
			if strings.Count(p.wholeLog(), "550 5.1.1") < 5 {
				return false
			}
		}
		return true
	}, "the connectors are not probed, or know the recipient: %s", j.sick.log())
	j.neverOut()
	j.othersStayed()
}
