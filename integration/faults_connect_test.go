package integration

import (
	"fmt"
	"strings"
	"testing"

	"weir/internal/faulty"
)

func TestP1_ConnectionLimitIsSaidAs421(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 1, opts{listener: []string{"limits: {connections: 2}", "exempt: []"}})
	first := f.dial()
	f.dial()
	eventually(t, ceiling, func() bool { // the second may still be on its way to be counted
		c, greeting, err := dialRaw(f.smtp)
		if err != nil {
			return false
		}
		defer c.close()
		if greeting.code == 220 {
			t.Fatal("a third connection was greeted")
		}
		if !strings.HasPrefix(greeting.String(), "421 4.3.2") {
			t.Fatalf("greeting %s, want 421 4.3.2", greeting)
		}
		return true
	}, "no answer to a third connection")
	first.quit()
	eventually(t, ceiling, func() bool {
		c, greeting, err := dialRaw(f.smtp)
		if err == nil {
			c.close()
		}
		return err == nil && greeting.code == 220
	}, "the place of a sender that left is not free again")
}

func TestP2_NoEligibleConnectorIsSaidAfterTheGreeting(t *testing.T) {
	t.Parallel()
	w := startWeir(t, basicConfig(opts{backends: []string{freeAddr(t), freeAddr(t)}, top: []string{"startup_wait: 5s"}}))
	w.waitState(poolName, backendName(0), "down")
	w.waitState(poolName, backendName(1), "down")
	c, err := dialSMTP(w.smtp)
	if err != nil {
		t.Fatalf("greeting or EHLO: %v", err)
	}
	defer c.quit()
	f := &flock{weir: w, t: t}
	rep := f.must(c, "MAIL FROM:<a@sender.example>")
	if rep.code == 250 {
		rep = f.must(c, "RCPT TO:<b@test.example>")
	}
	f.own(rep, "451 4.3.2")
	f.expect(c, 250, "NOOP") // the session goes on
}

// connectFaults are the ways in which a connector fails before it took a command, with the stage the log names.
func connectFaults() map[string]faulty.Fault {
	return map[string]faulty.Fault{
		"banner/421":      faulty.Say(faulty.Banner, "421 4.3.2 too many"),
		"banner/554":      faulty.Say(faulty.Banner, "554 5.3.2 no mail here"),
		"banner/451":      faulty.Say(faulty.Banner, "451 4.3.2 not now"),
		"banner/250":      faulty.Say(faulty.Banner, "250 2.0.0 hello"),
		"banner/mute":     faulty.At(faulty.Banner, faulty.Mute),
		"banner/drop":     faulty.At(faulty.Banner, faulty.Drop),
		"banner/garbage":  faulty.At(faulty.Banner, faulty.Garbage),
		"banner/endless":  faulty.At(faulty.Banner, faulty.Endless),
		"banner/129lines": faulty.Say(faulty.Banner, lines(220, 129)),
		"ehlo/421":        faulty.Say(faulty.EHLO, "421 4.3.2 too many"),
		"ehlo/550":        faulty.Say(faulty.EHLO, "550 5.7.1 not you"),
		"ehlo/mute":       faulty.At(faulty.EHLO, faulty.Mute),
		"ehlo/reset":      faulty.At(faulty.EHLO, faulty.Reset),
		"ehlo/deaf":       faulty.At(faulty.EHLO, faulty.StopReading),
	}
}

// lines is a reply of n lines.
func lines(code, n int) string {
	var b strings.Builder
	for range n - 1 {
		fmt.Fprintf(&b, "%d-%s\n", code, strings.Repeat("long ", 100))
	}
	fmt.Fprintf(&b, "%d end", code)
	return b.String()
}

func TestP3_NextCandidateTakesTheMessage(t *testing.T) {
	for name, fault := range connectFaults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 3, opts{})
			f.hurt(f.c[:2], fault) // whoever is first: the third candidate is good
			for range 3 {          // round-robin begins at each of them once
				f.delivered(f.message("p3", 500))
			}
			if n := len(f.c[2].Messages()); n != 3 {
				t.Errorf("%d messages in the good connector, want 3", n)
			}
		})
	}
}

func TestP3_NoneLeft(t *testing.T) {
	for name, fault := range connectFaults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFlock(t, 3, opts{})
			f.hurt(f.c, fault)
			m := f.message("p3none", 500)
			f.own(f.deliver(m), "451 4.4.1")
			stage, _, _ := strings.Cut(name, "/")
			l := f.logs(m, "outcome", "deferred", "by", "weir", "code", "451", "stage", stage)
			f.leftBehind(l, f.c...)
		})
	}
}

func TestP3_RefusedConnections(t *testing.T) {
	t.Parallel()
	f := newFlock(t, 3, opts{})
	f.c[0].Refuse()
	f.c[1].Refuse()
	for range 3 {
		f.delivered(f.message("refused", 500))
	}
	f.c[2].Refuse()
	f.c[2].DropConnections(false)
	m := f.message("refused", 500)
	f.own(f.deliver(m), "451 4.4.1")
	f.logs(m, "outcome", "deferred", "by", "weir", "code", "451", "stage", "connect")
}

func TestP3_HeloWhenEhloIsRefused(t *testing.T) {
	for _, code := range []string{"500 5.5.1", "502 5.5.1"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			b := faulty.Honest()
			b.Faults = []faulty.Fault{faulty.Say(faulty.EHLO, code+" what")}
			f := newFlockOf(t, opts{}, b)
			m := f.message("helo", 500)
			f.delivered(m)
			f.logs(m, "outcome", "delivered", "by", "connector", "backend", backendName(0))
			if st := f.c[0].Stats(); st.Improper != 0 {
				t.Errorf("a connector that offers nothing was treated as if it did, %d times", st.Improper)
			}
		})
	}
}

func TestP3_OddButHonestGreetings(t *testing.T) {
	for name, fault := range map[string]faulty.Fault{
		"two lines":  faulty.Say(faulty.Banner, "220-welcome\n220 here"),
		"128 lines":  faulty.Say(faulty.Banner, lines(220, 128)),
		"two pieces": {Stage: faulty.Banner, Pause: 200e6},
		"late":       {Stage: faulty.Banner, Delay: 300e6},
		"mute quit":  faulty.At(faulty.QUIT, faulty.Mute),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := faulty.Honest()
			b.Faults = []faulty.Fault{fault}
			f := newFlockOf(t, opts{health: "{probe: envelope, interval: 300ms, fast_interval: 100ms, timeout: 5s, rise: 2, fall: 2}"}, b)
			f.delivered(f.message("odd", 500))
			if n := f.failures(f.c[0]); n != 0 {
				t.Errorf("%d failures counted", n)
			}
		})
	}
}
