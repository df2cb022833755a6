package balancer_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/internal/backend"
	"weir/internal/faulty"
)

// fates are what became of the messages of many senders, by their subjects.
type fates struct{ taken, putOff sync.Map }

// deliver sends until the message is taken, each time under another name.
func (f *fates) deliver(t *testing.T, s *talker, name string) {
	for try := range 20 {
		subject := fmt.Sprintf("Subject: %s try %d", name, try)
		switch reply := s.message(subject + "\r\n\r\n" + strings.Repeat("text\r\n", 20)); reply[:3] {
		case "250":
			f.taken.Store(subject, true)
			return
		case "451":
			f.putOff.Store(subject, true)
		default:
			t.Errorf("%s: %q", subject, reply)
			return
		}
	}
	t.Errorf("%s was never taken", name)
}

// compare holds what connectors have against what senders were told: what was
// acknowledged is there once, what was put off at most once, and nothing else is.
func (f *fates) compare(t *testing.T, connectors []*faulty.Server, want int) {
	there := map[string]int{}
	for _, srv := range connectors {
		for _, m := range srv.Messages() {
			subject, _, _ := strings.Cut(string(m.Content), "\r\n")
			there[subject]++
		}
	}
	count := 0
	f.taken.Range(func(subject, _ any) bool {
		if count++; there[subject.(string)] != 1 {
			t.Errorf("%s is there %d times", subject, there[subject.(string)])
		}
		delete(there, subject.(string))
		return true
	})
	if count != want {
		t.Errorf("%d messages were taken", count)
	}
	for subject, n := range there {
		if _, known := f.putOff.Load(subject); !known || n > 1 {
			t.Errorf("%s is there %d times, and was not acknowledged", subject, n)
		}
	}
}

// Senders in their thousands, each of whom waits between its messages, beside reloads
// and a connector that is disabled and comes back: nothing is lost or doubled, and
// nothing is anybody's fault.
func TestManyParkedSenders(t *testing.T) {
	const drivers, each = 20, 100
	b := newBench(t, "a", "b", "c")
	b.pool().QueueTimeout = ceiling
	b.listener().Timeouts.Command = time.Hour // theirs is a long wait on a slow machine
	b.startOnFibers(b.witness)
	var senders [drivers][]*talker
	all := func(do func(driver, n int)) {
		var wg sync.WaitGroup
		for d := range drivers {
			wg.Go(func() {
				for n := range each {
					do(d, n)
				}
			})
		}
		done := make(chan struct{})
		go func() {
			wg.Wait()
			close(done)
		}()
		b.unrest(done)
	}
	var f fates
	all(func(d, n int) {
		s := b.dial().hello()
		_ = s.nc.SetDeadline(time.Time{})
		senders[d] = append(senders[d], s)
		f.deliver(t, s, fmt.Sprintf("first %d of %d", n, d))
	})
	atRest(t)
	all(func(d, n int) { f.deliver(t, senders[d][n], fmt.Sprintf("second %d of %d", n, d)) })
	atRest(t)
	if n := b.inside(); n != drivers*each {
		t.Errorf("%d sessions", n)
	}
	all(func(d, n int) { senders[d][n].ask("QUIT\r\n", "221 *") })
	f.compare(t, slices.Collect(maps.Values(b.connectors)), 2*drivers*each)
	for _, name := range b.names {
		if n := b.witness.verdicts(name, backend.Failure); n != 0 {
			t.Errorf("%s was blamed %d times", name, n)
		}
	}
	b.leavesNothing()
}
