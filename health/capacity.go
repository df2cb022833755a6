package health

import "time"

// capacity is the learned concurrency limit of one connector (P18): halved when
// it says that it is full, and grown back by steps while it does not.
type capacity struct {
	limit int // 0: none
	was   int // how much was under way when the limit was first learned
	why   string
	cut   time.Time
	grown time.Time

	alone      int       // times it was full even for a single transaction, in a row
	aloneSince time.Time // the first of them
}

const (
	cutPause  = time.Second     // signals closer together are of one burst
	growAfter = 5 * time.Second // without a signal
	growPause = time.Second
	maxAlone  = 5
)

// full takes in a sign that the connector has no room. It reports true when
// even single trials have failed for a while: that is no lack of room.
func (c *capacity) full(now time.Time, underWay int) bool {
	if !c.cut.IsZero() && now.Sub(c.cut) < cutPause {
		return false
	}
	c.cut = now
	if c.limit == 1 || underWay <= 1 {
		if c.alone++; c.alone == 1 {
			c.aloneSince = now
		}
	}
	if c.limit == 0 {
		c.was, c.limit = max(underWay, 1), underWay
	}
	c.limit = max(c.limit/2, 1)
	return c.alone >= maxAlone || c.alone >= lastingEnough && now.Sub(c.aloneSince) >= lasting
}

// room takes in a sign that a transaction fits.
func (c *capacity) room() { c.alone = 0 }

// tick lets the limit grow, and drops it when it is past what was under way
// when it was learned.
func (c *capacity) tick(now time.Time) {
	if c.limit == 0 || now.Sub(c.cut) < growAfter || now.Sub(c.grown) < growPause {
		return
	}
	c.grown = now
	if c.limit += max(c.limit/8, 1); c.limit > 2*c.was {
		c.limit = 0
	}
}
