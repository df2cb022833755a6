package balancer

import (
	"sync"
	"sync/atomic"
)

// Sizes of the pieces that a message is kept in: most mail is small, and what
// is not comes in large pieces.
const (
	smallPiece = 8 << 10
	largePiece = 64 << 10
)

// terminatorRoom is kept free in each piece, so that the terminator can go out
// with the last octets.
const terminatorRoom = len(".\r\n")

// replayBudget bounds the octets that all copies together hold, and lends the
// pieces. Its zero value lends, within a limit of 0.
type replayBudget struct {
	limit        atomic.Int64
	used         atomic.Int64
	unbuffered   atomic.Int64 // messages that were relayed without a copy
	small, large sync.Pool
}

// reserve takes n octets out of the budget, if they are there.
func (b *replayBudget) reserve(n int64) bool {
	if b.used.Add(n) > b.limit.Load() {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *replayBudget) lend(size int) *[]byte {
	pool := &b.small
	if size > smallPiece {
		pool = &b.large
	}
	if p, ok := pool.Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, size)
	return &p
}

func (b *replayBudget) takeBack(p *[]byte) {
	if len(*p) > smallPiece {
		b.large.Put(p)
	} else {
		b.small.Put(p)
	}
}

// replayCopy holds what was received of a message: all of it, as long as it is
// within the pool's replay_buffer and the budget, else a window on its way.
type replayCopy struct {
	budget   *replayBudget
	limit    int64 // the pool's replay_buffer
	pieces   []*[]byte
	reserved int64
	fill     int   // octets in the last piece
	base     int64 // octets before the first piece, which are gone
	total    int64 // octets received
}

func (c *replayCopy) reset(budget *replayBudget, limit int64) {
	*c = replayCopy{budget: budget, limit: limit, pieces: c.pieces[:0]}
}

// complete reports whether the copy holds everything.
func (c *replayCopy) complete() bool { return c.base == 0 && c.total <= c.limit }

// put takes octets in and returns how many. It takes none when the window is
// full: what it holds must be sent first, up to sent.
func (c *replayCopy) put(p []byte, sent int64) int {
	if c.room() == 0 && !c.grow(sent) {
		return 0
	}
	last := *c.pieces[len(c.pieces)-1]
	n := copy(last[c.fill:len(last)-terminatorRoom], p)
	c.fill += n
	c.total += int64(n)
	return n
}

func (c *replayCopy) room() int {
	if len(c.pieces) == 0 {
		return 0
	}
	return len(*c.pieces[len(c.pieces)-1]) - terminatorRoom - c.fill
}

// grow makes room: by another piece, or by giving up what was sent already.
func (c *replayCopy) grow(sent int64) bool {
	size := largePiece
	if len(c.pieces) == 0 && c.base == 0 {
		size = smallPiece
	}
	switch {
	case c.complete() && c.total < c.limit && c.budget.reserve(int64(size)):
		c.reserved += int64(size)
		c.pieces = append(c.pieces, c.budget.lend(size))
	case sent < c.total:
		return false
	default:
		if c.base == 0 {
			c.budget.unbuffered.Add(1)
		}
		c.free()
		c.base = c.total
		c.limit = -1 // it never becomes complete again
		c.pieces = append(c.pieces, c.budget.lend(largePiece))
	}
	c.fill = 0
	return true
}

// from returns octets from an offset on, as many as lie together; none when
// there are none.
func (c *replayCopy) from(offset int64) []byte {
	at := c.base
	for i, p := range c.pieces {
		n := len(*p) - terminatorRoom
		if i == len(c.pieces)-1 {
			n = c.fill
		}
		if offset < at+int64(n) {
			return (*p)[offset-at : n]
		}
		at += int64(n)
	}
	return nil
}

// release gives everything back.
func (c *replayCopy) release() {
	c.free()
	c.total, c.base, c.fill = 0, 0, 0
}

func (c *replayCopy) free() {
	for i, p := range c.pieces {
		c.budget.takeBack(p)
		c.pieces[i] = nil
	}
	c.pieces = c.pieces[:0]
	if c.reserved > 0 {
		c.budget.used.Add(-c.reserved)
		c.reserved = 0
	}
}
