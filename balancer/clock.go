package balancer

import "time"

// clock is what a session goes by, and its transaction too. It is looked at where a wait
// has ended, or may have: for the sender, for a connector, for room to write, for a turn.
// What comes between two waits takes no time that anybody measures. One look is some
// 70 ns: with one for everybody who wants to know, a small message would need eighteen.
type clock struct{ now time.Time }

// tick looks at the clock.
func (c *clock) tick() time.Time {
	c.now = time.Now()
	return c.now
}

// instant is for an answer that needed no wait: it comes behind the one before it all the
// same, and took some time.
func (c *clock) instant() { c.now = c.now.Add(1) }
