package sim

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/policies"
)

// TestArrivalsFollowTheRate: within four standard deviations, where they are random.
func TestArrivalsFollowTheRate(t *testing.T) {
	flat := arrivals{rate: 500}
	varied := arrivals{rate: 100, changes: []change{{at: 10 * time.Second, rate: 1000, ramp: true}, {at: 20 * time.Second, rate: 0}, {at: 30 * time.Second, rate: 300}}}
	for _, tt := range []struct {
		name     string
		arrivals arrivals
		want     float64
	}{
		{"flat", flat, 500 * 40},
		{"ramp, pause, step", varied, 5500 + 10_000 + 0 + 3000},
		{"hardly any at first", arrivals{rate: 0.05, changes: []change{{at: 10 * time.Second, rate: 100}}}, 3000.5},
		{"a ramp down", arrivals{rate: 300, changes: []change{{at: 20 * time.Second, ramp: true}}}, 3000},
	} {
		for _, regular := range []bool{false, true} {
			s := &Scenario{Replicas: 1, arrivals: tt.arrivals}
			s.arrivals.regular = regular
			rng, n := rand.New(rand.NewPCG(3, 4)), 0
			next := func(at int64) int64 {
				if regular {
					return s.arrivals.after(0, float64(n+1))
				}
				return s.nextRandom(at, rng)
			}
			for at := next(0); at >= 0 && at <= int64(40*time.Second); at = next(at) {
				n++
			}
			within := 4 * math.Sqrt(tt.want)
			if regular {
				within = 1
			}
			if math.Abs(float64(n)-tt.want) > within {
				t.Errorf("%s, regular %v: %d messages, want %g within %g", tt.name, regular, n, tt.want, within)
			}
			if got := s.arrivals.most(40 * time.Second); math.Abs(got-tt.want) > 1 {
				t.Errorf("%s: %g expected, want %g", tt.name, got, tt.want)
			}
		}
	}
}

func TestExpectedTime(t *testing.T) {
	s := &Scenario{Messages: 1500, arrivals: arrivals{rate: 100, bursts: []rush{{at: time.Second, messages: 500}}}}
	if got := s.expected(); got < 9*time.Second || got > 11*time.Second {
		t.Errorf("1000 messages at 100/s and 500 at once in %v, want 10s", got)
	}
	if s.Duration = time.Second; s.expected() != time.Second {
		t.Errorf("%v, want the duration", s.expected())
	}
}

func TestArrivalsEnd(t *testing.T) {
	s := &Scenario{Replicas: 1, arrivals: arrivals{rate: 0}}
	if at := s.nextRandom(0, rand.New(rand.NewPCG(1, 1))); at != -1 {
		t.Errorf("at a rate of 0 a message arrives at %v", time.Duration(at))
	}
	if at := s.arrivals.after(0, 1); at != -1 {
		t.Errorf("evenly at a rate of 0 a message arrives at %v", time.Duration(at))
	}
}

// Replicas take turns: a constant rate is one of all of them together.
func TestConstantArrivalsAreApart(t *testing.T) {
	s := parsed(t, `
name: apart
messages: 100
replicas: 20
arrivals: {process: constant, rate: 100}
connectors: [{name: mx, capacity: 10, latency: 1ms}]
`)
	s.prepare()
	w, err := newWorld(s, s.Policies[0], s.jobs()[0].replicas)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range w.replicas {
		want := time.Duration(i+1) * 10 * time.Millisecond
		for _, at := range []time.Duration{want, want + 200*time.Millisecond} { // the first is planned
			if i := slices.IndexFunc(w.queue.heap, func(e event) bool { return e.kind == arrival && e.arg == r.place }); at == want && time.Duration(w.queue.heap[i].at) != at {
				t.Errorf("replica %d: the first arrives at %v, want %v", r.number, time.Duration(w.queue.heap[i].at), at)
			}
			if at != want && time.Duration(r.nextArrival()) != at {
				t.Errorf("replica %d: the second does not arrive at %v", r.number, at)
			}
		}
	}
}

// Bursts come although no other message does any more, or ever did.
func TestBurstsComeAlone(t *testing.T) {
	for text, want := range map[string]int64{
		"{rate: 0, bursts: [{at: 1s, messages: 1000}]}": 1000,
		"{rate: 10, changes: [{at: 10s, rate: 0}], bursts: [{at: 30s, messages: 1000}, {at: 2m, messages: 7}], process: constant}": 1100,
		"{rate: 0.001, process: constant, bursts: [{at: 0s, messages: 3}, {at: 1m, messages: 4}]}":                                 7,
	} {
		for _, replicas := range []string{"1", "3"} {
			p := only(t, "{name: bursts, duration: 1m, replicas: "+replicas+", connectors: [{name: mx, latency: 1ms}], arrivals: "+text+"}", policies.RoundRobin)
			if p.Messages != want {
				t.Errorf("%s, %s replicas: %d messages, want %d", text, replicas, p.Messages, want)
			}
		}
	}
}

// TestOverloadEnds: what piles up is bounded, and a burst looks at the context.
func TestOverloadEnds(t *testing.T) {
	s := parsed(t, "{name: heap, duration: 1m, arrivals: {rate: 0, bursts: [{at: 1s, messages: 60}, {at: 2s, messages: 60}]}, connectors: [{name: mx, capacity: 1, latency: 10s}]}")
	s.prepare()
	for room, want := range map[int]string{maxLive: "", 100: "2s after the start more than 100 messages are under way at once"} {
		w, err := newWorld(s, policies.RoundRobin, []int{0})
		if err != nil {
			t.Fatal(err)
		}
		w.room = room
		if err := w.run(context.Background()); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("room for %d: %v, want %q", room, err, want)
		}
	}
	w, err := newWorld(s, policies.RoundRobin, []int{0})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.rush(ctx, &s.arrivals.bursts[0]); !errors.Is(err, context.Canceled) || w.live > 0 {
		t.Errorf("%v, %d messages", err, w.live)
	}
}
