package socket

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// clockwork is what a deadline is armed at, in a time of its own.
type clockwork struct {
	armed time.Time
	times int
}

func (c *clockwork) SetReadDeadline(t time.Time) error {
	c.armed = t
	c.times++
	return nil
}

// Whatever is wanted and however the clock goes on: what is armed never lies behind what
// is wanted, a wait never ends before that, and always then.
func TestDeadlineIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d deadline
		var at clockwork
		var wanted, brief time.Time
		now := time.Unix(1e9, 0)
		soon := func(name string) time.Time {
			return now.Add(time.Duration(rapid.IntRange(-3, 10).Draw(t, name)) * time.Second)
		}
		t.Repeat(map[string]func(*rapid.T){
			"move": func(t *rapid.T) {
				wanted = soon("deadline")
				_ = d.set(wanted, &at)
			},
			"lift": func(*rapid.T) {
				wanted = time.Time{}
				_ = d.set(wanted, &at)
			},
			"shorten": func(*rapid.T) {
				brief = soon("brief")
				_ = d.shorten(brief, &at)
			},
			"lengthen": func(*rapid.T) {
				brief = time.Time{}
				_ = d.shorten(brief, &at)
			},
			"go on": func(t *rapid.T) { now = now.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "seconds")) * time.Second) },
			"": func(t *rapid.T) {
				fired := func() bool { return !at.armed.IsZero() && !now.Before(at.armed) }
				over := passed(now, wanted) || passed(now, brief)
				if over && !fired() {
					t.Fatalf("%v, wanted %v, brief %v: armed is %v, and nothing ends the wait", now, wanted, brief, at.armed)
				}
				if !fired() {
					return
				}
				if goesOn := d.renew(now, &at); goesOn == over {
					t.Fatalf("%v, wanted %v, brief %v: goes on %v", now, wanted, brief, goesOn)
				}
				if !over && fired() {
					t.Fatalf("%v: armed is %v still", now, at.armed)
				}
			},
		})
	})
}

func passed(now, limit time.Time) bool { return !limit.IsZero() && !now.Before(limit) }

// A deadline that only moves on is armed once.
func TestDeadlineThatMovesOnCostsNothing(t *testing.T) {
	var d deadline
	var at clockwork
	for i := range 100 {
		if err := d.set(time.Unix(int64(i), 0), &at); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.set(time.Time{}, &at); err != nil {
		t.Fatal(err)
	}
	if at.times != 1 {
		t.Errorf("armed %d times", at.times)
	}
}

// Where somebody else arms, too, nothing is known of what is armed.
func TestDeadlineThatIsSharedIsArmedAlways(t *testing.T) {
	var d deadline
	var at clockwork
	d.forgo()
	for i := range 3 {
		if err := d.set(time.Unix(1, 0), &at); err != nil {
			t.Fatal(err)
		}
		if at.times != i+1 {
			t.Errorf("armed %d times, the deadline was set %d times", at.times, i+1)
		}
	}
}
