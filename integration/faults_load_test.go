package integration

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"weir/internal/faulty"
)

// stream is a steady load of messages in whose middle one connector is hurt.
type stream struct {
	messages int
	senders  int
	perConn  int           // messages a sender sends on one connection
	pause    time.Duration // before the last line and the dot: a loss in the body then shows before the terminator
}

// patience is how long a sender waits for a reply before it calls its try failed.
const patience = 4 * time.Second

// tally is what the senders saw.
type tally struct {
	mu     sync.Mutex
	failed []string // first tries that failed, and how
	gaveUp []string
	sent   []*message
}

// steady is the load of most tests: about 250 messages a second.
func steady() stream {
	l := stream{messages: 300, senders: 20, perConn: 5}
	if testing.Short() {
		l.messages = 120
	}
	return l
}

// run sends the load through weir; hurt is called when a third is on its way.
func (l stream) run(f *flock, hurt func()) *tally {
	jobs := make(chan *message)
	sum := &tally{}
	var wg sync.WaitGroup
	for i := range l.senders {
		wg.Go(func() { l.send(f, jobs, sum, i%2 == 0) })
	}
	tick := time.NewTicker(4 * time.Millisecond)
	defer tick.Stop()
	kind := "load"
	for i := range l.messages {
		if i == l.messages/3 {
			hurt()
			kind = "late" // what was half sent before is told apart by its name
		}
		m := f.message(kind, 4000)
		sum.sent = append(sum.sent, m)
		<-tick.C
		jobs <- m
	}
	close(jobs)
	wg.Wait()
	return sum
}

// send is one sender: several messages a connection, a new connection after every failure.
func (l stream) send(f *flock, jobs <-chan *message, sum *tally, pipelined bool) {
	var c *client
	n := 0
	for m := range jobs {
		for try := 0; ; try++ {
			err := l.try(f, &c, m, pipelined)
			if err == nil {
				n++
				break
			}
			sum.note(m, try, err)
			if c != nil {
				c.close()
				c = nil
			}
			if try == 20 {
				break
			}
		}
		if c != nil && n%l.perConn == 0 {
			c.quit()
			c = nil
		}
	}
	if c != nil {
		c.quit()
	}
}

func (l stream) try(f *flock, c **client, m *message, pipelined bool) error {
	if *c == nil {
		conn, err := dialSMTP(f.smtp)
		if err != nil {
			return err
		}
		conn.patience = patience
		*c = conn
	}
	if l.pause > 0 {
		return l.tryPausing(*c, m)
	}
	var err error
	if pipelined {
		_, err = (*c).sendPipelined(m)
	} else {
		_, err = (*c).sendData(m)
	}
	return err
}

func (l stream) tryPausing(c *client, m *message) error {
	if err := c.envelope(m); err != nil {
		return err
	}
	if rep, err := c.cmd("DATA"); err != nil || rep.code != 354 {
		return errors.Join(err, &replyError{"DATA", rep})
	}
	p := m.stuffed()
	if err := c.write(p[:len(p)-20]); err != nil {
		return err
	}
	time.Sleep(l.pause) // the fault's own time, not a wait for weir: a real sender that reads its file slowly
	_, err := c.finish(p[len(p)-20:])
	return err
}

func (sum *tally) note(m *message, try int, err error) {
	sum.mu.Lock()
	defer sum.mu.Unlock()
	if try == 0 {
		sum.failed = append(sum.failed, fmt.Sprintf("%s: %v", m.id, err))
	}
	if try == 20 {
		sum.gaveUp = append(sum.gaveUp, m.id)
	}
}

// flawless wants every message taken at its first try and stored exactly once, as it was sent.
func (sum *tally) flawless(f *flock) {
	f.t.Helper()
	if n := len(sum.failed); n > 0 {
		f.t.Errorf("%d first tries failed, want none; the first of them: %s", n, sum.failed[0])
	}
	sum.lossless(f)
}

// lossless wants every message that was taken stored exactly once.
func (sum *tally) lossless(f *flock) {
	f.t.Helper()
	if n := len(sum.gaveUp); n > 0 {
		f.t.Errorf("%d senders gave up: %v", n, sum.gaveUp[:min(n, 5)])
	}
	lost, twice, spoilt := 0, 0, 0
	got := f.arrived()
	for _, m := range sum.sent {
		switch copies := got[m.from]; {
		case len(copies) == 0:
			lost++
		case len(copies) > 1:
			twice++
		case !bytes.HasSuffix(copies[0].Content, m.raw):
			spoilt++
		}
	}
	if lost+twice+spoilt > 0 {
		f.t.Errorf("of %d messages %d are lost, %d stored more than once, %d changed", len(sum.sent), lost, twice, spoilt)
	}
}

// arrived is all stored messages by their sender.
func (f *flock) arrived() map[string][]faulty.Message {
	got := map[string][]faulty.Message{}
	for _, c := range f.c {
		for _, m := range c.Messages() {
			got[m.From] = append(got[m.From], m)
		}
	}
	return got
}

// loadCase is one fault that shows before the terminator is written.
type loadCase struct {
	name   string
	faults []faulty.Fault
	refuse bool
	load   func(*stream)
}

// unnoticed runs each fault on one of four connectors in the middle of a steady load. No sender may notice.
func unnoticed(t *testing.T, cases []loadCase) {
	t.Helper()
	for _, x := range cases {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			// Connections are kept for three messages only: else few new ones would meet a fault at banner or EHLO.
			f := newFlock(t, 4, opts{
				health: "{probe: ehlo, interval: 500ms, fast_interval: 200ms, timeout: 2s, rise: 2, fall: 3}",
				pool:   []string{"reuse: {messages: 3}"},
			})
			l := steady()
			if x.load != nil {
				x.load(&l)
			}
			l.run(f, func() {
				f.c[1].Hurt(x.faults...)
				if x.refuse {
					f.c[1].Refuse()
				}
			}).flawless(f)
			f.metFault(x)
		})
	}
}

// metFault makes sure that a test which saw no failure did not just miss the fault.
func (f *flock) metFault(x loadCase) {
	f.t.Helper()
	met := false
	for _, l := range f.transactions() {
		met = met || bytes.Contains(fmt.Append(nil, l["tries"]), []byte(f.c[1].Name()))
	}
	if !met {
		f.t.Errorf("no transaction tried the hurt connector and left it: the fault was not met")
	}
}

// late limits a fault to messages begun after it: a connector that fails when all of an older one's content has been
// read, but for the last line, fails at its terminator.
func late(fault faulty.Fault) []faulty.Fault { return []faulty.Fault{fault.Containing("late-")} }

func pausing(l *stream) { l.pause = 100 * time.Millisecond; l.senders = 40 }

func saying(stage faulty.Stage, replies ...string) (cases []loadCase) {
	for _, r := range replies {
		cases = append(cases, loadCase{name: string(stage) + " " + r[:3], faults: []faulty.Fault{faulty.Say(stage, r)}})
	}
	return cases
}

func doing(stage faulty.Stage, actions map[string]faulty.Action) (cases []loadCase) {
	for name, a := range actions {
		cases = append(cases, loadCase{name: string(stage) + " " + name, faults: []faulty.Fault{faulty.At(stage, a)}})
	}
	return cases
}

// losses are the ways in which a stage ends without an answer.
var losses = map[string]faulty.Action{"mute": faulty.Mute, "drop": faulty.Drop, "reset": faulty.Reset}

// babble are the ways in which a stage is answered with what is no reply (P27).
var babble = map[string]faulty.Action{"garbage": faulty.Garbage, "endless": faulty.Endless}

func TestP3_ConnectorUnreachableUnderLoad(t *testing.T) {
	cases := append(doing(faulty.Banner, losses), doing(faulty.EHLO, losses)...)
	cases = append(cases, doing(faulty.Connect, map[string]faulty.Action{"drop": faulty.Drop, "reset": faulty.Reset})...)
	cases = append(cases, saying(faulty.Banner, "421 4.3.2 too many", "554 5.3.2 no mail here")...)
	cases = append(cases, saying(faulty.EHLO, "421 4.3.2 too many", "550 5.7.1 go away")...)
	unnoticed(t, append(cases, loadCase{name: "refuse", refuse: true}))
}

func TestP4_MailRefusedForNowUnderLoad(t *testing.T) {
	cases := saying(faulty.MAIL, "421 4.3.2 closing", "451 4.3.0 later", "452 4.3.1 full")
	unnoticed(t, append(cases, doing(faulty.MAIL, losses)...))
}

func TestP5_MailRefusedByOurMistakeUnderLoad(t *testing.T) {
	unnoticed(t, saying(faulty.MAIL, "500 5.5.2 what", "503 5.5.1 order", "530 5.7.0 login", "555 5.5.4 parameter"))
}

func TestP7_LostBetweenRcptAnd354UnderLoad(t *testing.T) {
	cases := append(doing(faulty.RCPT, losses), doing(faulty.DATA, losses)...)
	cases = append(cases, saying(faulty.RCPT, "421 4.3.2 closing")...)
	unnoticed(t, append(cases, saying(faulty.DATA, "421 4.3.2 closing", "451 4.3.0 later")...))
}

func TestP8_LostInBodyUnderLoad(t *testing.T) {
	unnoticed(t, []loadCase{
		{name: "drop", faults: late(faulty.InBody(2000, faulty.Drop)), load: pausing},
		{name: "reset", faults: late(faulty.InBody(2000, faulty.Reset)), load: pausing},
		{name: "drop at once", faults: late(faulty.InBody(0, faulty.Drop)), load: pausing},
		{name: "early 451 P28", faults: late(faulty.EarlyReply(2000, "451 4.3.0 disk")), load: pausing},
		{name: "early 421 P28", faults: late(faulty.EarlyReply(2000, "421 4.3.2 closing")), load: pausing},
	})
}

func TestP14_UnexpectedClassUnderLoad(t *testing.T) {
	cases := saying(faulty.MAIL, "354 what")
	cases = append(cases, saying(faulty.RCPT, "354 what")...)
	unnoticed(t, append(cases, saying(faulty.DATA, "250 what")...))
}

func TestP27_BabblingConnectorUnderLoad(t *testing.T) {
	var cases []loadCase
	for _, stage := range []faulty.Stage{faulty.Banner, faulty.EHLO, faulty.MAIL, faulty.RCPT, faulty.DATA} {
		cases = append(cases, doing(stage, babble)...)
	}
	unnoticed(t, cases)
}

// At the terminator some first tries must fail (P9, P10), but nothing is lost and nothing is stored twice by weir. A
// sender that was told 451 after the connector stored the message does bring it again: that is not weir's doing.
func TestP9_LostAtFinalDotUnderLoad(t *testing.T) {
	for name, fault := range map[string]faulty.Fault{
		"drop": faulty.At(faulty.FinalDot, faulty.Drop), "mute": faulty.At(faulty.FinalDot, faulty.Mute),
		"P10 451": faulty.Say(faulty.FinalDot, "451 4.3.0 later"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 4, opts{health: "{probe: ehlo, interval: 500ms, fast_interval: 200ms, timeout: 2s, rise: 2, fall: 3}"})
			sum := steady().run(f, func() { f.c[1].Hurt(fault) })
			sum.lossless(f)
			if len(sum.failed) == 0 {
				t.Error("no sender was told of a loss at the final dot")
			}
			f.neverReplayedPastTheEnd()
		})
	}
}

// neverReplayedPastTheEnd compares ends of data with answers: a transaction reaches one end at most.
func (f *flock) neverReplayedPastTheEnd() {
	f.t.Helper()
	ended := len(f.logged(func(l logLine) bool {
		return l.msg() == "transaction" && (l.str("outcome") == "delivered" || l.str("outcome") == "ambiguous" || l.str("stage") == "final_dot")
	}))
	if n := f.seen(); n > int64(ended) {
		f.t.Errorf("connectors reached %d ends of data in %d transactions that got so far", n, ended)
	}
}

// Straight at a connector the senders fail no first try, and do notice a fault: what they count is the connector's.
func TestControl_SendersCountRightWithoutWeir(t *testing.T) {
	t.Parallel()
	s, err := faulty.New(faulty.Options{Behaviour: faulty.Honest()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	f := &flock{weir: &weir{t: t, smtp: s.Addr()}, t: t, c: []*faulty.Server{s}}
	steady().run(f, func() {}).flawless(f)
	s.Forget()
	sum := steady().run(f, func() {
		s.Hurt(faulty.Say(faulty.MAIL, "451 4.3.0 later").Limited(7), faulty.StoreThen(faulty.Drop).Limited(3))
	})
	if n := len(sum.failed); n == 0 || n > 10 || len(sum.gaveUp) != 0 { // a second try may meet one of the ten faults too
		t.Errorf("%d first tries failed and %d gave up, want 1 to 10 and none", n, len(sum.gaveUp))
	}
	twice := 0
	for _, copies := range f.arrived() {
		twice += len(copies) - 1
	}
	if twice != 3 {
		t.Errorf("%d messages were stored twice, want 3", twice)
	}
}
