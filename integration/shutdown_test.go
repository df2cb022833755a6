package integration

import (
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// isReply says whether err is a reply of that code with one of the enhanced codes.
func isReply(err error, code int, enhanced ...string) bool {
	var rep *replyError
	if !errors.As(err, &rep) || rep.reply.code != code {
		return false
	}
	return slices.ContainsFunc(enhanced, func(e string) bool { return strings.HasPrefix(rep.reply.text(), e) })
}

// openSenders dials n senders; every other one has sent a message already and keeps its connection.
func openSenders(t *testing.T, addr string, n int) []*client {
	t.Helper()
	var all []*client
	for i := range n {
		c, err := dialSMTP(addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.close)
		if i%2 == 1 {
			if _, err := c.sendData(newMessage("before-stop", []byte("x\r\n"))); err != nil {
				t.Fatal(err)
			}
		}
		c.patience = 15 * time.Second
		all = append(all, c)
	}
	return all
}

// expectGoodbye: the next thing a sender reads is 421 4.3.2, and then the end.
func expectGoodbye(t *testing.T, who string, c *client) {
	t.Helper()
	rep, err := c.read()
	if err != nil || rep.code != 421 || !strings.HasPrefix(rep.text(), "4.3.2") {
		t.Errorf("%s read %v (%v), want 421 4.3.2 (P1)", who, rep, err)
		return
	}
	if _, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("%s: after 421 came %v, want the end of the connection", who, err)
	}
}

// openBody brings a sender into the middle of a body and returns the half that is missing.
func openBody(t *testing.T, addr string, m *message) (c *client, rest []byte) {
	t.Helper()
	c, err := dialSMTP(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	if err := c.envelope(m); err != nil {
		t.Fatal(err)
	}
	if rep, err := c.cmd("DATA"); err != nil || rep.code != 354 {
		t.Fatalf("DATA: %v, %v", rep, err)
	}
	content := m.stuffed()
	if err := c.write(content[:len(content)/2]); err != nil {
		t.Fatal(err)
	}
	return c, content[len(content)/2:]
}

// TestTermIsPolite: on SIGTERM idle senders are told 421 4.3.2, a message in the middle of its body is finished and
// acknowledged first, no new connection is taken, readiness fails, and weir exits 0.
func TestTermIsPolite(t *testing.T) {
	needWeir(t)
	posts := startPostfixes(t, 1)
	addr, w := front(t, posts)
	idle := openSenders(t, addr, 10)
	m := newMessage("half", filler(40<<10))
	half, rest := openBody(t, addr, m)

	w.signal(syscall.SIGTERM)
	for _, c := range idle {
		expectGoodbye(t, "an idle sender", c)
	}
	if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		_ = conn.Close()
		t.Error("weir still takes connections while it stops")
	}
	if code, _, err := w.get("/readyz"); err == nil && code != http.StatusServiceUnavailable {
		t.Errorf("/readyz says %d while weir stops, want 503", code)
	}
	if rep, err := half.finish(rest); err != nil || rep.code != 250 {
		t.Errorf("the message in its body got %v (%v), want 250", rep, err)
	}
	expectGoodbye(t, "the sender of the last message", half)
	if code := w.waitExit(stopCeiling); code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
	checkDelivered(t, settle(t, posts), []*message{m}, nil)
}

// TestTermDoesNotWaitForever: a sender that never ends its body is cut after shutdown_timeout, and nothing of its
// message is delivered.
func TestTermDoesNotWaitForever(t *testing.T) {
	needWeir(t)
	posts := startPostfixes(t, 1)
	cfg := strings.Replace(basicConfig(opts{backends: addrs(posts)}), "shutdown_timeout: 20s", "shutdown_timeout: 1s", 1)
	w := startWeir(t, cfg)
	w.waitEligible(poolName, 1)
	m := newMessage("never-ends", filler(40<<10))
	openBody(t, w.SMTPAddr(), m)
	w.signal(syscall.SIGTERM)
	if code := w.waitExit(20 * time.Second); code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
	for key := range settle(t, posts) {
		if strings.HasPrefix(key, m.id+" ") {
			t.Error("half a message was delivered (P11)")
		}
	}
}

// TestSecondTermIsNow: who asks twice does not wait for a sender.
func TestSecondTermIsNow(t *testing.T) {
	needWeir(t)
	posts := startPostfixes(t, 1)
	cfg := strings.Replace(basicConfig(opts{backends: addrs(posts)}), "shutdown_timeout: 20s", "shutdown_timeout: 10m", 1)
	w := startWeir(t, cfg)
	w.waitEligible(poolName, 1)
	openBody(t, w.SMTPAddr(), newMessage("never-ends", filler(40<<10)))
	w.signal(syscall.SIGTERM)
	// The second signal must find the first one at work, else they may arrive as one.
	eventually(t, 20*time.Second, func() bool {
		conn, err := net.DialTimeout("tcp", w.SMTPAddr(), time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, "weir still takes connections after SIGTERM")
	w.signal(syscall.SIGTERM)
	w.waitExit(10 * time.Second)
}
