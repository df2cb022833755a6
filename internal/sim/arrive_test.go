package sim

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
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
	} {
		for _, regular := range []bool{false, true} {
			s := &Scenario{Replicas: 1, arrivals: tt.arrivals}
			s.arrivals.regular = regular
			rng, n := rand.New(rand.NewPCG(3, 4)), 0
			for at := s.nextArrival(0, rng); at >= 0 && at <= int64(40*time.Second); at = s.nextArrival(at, rng) {
				n++
			}
			within := 4 * math.Sqrt(tt.want)
			if regular {
				within = tt.want / 100
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
	if at := s.nextArrival(0, rand.New(rand.NewPCG(1, 1))); at != -1 {
		t.Errorf("at a rate of 0 a message arrives at %v", time.Duration(at))
	}
}
