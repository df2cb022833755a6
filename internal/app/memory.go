package app

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// calmInterval is how often is looked whether memory can be given back.
const calmInterval = 3 * time.Second

// busyMemory is how much must have been allocated within one interval for there to be
// anything worth giving back, in octets.
const busyMemory = 8 << 20

// giveBack is how many times in a row memory is given back: what pools lend is let go by
// the second collection only.
const giveBack = 2

// calm finds out when a time of much work is over. Thousands of senders at once leave
// garbage and free memory behind, several times of what they hold while they wait; the
// runtime would collect it within two minutes, and keep most of it.
type calm struct {
	seen uint64 // octets allocated so far
	peak uint64 // the most in an interval since all was given back
	left int    // how often it is to be given back still
}

// next is told how much was allocated so far, and reports whether memory is to be given
// back now.
func (c *calm) next(allocated uint64) bool {
	grown := allocated - c.seen
	c.seen = allocated
	if grown >= busyMemory {
		c.peak, c.left = max(c.peak, grown), giveBack
	}
	if c.left == 0 || grown > c.peak/8 {
		return false
	}
	if c.left--; c.left == 0 {
		c.peak = 0
	}
	return true
}

// keepMemory gives memory back to the system when much work is over, until ctx is done.
func (a *App) keepMemory(ctx context.Context) error {
	tick := time.NewTicker(calmInterval)
	defer tick.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	for c := (calm{}); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if metrics.Read(sample); c.next(sample[0].Value.Uint64()) {
			debug.FreeOSMemory()
		}
	}
}
