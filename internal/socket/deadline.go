package socket

import (
	"sync"
	"time"
)

// deadline is when waits for octets end. Setting a timer for each wait would cost more
// than looking at the clock: deadlines mostly move on, from command to command, and
// hardly ever pass. So the one that is armed may lie before the one that is wanted; when
// it fires it is armed anew, and the wait goes on.
type deadline struct {
	mu     sync.Mutex
	wanted time.Time // zero: never
	brief  time.Time // of a short wait: a second one that is wanted; zero: none
	armed  time.Time // zero: never. Not behind what is wanted
	shared bool      // somebody else arms too
}

// timer is what a deadline is armed at.
type timer interface{ SetReadDeadline(t time.Time) error }

// set makes t what is wanted.
func (d *deadline) set(t time.Time, at timer) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = t
	if later := !d.armed.IsZero() && !t.Before(d.armed); (t.IsZero() || later) && !d.shared {
		return nil
	}
	return d.arm(at)
}

// shorten makes by an end of the wait that comes next; the zero time makes it none
// again. What is armed then is exact: that deadline is a matter of milliseconds, and
// would fire.
func (d *deadline) shorten(by time.Time, at timer) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.brief = by
	return d.arm(at)
}

// limit is when a wait is to end; zero: never.
func (d *deadline) limit() time.Time {
	if d.wanted.IsZero() || !d.brief.IsZero() && d.brief.Before(d.wanted) {
		return d.brief
	}
	return d.wanted
}

func (d *deadline) arm(at timer) error {
	d.armed = d.limit()
	return at.SetReadDeadline(d.armed)
}

// renew is called when what was armed has fired. It reports whether the wait is to go
// on: that was not yet what is wanted, which is armed now.
func (d *deadline) renew(now time.Time, at timer) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if limit := d.limit(); !limit.IsZero() && !now.Before(limit) {
		return false
	}
	return d.arm(at) == nil
}

// forgo is for a connection of which somebody else sets deadlines, too, from now on:
// what is wanted is armed at once.
func (d *deadline) forgo() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted, d.brief, d.shared = time.Time{}, time.Time{}, true
}
