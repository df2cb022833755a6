package integration

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// mta is a sender that behaves as a mail server does: a long connection, every message kept until it is
// acknowledged, tried again after a 4xx or a lost connection, given up after a 5xx.
type mta struct {
	addr string
	conn *client
	sent int
}

// verdict is what became of one message.
type verdict struct {
	msg          *message
	acknowledged bool
	tries        int
	first        error // why the first try failed; nil when it did not
	permanent    error // the 5xx that ended it
}

// deliver tries until the message is acknowledged, refused for good, or ctx ends.
func (s *mta) deliver(ctx context.Context, m *message) verdict {
	v := verdict{msg: m}
	for {
		err := s.try(m)
		v.tries++
		if err == nil {
			v.acknowledged = true
			return v
		}
		if v.tries == 1 {
			v.first = err
		}
		var rep *replyError
		if errors.As(err, &rep) && rep.reply.class() == 5 {
			v.permanent = err
			return v
		}
		select {
		case <-ctx.Done():
			return v
		case <-time.After(min(time.Duration(v.tries)*50*time.Millisecond, time.Second)):
		}
	}
}

// try is one attempt, with DATA, pipelined or in chunks by turns.
func (s *mta) try(m *message) (err error) {
	if s.conn == nil {
		if s.conn, err = dialSMTP(s.addr); err != nil {
			return err
		}
	}
	switch s.sent++; s.sent % 3 {
	case 0:
		_, err = s.conn.sendData(m)
	case 1:
		_, err = s.conn.sendPipelined(m)
	default:
		_, err = s.conn.sendBDAT(m, 700)
	}
	if err != nil {
		s.recover(err)
	}
	return err
}

// recover leaves the connection ready for the next transaction, or drops it.
func (s *mta) recover(err error) {
	var rep *replyError
	if errors.As(err, &rep) && rep.reply.code != 421 {
		if _, err := s.conn.cmd("RSET"); err == nil {
			return
		}
	}
	s.conn.close()
	s.conn = nil
}

// mtaLoad is a number of mtas at work.
type mtaLoad struct {
	cancel  context.CancelFunc
	enough  atomic.Bool
	done    sync.WaitGroup
	count   atomic.Int64 // acknowledged so far
	mu      sync.Mutex
	results []verdict
}

// startMTAs sets n mtas to work, each on its own connection, with a pause between messages. With each > 0 it ends
// after that many messages a sender, else with stop.
func startMTAs(t *testing.T, addr, kind string, n, each int, pause time.Duration) *mtaLoad {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &mtaLoad{cancel: cancel}
	for range n {
		l.done.Go(func() { l.work(ctx, addr, kind, each, pause) })
	}
	t.Cleanup(func() { l.cancel(); l.done.Wait() })
	return l
}

func (l *mtaLoad) work(ctx context.Context, addr, kind string, each int, pause time.Duration) {
	s := &mta{addr: addr}
	for i := 0; (each == 0 || i < each) && !l.enough.Load() && ctx.Err() == nil; i++ {
		v := s.deliver(ctx, newMessage(kind, filler(300+i*37%4000)))
		l.mu.Lock()
		l.results = append(l.results, v)
		l.mu.Unlock()
		if v.acknowledged {
			l.count.Add(1)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	if s.conn != nil {
		s.conn.quit()
	}
}

// stop lets every sender finish its message; a sender that cannot within the ceiling fails the test.
func (l *mtaLoad) stop(t *testing.T) []verdict {
	t.Helper()
	l.enough.Store(true)
	return l.wait(t, 90*time.Second)
}

// wait waits for the senders' own end.
func (l *mtaLoad) wait(t *testing.T, ceiling time.Duration) []verdict {
	t.Helper()
	ended := make(chan struct{})
	go func() { l.done.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(ceiling):
		t.Errorf("senders still try after %s", ceiling)
		l.cancel()
		<-ended
	}
	return l.results
}

// judgeLoad proves what a sender may expect while connectors come and go: every message acknowledged, no 5xx, and no
// first try that failed except where weir could not know better.
func judgeLoad(t *testing.T, w *weir, results []verdict) (acknowledged []*message) {
	t.Helper()
	failed := 0
	for _, v := range results {
		if v.permanent != nil {
			t.Errorf("%s was refused for good: %v", v.msg.id, v.permanent)
		}
		if v.acknowledged {
			acknowledged = append(acknowledged, v.msg)
		} else {
			t.Errorf("%s was never acknowledged, %d tries, first: %v", v.msg.id, v.tries, v.first)
		}
		if v.first == nil {
			continue
		}
		if failed++; !w.explained(v.msg.id) {
			t.Errorf("the first try of %s failed without need: %v; log: %v", v.msg.id, v.first, w.transactionsFrom(v.msg.id+"@"))
		}
	}
	t.Logf("%d messages, %d first tries failed, %d ambiguous", len(results), failed, w.ambiguousTotal())
	return acknowledged
}

// explained says whether weir had to fail a try: it was ambiguous (P9), or the connector itself answered 4xx where
// that is relayed (P6, P10): a dying Postfix may say so.
func (w *weir) explained(id string) bool {
	for _, l := range w.transactionsFrom(id + "@") {
		relayed := l.str("by") == "connector" && l.num("code")/100 == 4 && (l.str("stage") == "rcpt" || l.str("stage") == "final_dot")
		if relayed || l.str("outcome") == "ambiguous" {
			return true
		}
	}
	return false
}

// ambiguous is how often weir logged a message as ambiguous: so many further copies are nobody's fault.
func (w *weir) ambiguous(id string) int {
	n := 0
	for _, l := range w.transactionsFrom(id + "@") {
		if l.str("outcome") == "ambiguous" {
			n++
		}
	}
	return n
}

func (w *weir) ambiguousTotal() int {
	return len(w.logged(func(l logLine) bool { return l.msg() == "transaction" && l.str("outcome") == "ambiguous" }))
}
