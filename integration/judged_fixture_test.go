package integration

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// judgedPosts is one pool of four real Postfix of which one is, or becomes, sick in a way of its own.
type judgedPosts struct {
	*weir
	posts []*postfix
	sick  *postfix
}

// theSick is which of the four it is, by index, and the name weir knows it by.
const (
	theSick  = 1
	sickName = "c1"
)

// startJudged starts four Postfix, once prepare has had its way with their files, and weir before them.
func startJudged(t *testing.T, o opts, prepare func(posts []*postfix)) *judgedPosts {
	t.Helper()
	needWeir(t)
	posts := newPostfixes(t, 4)
	j := &judgedPosts{posts: posts, sick: posts[theSick]}
	if prepare != nil {
		prepare(posts)
	}
	launchAll(t, posts)
	o.backends = addrs(posts)
	o.timeouts = "{connect: 2s, banner: 10s, ehlo: 10s, mail: 10s, rcpt: 10s, data: 10s, body: 20s, final_dot: 20s}"
	o.pool = append(o.pool, "slow_start: 5s",
		"breaker: {open_for: 2s, stuck_after: {connect: 1s, banner: 2s, ehlo: 2s, mail: 2s, rcpt: 2s, data: 2s, body: 5s, final_dot: 3s}}")
	j.weir = startWeir(t, basicConfig(o))
	j.waitEligible(poolName, len(posts))
	return j
}

// addMain adds lines to main.cf; of two for one parameter the later holds.
func (p *postfix) addMain(lines string) {
	p.t.Helper()
	text, err := os.ReadFile(p.path("etc/main.cf"))
	if err != nil {
		p.t.Fatalf("reading main.cf: %v", err)
	}
	p.writeFile("etc/main.cf", string(text)+lines)
}

// knowsNobody is main.cf with an empty recipient map, whose file it makes.
func (p *postfix) knowsNobody() (lines string) {
	p.t.Helper()
	p.writeFile("etc/nobody", "")
	return "virtual_mailbox_maps = texthash:" + p.path("etc/nobody") + "\n"
}

// wholeLog is all of its mail log.
func (p *postfix) wholeLog() string {
	text, _ := os.ReadFile(p.path("log/mail.log"))
	return string(text)
}

// reconfigure is addMain for a running instance.
func (p *postfix) reconfigure(lines string) {
	p.t.Helper()
	p.addMain(lines)
	if out, err := p.control("reload"); err != nil {
		p.t.Fatalf("reloading Postfix %s: %v: %s", p.host, err, out)
	}
}

// freeze stops the master and all its children, as a hanging machine would: the kernel still accepts connections. The
// returned function lets them go on.
func (p *postfix) freeze() (thaw func()) {
	p.t.Helper()
	pid := p.pid
	if err := syscall.Kill(-pid, syscall.SIGSTOP); err != nil {
		p.t.Fatalf("stopping Postfix %s: %v", p.host, err)
	}
	thaw = func() { _ = syscall.Kill(-pid, syscall.SIGCONT) }
	p.t.Cleanup(thaw) // before the instance's own cleanup: a frozen one cannot end
	return thaw
}

// changes are the states that the sick one was said to enter.
func (j *judgedPosts) changes() (to []string) {
	for _, l := range j.backendLines() {
		if strings.HasSuffix(l.str("backend"), sickName) {
			to = append(to, l.str("to")+": "+l.str("why"))
		}
	}
	return to
}

// neverOut fails the test if the sick one was ever taken out of service.
func (j *judgedPosts) neverOut() {
	j.t.Helper()
	out := func(s string) bool { return strings.HasPrefix(s, "ejected") || strings.HasPrefix(s, "down") }
	if changes := j.changes(); slices.ContainsFunc(changes, out) {
		j.t.Errorf("a connector that is merely full was taken out: %q", changes)
	}
}

// othersStayed fails the test if one of the well ones was taken out of service.
func (j *judgedPosts) othersStayed() {
	j.t.Helper()
	for _, l := range j.backendLines() {
		if to := l.str("to"); !strings.HasSuffix(l.str("backend"), sickName) && (to == "ejected" || to == "down") {
			j.t.Errorf("a well connector was taken out: %v", l)
		}
	}
}

// flows waits for n more messages.
func (j *judgedPosts) flows(l *mtaLoad, n int64) {
	j.t.Helper()
	at := l.count.Load()
	eventually(j.t, time.Minute, func() bool { return l.count.Load() >= at+n }, "the load stands: %d messages, then %d", at, l.count.Load())
}

// learnsLimit waits until weir says that it gives the sick one only so many at a time.
func (j *judgedPosts) learnsLimit() {
	j.t.Helper()
	var last backendStatus
	ok := poll(time.Minute, func() bool {
		last = j.status().backend(poolName, sickName)
		return strings.Contains(last.Reason, "at a time")
	})
	if !ok {
		j.t.Fatalf("no limit was learned for %s: %s, %q; changes: %q", sickName, last.State, last.Reason, j.changes())
	}
}

// metSick counts transactions from index on that tried the sick one and left it.
func (j *judgedPosts) metSick(from int) (met, all int) {
	for _, l := range j.transactions()[from:] {
		all++
		tries, _ := l["tries"].([]any)
		for _, try := range tries {
			m, _ := try.(map[string]any)
			if name, _ := m["backend"].(string); strings.HasSuffix(name, sickName) {
				met++
				break
			}
		}
	}
	return met, all
}

// finish ends the load and proves that senders saw nothing and that all of it arrived.
func (j *judgedPosts) finish(l *mtaLoad) inbox {
	j.t.Helper()
	acknowledged := judgeLoad(j.t, j.weir, l.stop(j.t))
	box := settle(j.t, j.posts)
	checkDelivered(j.t, box, acknowledged, j.ambiguous)
	j.othersStayed()
	return box
}
