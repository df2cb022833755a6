package integration

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestBenchConsul is `make bench-consul`: how soon a change in Consul, or an order given to another replica, decides
// about mail; and what thousands of instances cost. It fails when weir misses what it promises.
func TestBenchConsul(t *testing.T) {
	if os.Getenv("WEIR_BENCH_CONSUL") != "1" {
		t.Skip("takes minutes: make bench-consul")
	}
	rounds := 100
	if os.Getenv("WEIR_BENCH_QUICK") == "1" {
		rounds = 20
	}
	t.Run("changes", func(t *testing.T) { benchChanges(t, rounds) })
	t.Run("replicas", func(t *testing.T) { benchReplicas(t, rounds) })
	t.Run("thousands", benchThousands)
	t.Run("churn", benchChurn)
}

// quantile is the value below which a part of the samples lies.
func quantile(samples []time.Duration, part float64) time.Duration {
	sorted := slices.Clone(samples)
	slices.Sort(sorted)
	return sorted[min(len(sorted)-1, int(part*float64(len(sorted))))]
}

// report prints p50, p99 and the longest, and holds the median to a promise.
func report(t *testing.T, what string, samples []time.Duration, median time.Duration) {
	t.Helper()
	p50 := quantile(samples, 0.5)
	t.Logf("%-46s n=%d p50 %s p99 %s max %s", what, len(samples),
		p50.Round(10*time.Microsecond), quantile(samples, 0.99).Round(10*time.Microsecond), quantile(samples, 1).Round(10*time.Microsecond))
	if p50 > median {
		t.Errorf("%s: the median is %s, promised are %s", what, p50, median)
	}
}

// until is how long after start the state of a connector is one of those. It asks without pause: a status of a few
// connectors takes less than a millisecond.
func (w *weir) until(start time.Time, name string, states []string) time.Duration {
	w.t.Helper()
	for time.Since(start) < time.Minute {
		if slices.Contains(states, w.status().backend(poolName, name).State) {
			return time.Since(start)
		}
	}
	w.t.Fatalf("%s was not seen as %v within a minute", name, states)
	return 0
}

// benchChanges times a call of Consul's API until weir decides by it. At most one change a second is applied, so that
// each is made when the one before has had its second.
func benchChanges(t *testing.T, rounds int) {
	s := newSite(t, 4, siteOptions{})
	var entered, ended, gone, came []time.Duration
	for i := range rounds {
		name := backendName(i % 4)
		change := func(list *[]time.Duration, do func(), states ...string) {
			time.Sleep(1100 * time.Millisecond)
			start := time.Now()
			do()
			*list = append(*list, s.until(start, name, states))
		}
		change(&entered, func() { s.consul.maintenance(name, "bench") }, "drain")
		change(&ended, func() { s.consul.maintenance(name, "") }, "up", "recovering")
		if i%4 == 0 { // a new one is probed before it gets mail; that is not Consul's time
			change(&gone, func() { s.consul.deregister(name) }, "")
			change(&came, func() { s.consul.place(s.named(name)) }, "starting", "up", "recovering")
		}
	}
	report(t, "maintenance → no new mail", entered, 50*time.Millisecond)
	report(t, "maintenance ends → mail", ended, 50*time.Millisecond)
	report(t, "deregister → no new mail", gone, 50*time.Millisecond)
	report(t, "register → known", came, 50*time.Millisecond)
}

// benchReplicas times an order on one of three replicas until the other two obey it.
func benchReplicas(t *testing.T, rounds int) {
	r := startReplicas(t, 3, 3)
	var samples []time.Duration
	for i := range rounds {
		verb, states := "drain", []string{"drain"}
		if i%2 == 1 {
			verb, states = "undrain", []string{"up", "recovering"}
		}
		start := time.Now()
		if code, answer := r.weirs[0].order("c0", verb, nil); code != 200 {
			t.Fatalf("%s: %d, %+v", verb, code, answer)
		}
		var last time.Duration
		for _, w := range r.weirs[1:] {
			last = max(last, w.until(start, "c0", states))
		}
		samples = append(samples, last)
		time.Sleep(50 * time.Millisecond)
	}
	report(t, "drain on one replica → obeyed by all three", samples, 100*time.Millisecond)
}

// cpu is the time that weir has spent on processors, in user and kernel mode.
func (w *weir) cpu() time.Duration {
	w.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.pid()))
	if err != nil {
		w.t.Fatalf("reading weir's CPU time: %v", err)
	}
	var user, system int64
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after) // from the third field on, proc(5)
	_, _ = fmt.Sscan(fields[11], &user)
	_, _ = fmt.Sscan(fields[12], &system)
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 on Linux
}

// spent is the CPU time of weir while something goes on.
func (w *weir) spent(during func()) time.Duration {
	before := w.cpu()
	during()
	return w.cpu() - before
}

// manyInstances is the size of a large service.
const manyInstances = 5000

// benchThousands measures what a change in a service of 5000 costs, and that memory does not grow with changes.
func benchThousands(t *testing.T) {
	c := newCrowd(t, manyInstances)
	c.waitReady(2 * time.Minute)
	c.waitTotal(manyInstances)
	const changes = 30
	idle := c.spent(func() { time.Sleep(changes * 1200 * time.Millisecond) })
	turn := func(weight int) {
		for i := range changes {
			c.registerAll(i, i+1, weight+i)
			time.Sleep(1200 * time.Millisecond)
		}
	}
	turn(200)
	early := c.rssKB()
	busy := c.spent(func() { turn(300) })
	each := (busy - idle) / changes
	t.Logf("a change in %d instances: %s of CPU; idle %s in %ds; memory %d MB, then %d MB",
		manyInstances, each, idle, changes*12/10, early>>10, c.rssKB()>>10)
	if each > 50*time.Millisecond {
		t.Errorf("a change costs %s of CPU, promised are 50ms", each)
	}
	if late := c.rssKB(); late > early*5/4 {
		t.Errorf("memory grew from %d to %d kB over %d changes", early, late, changes)
	}
}

// benchChurn measures what 1000 changes a minute do to the time that a message takes.
func benchChurn(t *testing.T) {
	c := newCrowd(t, 500)
	c.waitReady(time.Minute)
	c.waitTotal(500)
	calm := c.latencies(10*time.Second, func(<-chan time.Time) {})
	churned := c.latencies(20*time.Second, func(stop <-chan time.Time) {
		tick := time.NewTicker(time.Minute / 1000)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-tick.C:
				if err := c.write(i%500, 100+i%800); err != nil {
					t.Errorf("changing an instance: %v", err)
				}
			}
		}
	})
	report(t, "a message, nothing changes", calm, time.Second)
	report(t, "a message, 1000 changes a minute", churned, time.Second)
	if before, after := quantile(calm, 0.99), quantile(churned, 0.99); after > 2*before+5*time.Millisecond {
		t.Errorf("p99 of a message went from %s to %s", before, after)
	}
}

// latencies sends one message after the other on one connection while something goes on beside it.
func (c *crowd) latencies(length time.Duration, beside func(stop <-chan time.Time)) (samples []time.Duration) {
	c.t.Helper()
	sender := c.dial()
	defer sender.quit()
	stop, ended := make(chan time.Time), make(chan struct{})
	go func() { defer close(ended); beside(stop) }()
	for start := time.Now(); time.Since(start) < length; {
		at := time.Now()
		if _, err := sender.sendPipelined(newMessage("bench", filler(2000))); err != nil {
			c.t.Errorf("sending: %v", err)
			break
		}
		samples = append(samples, time.Since(at))
	}
	close(stop)
	<-ended
	return samples
}
