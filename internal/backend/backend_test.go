package backend

import (
	"sync"
	"sync/atomic"
	"testing"
)

// Acquire never lets more in than the limit, whatever runs beside it, and every
// place that was given back can be had again.
func TestAcquireNeverPassesTheLimit(t *testing.T) {
	const limit, workers, rounds = 3, 16, 2000
	b := newBackend(ID{"internet", "a"}, "192.0.2.1:25")
	b.setLimit(limit, 0)

	var inside, refused, entered atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range rounds {
				if !b.Acquire() {
					refused.Add(1)
					continue
				}
				entered.Add(1)
				if n := inside.Add(1); n > limit {
					t.Errorf("%d inside, limit %d", n, limit)
				}
				inside.Add(-1)
				b.Release()
			}
		})
	}
	wg.Wait()
	if entered.Load()+refused.Load() != workers*rounds || entered.Load() == 0 {
		t.Errorf("%d entered and %d refused of %d", entered.Load(), refused.Load(), workers*rounds)
	}
	if n := b.InFlight(); n != 0 {
		t.Errorf("%d in flight after all were released", n)
	}
}

func TestLimitIsTheLowerOfBoth(t *testing.T) {
	tests := []struct {
		name                string
		configured, learned int
		want                int // places until the first refusal; 0: none is refused
	}{
		{"none", 0, 0, 0},
		{"configured", 2, 0, 2},
		{"learned", 0, 3, 3},
		{"learned below configured", 5, 1, 1},
		{"configured below learned", 2, 4, 2},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			b := newBackend(ID{"internet", "a"}, "192.0.2.1:25")
			b.setLimit(tc.configured, tc.learned)
			got := 0
			for got < 100 && b.Acquire() {
				got++
			}
			if want := tc.want; want == 0 && got != 100 || want != 0 && got != want {
				t.Errorf("%d places, want %d", got, want)
			}
		})
	}
}

func TestALoweredLimitLetsWhatRunsEnd(t *testing.T) {
	b := newBackend(ID{"internet", "a"}, "192.0.2.1:25")
	b.Acquire()
	b.Acquire()
	b.setLimit(1, 0)
	if b.Acquire() {
		t.Error("acquired a third place at limit 1")
	}
	b.Release()
	if b.Acquire() {
		t.Error("acquired with one in flight at limit 1")
	}
	b.Release()
	if !b.Acquire() {
		t.Error("refused with nothing in flight at limit 1")
	}
}

func TestNames(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{ID{"internet", "mx-a"}.String(), "internet/mx-a"},
		{StageConnect.String(), "connect"},
		{StageFinalDot.String(), "final_dot"},
		{Stages.String(), "stage(9)"},
		{BreakerHalfOpen.String(), "half-open"},
		{AdminEnabled.String(), "enabled"},
		{HealthUnknown.String(), "unknown"},
		{StateDisabled.String(), "disabled"},
		{State(99).String(), "state(99)"},
		{(ExtPipelining | ExtSize).String(), "PIPELINING SIZE"},
		{Extension(0).String(), ""},
	} {
		if tc.got != tc.want {
			t.Errorf("got %q, want %q", tc.got, tc.want)
		}
	}
}

func TestIDOrder(t *testing.T) {
	ordered := []ID{{"fax", "z"}, {"internet", "a"}, {"internet", "b"}}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := a.Less(b); got != (i < j) {
				t.Errorf("%s < %s: %t", a, b, got)
			}
		}
	}
}

func TestExtensions(t *testing.T) {
	for _, e := range extensionNames {
		if got := ParseExtension(e.name); got != e.ext {
			t.Errorf("%s is read as %s", e.name, got)
		}
	}
	if got := ParseExtension("pipelining"); got != ExtPipelining {
		t.Errorf("keywords are case-insensitive, got %s", got)
	}
	if got := ParseExtension("XCLIENT2"); got != 0 {
		t.Errorf("an unknown keyword is read as %s", got)
	}
	c := Capabilities{Ext: ExtPipelining | ExtSize}
	if !c.Has(ExtSize) || !c.Has(ExtSize|ExtPipelining) || c.Has(ExtSize|ExtChunking) {
		t.Error("Has must want every given extension")
	}
}
