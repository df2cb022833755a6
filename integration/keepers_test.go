package integration

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/internal/faulty"
)

// keepers are senders that each keep one connection for all their messages. Whatever they are told that is not success,
// and every loss of a connection, is a fault of who stands before them: they never try again.
type keepers struct {
	t      *testing.T
	enough atomic.Bool
	done   sync.WaitGroup
	count  atomic.Int64 // messages acknowledged so far

	mu           sync.Mutex
	acknowledged []*message
	replies      map[int]int // by code
	faults       []string
}

// startKeepers sets n senders to work until end, with a pause between the messages of each.
func startKeepers(t *testing.T, addr, kind string, n int, pause time.Duration) *keepers {
	t.Helper()
	k := &keepers{t: t, replies: map[int]int{}}
	for i := range n {
		c, err := dialSMTP(addr)
		if err != nil {
			t.Fatalf("a sender that keeps its connection: %v", err)
		}
		c.heard = k.heard
		k.done.Go(func() { k.work(c, fmt.Sprintf("%s%d", kind, i), pause) })
	}
	t.Cleanup(func() { k.enough.Store(true); k.done.Wait() })
	return k
}

// heard counts a reply.
func (k *keepers) heard(r reply) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.replies[r.code]++
}

func (k *keepers) work(c *client, kind string, pause time.Duration) {
	defer c.close()
	for i := 0; !k.enough.Load(); i++ {
		m := newMessage(kind, filler(300+i*37%4000))
		if err := k.send(c, i, m); err != nil {
			k.fault("%s, message %d of its connection, at %s: %v", m.id, i+1, time.Now().Format(time.TimeOnly), err)
			return
		}
		k.mu.Lock()
		k.acknowledged = append(k.acknowledged, m)
		k.mu.Unlock()
		k.count.Add(1)
		time.Sleep(pause)
	}
	if rep, err := c.cmd("QUIT"); err != nil || rep.code != 221 {
		k.fault("%s: QUIT was answered with %v, %v", kind, rep, err)
	}
}

// send sends with DATA, pipelined or in chunks by turns.
func (k *keepers) send(c *client, i int, m *message) (err error) {
	switch i % 3 {
	case 0:
		_, err = c.sendData(m)
	case 1:
		_, err = c.sendPipelined(m)
	default:
		_, err = c.sendBDAT(m, 700)
	}
	return err
}

func (k *keepers) fault(format string, args ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults = append(k.faults, fmt.Sprintf(format, args...))
}

// flows waits for n more messages.
func (k *keepers) flows(n int64) {
	k.t.Helper()
	at := k.count.Load()
	if !poll(time.Minute, func() bool { return k.count.Load() >= at+n || k.faulted() > 0 }) {
		k.t.Fatalf("the load stands: %d messages, then %d", at, k.count.Load())
	}
}

func (k *keepers) faulted() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.faults)
}

// end lets every sender finish its message and leave, and fails the test for everything that they were told but success.
func (k *keepers) end() []*message {
	k.t.Helper()
	k.enough.Store(true)
	k.done.Wait() // every read has its deadline
	for i, f := range k.faults {
		if i < 10 {
			k.t.Errorf("a sender was failed: %s", f)
		}
	}
	for code, n := range k.replies {
		if code >= 400 {
			k.t.Errorf("senders read %d replies of code %d", n, code)
		}
	}
	k.t.Logf("%d messages, replies %v", len(k.acknowledged), k.replies)
	return k.acknowledged
}

// checkStored proves that every acknowledged message lies in one of the connectors, once.
func checkStored(t *testing.T, connectors []*faulty.Server, acknowledged []*message) {
	t.Helper()
	stored := map[string]int{}
	for _, c := range connectors {
		for _, m := range c.Messages() {
			stored[m.From]++
		}
	}
	bad := 0
	for _, m := range acknowledged {
		if n := stored[m.from]; n != 1 {
			if bad++; bad <= 10 {
				t.Errorf("%s was acknowledged and is stored %d times, want once", m.id, n)
			}
		}
	}
	if bad > 10 {
		t.Errorf("… and %d more", bad-10)
	}
}
