package integration

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// honest is senders with an address each, in networks of their own, that go on with their work while others misbehave: a
// connection, a message, a pause. Every message must be taken at the first try.
type honest struct {
	t      *testing.T
	to     string
	enough atomic.Bool
	done   sync.WaitGroup

	mu    sync.Mutex
	took  []time.Duration // from connecting to the final answer
	taken []*message
	wrong []error
}

func startHonest(t *testing.T, to string, senders int) *honest {
	t.Helper()
	h := &honest{t: t, to: to}
	for i := range senders {
		h.done.Go(func() { h.work(fmt.Sprintf("127.99.%d.1", i)) })
	}
	t.Cleanup(func() { h.enough.Store(true); h.done.Wait() })
	return h
}

func (h *honest) work(from string) {
	for !h.enough.Load() {
		m := newMessage("honest", filler(1000))
		began := time.Now()
		err := sendFrom(from, h.to, m)
		h.mu.Lock()
		h.took = append(h.took, time.Since(began))
		if h.taken = append(h.taken, m); err != nil {
			h.wrong = append(h.wrong, err)
		}
		h.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
}

// sendFrom sends one message on a connection of its own.
func sendFrom(from, to string, m *message) error {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: ceiling}
	conn, err := dialer.Dial("tcp", to)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	c := &client{conn: conn, r: bufio.NewReader(conn), patience: ceiling}
	defer c.close()
	rep, err := c.read()
	if err == nil && rep.code != 220 {
		err = &replyError{"greeting", rep}
	}
	if err == nil {
		err = c.ehlo()
	}
	if err != nil {
		return err
	}
	if _, err := c.sendData(m); err != nil {
		return err
	}
	_, err = c.cmd("QUIT")
	return err
}

// flows waits for n more messages, so that what follows has met honest mail.
func (h *honest) flows(n int) {
	h.t.Helper()
	count := func() int { h.mu.Lock(); defer h.mu.Unlock(); return len(h.took) }
	from := count()
	eventually(h.t, 60*time.Second, func() bool { return count() >= from+n }, "honest senders do not come through: %d messages in all", count())
}

// end stops them, and holds that all of them were served. It returns how long the slowest of half of the messages took, and of 99 in 100.
func (h *honest) end() (p50, p99 time.Duration) {
	h.t.Helper()
	h.enough.Store(true)
	h.done.Wait()
	if len(h.wrong) > 0 {
		h.t.Errorf("%d of %d honest messages failed, the first: %v", len(h.wrong), len(h.took), h.wrong[0])
	}
	slices.Sort(h.took)
	if n := len(h.took); n > 0 {
		p50, p99 = h.took[n/2], h.took[n*99/100]
	}
	h.t.Logf("%d honest messages, p50 %s, p99 %s", len(h.took), p50.Round(time.Microsecond), p99.Round(time.Microsecond))
	return p50, p99
}
