package integration

import (
	"bufio"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/internal/faulty"
)

// newSinks is newFlock of connectors that only count. Each answers a message's end so much later as the list says,
// or at once where it says nothing.
func newSinks(t *testing.T, n int, o opts, late ...time.Duration) *flock {
	t.Helper()
	f := &flock{t: t}
	for i := range n {
		b := faulty.Honest()
		if i < len(late) {
			b.Faults = []faulty.Fault{{Stage: faulty.FinalDot, Delay: late[i]}}
		}
		s, err := faulty.New(faulty.Options{Name: backendName(i), Behaviour: b, ForgetContent: true, ForgetDialog: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		f.c = append(f.c, s)
		o.backends = append(o.backends, s.Addr())
	}
	f.front(o)
	f.waitEligible(poolName, n)
	return f
}

// front starts weir before the connectors that the options name.
func (f *flock) front(o opts) {
	f.t.Helper()
	o.health, o.timeouts = or(o.health, quietHealth), or(o.timeouts, shortTimeouts)
	f.weir = launchWeir(f.t, launch{config: basicConfig(o)})
	f.waitReady(ceiling)
}

// pump sends n messages over some connections at once, each as fast as it is answered. All of them must be taken.
func (f *flock) pump(senders, n int) {
	f.t.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	errs := make(chan error, senders)
	for range senders {
		wg.Go(func() { errs <- f.drive(&left) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			f.t.Fatalf("a sender: %v", err)
		}
	}
}

// drive is one sender of a pump.
func (f *flock) drive(left *atomic.Int64) error {
	c, err := dialSMTP(f.smtp)
	if err != nil {
		return err
	}
	defer c.quit()
	for left.Add(-1) >= 0 {
		if _, err := c.sendPipelined(newMessage("pump", []byte("Hello.\r\n"))); err != nil {
			return err
		}
	}
	return nil
}

// got is how many messages each connector has stored, by its name.
func (f *flock) got() map[string]int {
	n := map[string]int{}
	for _, c := range f.c {
		n[c.Name()] = int(c.Stats().Messages)
	}
	return n
}

// near wants a count within a bound of what it should be.
func (f *flock) near(name string, want, bound float64) {
	f.t.Helper()
	if got := f.got(); math.Abs(float64(got[name])-want) > bound {
		f.t.Errorf("%s got %d messages, want %.0f ± %.0f; all: %v", name, got[name], want, bound, got)
	}
}

// drawn is the bound of a count that is drawn at random n times with probability p: five standard deviations, which
// one run in two million leaves.
func drawn(n int, p float64) float64 { return 5 * math.Sqrt(float64(n)*p*(1-p)) }

// fewer is n, or a quarter of it where time is short.
func fewer(n int) int {
	if testing.Short() {
		return n / 4
	}
	return n
}

// dialFrom is a sender's connection from another address of loopback, after EHLO.
func (f *flock) dialFrom(ip string) *client {
	f.t.Helper()
	d := net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	conn, err := d.Dial("tcp", f.smtp)
	if err != nil {
		f.t.Fatalf("dialing from %s: %v", ip, err)
	}
	c := &client{conn: conn, r: bufio.NewReader(conn), patience: 90 * time.Second}
	f.t.Cleanup(c.close)
	greeting, err := c.read()
	if err == nil && greeting.code != 220 {
		err = &replyError{"greeting", greeting}
	}
	if err == nil {
		err = c.ehlo()
	}
	if err != nil {
		f.t.Fatalf("a sender at %s: %v", ip, err)
	}
	return c
}

// lands sends a message and returns the connector that has it.
func (f *flock) lands(c *client, m *message) *faulty.Server {
	f.t.Helper()
	if rep := f.deliverOn(c, m); rep.code != 250 {
		f.t.Fatalf("%s: got %s, want 250", m.id, rep)
	}
	return f.holder(m)
}

// poolOf starts n connectors, named POOL-0, POOL-1 …, and returns the lines of a pool of them.
func (f *flock) poolOf(pool string, n int, lines ...string) string {
	f.t.Helper()
	text := fmt.Sprintf("  %s:\n    policy: round-robin\n    tls: {mode: off}\n    health: %s\n    timeouts: %s\n", pool, quietHealth, shortTimeouts)
	for _, l := range lines {
		text += "    " + l + "\n"
	}
	text += "    backends:\n"
	for i := range n {
		name := fmt.Sprintf("%s-%d", pool, i)
		text += fmt.Sprintf("      - {address: %q, name: %s}\n", f.connector(name).Addr(), name)
	}
	return text
}
