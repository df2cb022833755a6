package demo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLedger(t *testing.T) {
	l := &ledger{}
	for range 6 {
		l.open()
	}
	for _, id := range []int{0, 1, 2} {
		l.accept(id)
	}
	for _, id := range []int{0, 2, 2, 3, 4, 4, 99, -1} {
		l.store(id)
	}
	for range 300 {
		l.store(4) // the count of an entry stops, it does not come round
	}
	l.retry()
	want := tally{Accepted: 3, Once: 1, Lost: 1, Duplicated: 2, Open: 3, Retried: 1}
	if got := l.sum(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestBar(t *testing.T) {
	for n, want := range map[int64]string{0: "·", 1: "▁", 8: "▄", 16: "█"} {
		if got := bar(n, 16); got != want {
			t.Errorf("%d of 16: %s, want %s", n, got, want)
		}
	}
	if got := bar(0, 0); got != "·" {
		t.Errorf("0 of 0: %s", got)
	}
}

func TestReadID(t *testing.T) {
	s := &sender{number: 3}
	text, err := io.ReadAll(s.message(42, "a@example.org", "b@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	if id, err := readID(bytes.NewReader(append([]byte("Received: x\r\n\tby y\r\n"), text...))); id != 42 || err != nil {
		t.Errorf("got %d, %v", id, err)
	}
	for _, text := range []string{"", "Subject: x\r\n\r\nX-Weir-Demo: 1\r\n", "X-Weir-Demo: many\r\n\r\n"} {
		if id, err := readID(strings.NewReader(text)); err == nil {
			t.Errorf("%q has the number %d", text, id)
		}
	}
}

// newTestConnector returns a connector that goes away with the test.
func newTestConnector(t *testing.T) *connector {
	t.Helper()
	c, err := newConnector("x", &ledger{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.set(context.Background(), off) })
	return c
}

func dial(t *testing.T, c *connector) *smtp.Client {
	t.Helper()
	client, err := smtp.Dial(c.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func setMode(t *testing.T, c *connector, m mode) {
	t.Helper()
	if err := c.set(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func TestConnectorStoresNumbers(t *testing.T) {
	c := newTestConnector(t)
	id := c.ledger.open()
	s := &sender{}
	if err := dial(t, c).SendMail("a@example.org", []string{"b@example.com"}, s.message(id, "a", "b")); err != nil {
		t.Fatal(err)
	}
	if n := c.stored.Load(); n != 1 || c.ledger.entries[id] != entryStored {
		t.Errorf("%d stored, ledger %v", n, c.ledger.entries)
	}
	for c.open() > 0 { // it ends after its answer was written
		if !pause(t.Context(), time.Millisecond) {
			t.Fatal("the transaction is still open")
		}
	}
	if err := dial(t, c).SendMail("a@example.org", []string{"b@example.com"}, strings.NewReader("x")); err == nil {
		t.Error("a message without number was accepted")
	}
}

func TestConnectorDefers(t *testing.T) {
	c := newTestConnector(t)
	client := dial(t, c)
	setMode(t, c, deferring)
	var reply *smtp.SMTPError
	if err := client.Mail("a@example.org", nil); !errors.As(err, &reply) || reply.Code != 451 {
		t.Errorf("got %v, want 451", err)
	}
	setMode(t, c, honest)
	if err := client.Mail("a@example.org", nil); err != nil {
		t.Errorf("cured, and yet %v", err)
	}
}

func TestConnectorHangsUntilCured(t *testing.T) {
	c := newTestConnector(t)
	client := dial(t, c)
	setMode(t, c, hanging)
	if err := client.Mail("a@example.org", nil); err != nil {
		t.Fatal(err)
	}
	answer := make(chan error, 1)
	go func() { answer <- client.Rcpt("b@example.com", nil) }()
	select {
	case err := <-answer:
		t.Errorf("RCPT was answered with %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	setMode(t, c, honest)
	if err := <-answer; err != nil {
		t.Errorf("after the cure: %v", err)
	}
}

func TestConnectorGoesOffAndComesBackAtItsAddress(t *testing.T) {
	c := newTestConnector(t)
	address := c.address
	client := dial(t, c)
	if err := client.Noop(); err != nil {
		t.Fatal(err)
	}
	setMode(t, c, off)
	setMode(t, c, off) // twice is once
	if err := client.Noop(); err == nil {
		t.Error("an open connection outlived the connector")
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		_ = conn.Close()
		t.Error("it still listens")
	}
	setMode(t, c, honest)
	if c.address != address {
		t.Errorf("it came back at %s, was at %s", c.address, address)
	}
	if err := dial(t, c).Noop(); err != nil {
		t.Errorf("after its return: %v", err)
	}
}

func TestConnectorEndsTransactionsBeforeItGoesOff(t *testing.T) {
	c := newTestConnector(t)
	id := c.ledger.open()
	client := dial(t, c)
	if err := client.Mail("a@example.org", nil); err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() { gone <- c.set(t.Context(), off) }()
	for m, changed := c.behaviour(); m != off; m, changed = c.behaviour() {
		<-changed
	}
	if err := client.Rcpt("b@example.com", nil); err != nil {
		t.Fatal(err)
	}
	w, err := client.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, (&sender{}).message(id, "a", "b")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Errorf("the message that was under way: %v", err)
	}
	if err := <-gone; err != nil {
		t.Error(err)
	}
}

func TestScheduleIsAPlay(t *testing.T) {
	last, modes := time.Duration(0), map[int]mode{}
	seen := map[mode]bool{}
	for _, s := range schedule() {
		if s.at < last || s.at >= playLength {
			t.Errorf("%v is out of order", s.at)
		}
		if modes[s.who] == s.mode {
			t.Errorf("at %v connector %d is in mode %d already", s.at, s.who, s.mode)
		}
		modes[s.who], last, seen[s.mode] = s.mode, s.at, true
		troubled := 0
		for _, m := range modes {
			if m != honest {
				troubled++
			}
		}
		if troubled > 1 {
			t.Errorf("at %v more than one connector is in trouble", s.at)
		}
	}
	for who, m := range modes {
		if m != honest {
			t.Errorf("connector %d is left in mode %d", who, m)
		}
	}
	for _, m := range []mode{off, hanging, deferring} {
		if !seen[m] {
			t.Errorf("mode %d is never shown", m)
		}
	}
}

func TestPlayRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		acts := make(chan act)
		c := &connector{name: "x", changed: make(chan struct{}), server: &smtp.Server{}}
		steps := []step{{time.Second, 0, deferring, "one"}, {3 * time.Second, 0, honest, "two"}}
		began := time.Now()
		done := make(chan struct{})
		go func() { defer close(done); play(ctx, []*connector{c}, steps, 10*time.Second, acts) }()
		for i, want := range []time.Duration{1, 3, 11, 13, 21} {
			a := <-acts
			if got := time.Since(began); got != want*time.Second || a.what != steps[i%2].what {
				t.Errorf("act %d: %q after %v, want after %vs", i, a.what, got, want)
			}
		}
		cancel()
		<-done
	})
}

func TestConfigIsRight(t *testing.T) {
	cfg, err := parseConfig([]*connector{{name: "a", address: "127.0.0.1:1"}, {name: "b", address: "127.0.0.1:2"}}, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(cfg.Pools[0].Static); n != 2 || cfg.Pools[0].Name != poolName || cfg.Balancer.Listeners[0].Name != listenerName {
		t.Errorf("got %+v", cfg)
	}
}

func TestPageGivesWay(t *testing.T) {
	ln, err := net.Listen("tcp", pageAddress)
	if err == nil {
		defer func() { _ = ln.Close() }()
	} // else somebody else listens there, which is as good
	d, err := New(Options{Out: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if got := d.app.AdminAddr().String(); got == pageAddress {
		t.Errorf("the page is at %s", got)
	}
	d.Abort()
	if err := d.Run(t.Context(), 0); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestDemo plays the first seconds: mail flows, a connector goes down, and every
// message is found exactly once.
func TestDemo(t *testing.T) {
	var out bytes.Buffer
	d, err := New(Options{Out: &out, Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(t.Context(), 7*time.Second); err != nil {
		t.Errorf("Run: %v", err)
	}
	for _, want := range []string{"page: http://127.0.0.1:", " msg/s ", "b is switched off", ">> b: up → ", "lost 0, duplicated 0"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q", want)
		}
	}
	if sum := d.ledger.sum(); sum.Accepted == 0 || sum.Accepted != sum.Once {
		t.Errorf("sum: %+v", sum)
	}
	if t.Failed() {
		t.Logf("output:\n%s", out.String())
	}
}

func TestDemoThatIsStoppedAtOnce(t *testing.T) {
	d, err := New(Options{Out: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d.Abort()
	if err := d.Run(ctx, 0); err != nil {
		t.Errorf("Run: %v", err)
	}
}
