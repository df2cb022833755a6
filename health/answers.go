package health

import (
	"math"
	"time"
)

// answers are the answers at a stage, and which were deferrals: the last ones
// singly, the last half hour in sum. The sum knows what is usual; the last ones
// know what is going on, say that everybody greylists a new sender right now.
type answers struct {
	next  int
	first time.Time // of all answers; the ring's times count from here
	held  sample    // what is in the ring; its since is not kept
	sums  [2]sample // of this quarter of an hour, and of the one before
	ring  [40]answer
}

// answer is small and holds no pointer: a connector has forty of them for each stage.
type answer struct {
	at       time.Duration // after the first of all, and a nanosecond more; 0: there is none
	deferral bool
}

// when returns the time of an answer in the ring.
func (a *answers) when(x answer) time.Time { return a.first.Add(x.at - 1) }

// sample is some answers in sum.
type sample struct {
	n, deferrals int
	since        time.Time
}

const sumFor = 15 * time.Minute

func (a *answers) add(deferral bool, now time.Time) {
	if a.first.IsZero() {
		a.first = now
	}
	if old := a.ring[a.next]; old.at != 0 {
		a.held.n--
		if old.deferral {
			a.held.deferrals--
		}
	}
	a.held.add(deferral)
	a.ring[a.next] = answer{now.Sub(a.first) + 1, deferral}
	a.next = (a.next + 1) % len(a.ring)
	a.turn(now)
	a.sums[0].add(deferral)
}

func (a *answers) turn(now time.Time) {
	if age := now.Sub(a.sums[0].since); age >= 2*sumFor {
		a.sums = [2]sample{{since: now}, {}}
	} else if age >= sumFor {
		a.sums = [2]sample{{since: now}, a.sums[0]}
	}
}

// latest sums up the last answers, of whatever age but not before since. They came
// in their order, so that all of them need not be looked at.
func (a *answers) latest(since time.Time) sample {
	s := a.held
	if oldest := a.ring[a.next]; oldest.at != 0 {
		s.since = a.when(oldest)
	} else {
		s.since = a.first
	}
	if !s.since.Before(since) {
		return s
	}
	s = sample{}
	for _, x := range a.ring {
		if x.at == 0 || a.when(x).Before(since) {
			continue
		}
		s.add(x.deferral)
		if at := a.when(x); s.since.IsZero() || at.Before(s.since) {
			s.since = at
		}
	}
	return s
}

// run sums up the deferrals since the last answer that was none.
func (a *answers) run() sample {
	var s sample
	n := len(a.ring)
	for i := range n {
		x := a.ring[(a.next-1-i+2*n)%n]
		if !x.deferral {
			break
		}
		s.add(true)
		s.since = a.when(x)
	}
	return s
}

// usual sums up the last half hour.
func (a *answers) usual(now time.Time) sample {
	a.turn(now)
	s := a.sums[0]
	s.merge(a.sums[1])
	return s
}

func (s *sample) add(deferral bool) {
	s.n++
	if deferral {
		s.deferrals++
	}
}

func (s *sample) merge(o sample) {
	s.n += o.n
	s.deferrals += o.deferrals
}

// share is the share of deferrals.
func (s *sample) share() float64 { return float64(s.deferrals) / float64(max(s.n, 1)) }

// guess is the share of deferrals to be expected after this sample: never quite
// none, however few were seen.
func (s *sample) guess() float64 { return (float64(s.deferrals) + 0.5) / (float64(s.n) + 1) }

// chance bounds the probability of so many deferrals when each answer is one
// with probability p (Chernoff's bound).
func (s *sample) chance(p float64) float64 {
	q := s.share()
	switch {
	case q <= p:
		return 1
	case q == 1:
		return math.Pow(p, float64(s.n))
	}
	return math.Exp(-float64(s.n) * (q*math.Log(q/p) + (1-q)*math.Log((1-q)/(1-p))))
}
