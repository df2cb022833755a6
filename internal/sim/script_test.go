package sim

import (
	"context"
	"testing"
	"time"

	"weir/internal/backend"
	"weir/policies"
)

// TestAnEventEndsOnlyItself: what else is the matter with the connector goes on.
func TestAnEventEndsOnlyItself(t *testing.T) {
	const head = "{name: ends, duration: 1m, arrivals: {rate: 1}, connectors: [{name: mx, weight: 80, latency: 1ms}], events: ["
	for events, want := range map[string][]connector{ // at 10 s, 20 s …
		"{at: 5s, do: slow, on: mx, factor: 10, for: 30s}, {at: 6s, do: stuck, on: mx, stage: mail, for: 10s}": {
			{factor: 10, mute: backend.StageMail}, {factor: 10}, {factor: 10}, {},
		},
		"{at: 5s, do: slow, on: mx, factor: 10, for: 30s}, {at: 6s, do: slow, on: mx, factor: 3, for: 10s}": {
			{factor: 3}, {factor: 10}, {factor: 10}, {},
		},
		"{at: 5s, do: refuse, on: mx}, {at: 6s, do: defer, on: mx, stage: rcpt, share: 0.5, for: 10s}, {at: 25s, do: back, on: mx}": {
			{refusing: true, share: 0.5}, {refusing: true}, {},
		},
		"{at: 5s, do: drain, on: mx, for: 30s}, {at: 6s, do: restart, on: mx, drain: 1s, for: 7s}": {
			{drained: true, restarting: true}, {drained: true}, {drained: true}, {},
		},
		"{at: 5s, do: drain, on: mx}, {at: 6s, do: drain, on: mx, for: 10s}, {at: 25s, do: undrain, on: mx}": {
			{drained: true}, {drained: true}, {},
		},
		"{at: 5s, do: weight, on: mx, weight: 10, for: 20s}, {at: 6s, do: weight, on: mx, weight: 20, for: 10s}": {
			{spec: backend.Spec{Weight: 20}}, {spec: backend.Spec{Weight: 10}}, {spec: backend.Spec{Weight: 80}},
		},
		"{at: 5s, do: refuse, on: mx, for: 30s}, {at: 6s, do: back, on: mx}, {at: 7s, do: slow, on: mx, factor: 2}": {
			{factor: 2}, {factor: 2}, {factor: 2}, {factor: 2},
		},
	} {
		s := parsed(t, head+events+"]}")
		s.prepare()
		w, err := newWorld(s, policies.RoundRobin, []int{0})
		if err != nil {
			t.Fatal(err)
		}
		done := 0
		for i, want := range want {
			for ; done < len(w.script) && w.script[done].at < int64(i+1)*int64(10*time.Second); done++ {
				w.play(&w.script[done])
			}
			got := &w.connectors[0]
			if want.factor == 0 {
				want.factor = 1
			}
			if want.mute == 0 {
				want.mute = backend.Stages
			}
			if want.spec.Weight == 0 {
				want.spec.Weight = 80
			}
			if got.factor != want.factor || got.mute != want.mute || got.refusing != want.refusing || got.share != want.share ||
				got.restarting != want.restarting || got.drained != want.drained || got.spec.Weight != want.spec.Weight {
				t.Errorf("%s\nafter %d s: got %+v\nwant %+v", events, 10*(i+1), *got, want)
			}
			if m := w.replicas[0].pool.Members[0]; (m.State == backend.StateDrain) != want.drained || m.Spec.Weight != want.spec.Weight {
				t.Errorf("%s\nafter %d s the replica has %v with weight %d", events, 10*(i+1), m.State, m.Spec.Weight)
			}
		}
	}
}

// TestLatencyIsTheRelays: policies learn what they do from the relay, which leaves
// out connecting, unless that failed, and the content, and for which a 4xx is no
// quick answer.
func TestLatencyIsTheRelays(t *testing.T) {
	const stages = "{connect: 1s, banner: 2s, ehlo: 1s, mail: 10ms, rcpt: 20ms, data: 30ms, body: 4s, final_dot: 40ms}"
	for events, want := range map[string]time.Duration{
		"": 100 * time.Millisecond,
		"{at: 60s, do: defer, on: mx, stage: mail, share: 1}":     100 * time.Millisecond,
		"{at: 0s, do: defer, on: mx, stage: mail, share: 1}":      10 * time.Millisecond,
		"{at: 0s, do: defer, on: mx, stage: final_dot, share: 1}": 100 * time.Millisecond,
		"{at: 0s, do: refuse, on: mx}":                            time.Millisecond,
		"{at: 0s, do: stuck, on: mx, stage: banner}":              10 * time.Second, // the patience
		"{at: 60s, do: refuse, on: mx}":                           100 * time.Millisecond,
		"{at: 0s, do: stuck, on: mx, stage: data}":                5*time.Second + 30*time.Millisecond,
		"{at: 0s, do: slow, on: mx, factor: 2, for: 1h}":          200 * time.Millisecond,
		"{at: 0s, do: defer, on: mx, stage: data, share: 1}":      60 * time.Millisecond,
		"{at: 90s, do: restart, on: mx, for: 1s}":                 100 * time.Millisecond,
	} {
		s := parsed(t, `{name: learns, duration: 3m, arrivals: {process: constant, rate: 0.1}, policies: round-robin,
  connectors: [{name: mx, latency: `+stages+"}, {name: other, latency: "+stages+`}],
  pool: {health: {interval: 1h, timeout: 1m}, breaker: {consecutive_failures: 1000, min_requests: 1000}, ejection: {outlier_ratio: 0}}, events: [`+events+"]}")
		s.prepare()
		w, err := newWorld(s, s.Policies[0], []int{0})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.run(context.Background()); err != nil {
			t.Fatal(err)
		}
		got := w.replicas[0].pairs[0].backend.Traffic.Latency.Value()
		if got < want*99/100 || got > want*101/100 {
			t.Errorf("%q: %v was learned, want %v", events, got, want)
		}
	}
}
