package balancer

import (
	"sync"
	"sync/atomic"
)

// Sizes of the pieces that a message is kept in: most mail is small, and what is not
// comes in large pieces. One that is not kept goes through a window, and while memory
// is plenty through a wide one: both sides are woken less often, so 5 MB cost a fifth
// less than with 128 KiB, and come a tenth faster; with 256 KiB it is half of that.
const (
	smallPiece = 8 << 10
	largePiece = 64 << 10
	window     = 128 << 10
	wideWindow = 512 << 10
)

// terminatorRoom is kept free in each piece, so that the terminator can go out
// with the last octets.
const terminatorRoom = len(".\r\n")

// leastSpace is the least that it is worth to read into. Weir's Received line is never
// longer.
const leastSpace = edgeRoom

// replayBudget bounds the octets that all copies and wide windows together hold, and
// lends the pieces. Its zero value lends, within a limit of 0.
type replayBudget struct {
	limit        atomic.Int64
	used         atomic.Int64
	unbuffered   atomic.Int64 // messages that were relayed without a copy
	small, large sync.Pool
	windows      sync.Pool
	wide         sync.Pool
}

// reserve takes n octets out of the budget, if they are there.
func (b *replayBudget) reserve(n int64) bool {
	if b.used.Add(n) > b.limit.Load() {
		b.used.Add(-n)
		return false
	}
	return true
}

// spare takes n octets out of the budget for what can do without: half of it, at
// least, is left for copies.
func (b *replayBudget) spare(n int64) bool {
	return b.used.Load()+n <= b.limit.Load()/2 && b.reserve(n)
}

func (b *replayBudget) lend(size int) *[]byte {
	if p, ok := b.pool(size).Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, size)
	return &p
}

func (b *replayBudget) takeBack(p *[]byte) { b.pool(len(*p)).Put(p) }

func (b *replayBudget) pool(size int) *sync.Pool {
	switch size {
	case smallPiece:
		return &b.small
	case largePiece:
		return &b.large
	case window:
		return &b.windows
	default:
		return &b.wide
	}
}

// replayCopy holds what was received of a message: all of it, as long as it is
// within the pool's replay_buffer and the budget, else a window on its way. Content is
// read into it, so that it is copied nowhere else.
type replayCopy struct {
	budget   *replayBudget
	limit    int64 // the pool's replay_buffer; below 0: it is a window
	first    int   // size of the first piece
	pieces   []piece
	reserved int64
	base     int64 // octets before the first piece, which are gone
	total    int64 // octets received
}

// piece is one stretch of a message.
type piece struct {
	buf *[]byte
	n   int // octets in it
}

// free is what there is still room for, without the terminator's.
func (p *piece) free() []byte {
	return (*p.buf)[p.n : len(*p.buf)-terminatorRoom : len(*p.buf)-terminatorRoom]
}

// reset prepares for a message that is expected to have a number of octets; 0: nobody
// knows.
func (c *replayCopy) reset(budget *replayBudget, limit, expected int64) {
	*c = replayCopy{budget: budget, limit: limit, first: smallPiece, pieces: c.pieces[:0]}
	if expected > smallPiece-leastSpace {
		c.first = largePiece
	}
}

// complete reports whether the copy holds everything.
func (c *replayCopy) complete() bool { return c.base == 0 && c.total <= c.limit }

// space returns where content can be read to, with as much room as is worth it; what
// of it is used is told by took. There is none when the window is full: what it holds
// must be sent first, up to sent.
func (c *replayCopy) space(sent int64) []byte {
	switch {
	case c.limit < 0 && sent == c.total:
		c.rewind()
	case len(c.room()) < leastSpace && !c.grow(sent):
		return nil
	}
	return c.room()
}

// took takes in the first n octets of the space.
func (c *replayCopy) took(n int) {
	if n > 0 {
		c.pieces[len(c.pieces)-1].n += n
		c.total += int64(n)
	}
}

// put takes octets in by copying them and returns how many. It takes none where space
// returns none.
func (c *replayCopy) put(p []byte, sent int64) int {
	if len(c.room()) == 0 && !c.grow(sent) {
		return 0
	}
	n := copy(c.room(), p)
	c.took(n)
	return n
}

func (c *replayCopy) room() []byte {
	if len(c.pieces) == 0 {
		return nil
	}
	return c.pieces[len(c.pieces)-1].free()
}

// grow makes room: by a larger piece or another one, or by giving up what was sent
// already.
func (c *replayCopy) grow(sent int64) bool {
	switch {
	case c.complete() && c.total < c.limit && c.extend():
		return true
	case sent < c.total:
		return false
	case c.base == 0:
		c.budget.unbuffered.Add(1)
	}
	c.free()
	size := c.windowSize()
	c.limit = -1 // it never becomes complete again
	c.base = c.total
	c.add(size)
	return true
}

// windowSize chooses what the message goes on through. Only a wide window is taken out
// of the budget.
func (c *replayCopy) windowSize() int {
	switch {
	case c.total < max(c.limit, largePiece):
		return largePiece // it is small, or memory is short
	case c.budget.spare(wideWindow):
		c.reserved = wideWindow
		return wideWindow
	default:
		return window
	}
}

// extend adds a piece within the budget. A message that outgrows its small piece is
// copied into a large one: to write it in two would cost far more.
func (c *replayCopy) extend() bool {
	size := largePiece
	if len(c.pieces) == 0 {
		size = c.first
	}
	outgrown := len(c.pieces) == 1 && len(*c.pieces[0].buf) == smallPiece
	more := size
	if outgrown {
		more -= smallPiece
	}
	if !c.budget.reserve(int64(more)) {
		if len(c.pieces) > 0 || size == smallPiece {
			return false
		}
		c.first = smallPiece // it may be smaller than expected
		return c.extend()
	}
	c.reserved += int64(more)
	c.add(size)
	if outgrown {
		small := c.pieces[0]
		c.pieces = append(c.pieces[:0], c.pieces[1])
		c.pieces[0].n = copy(*c.pieces[0].buf, (*small.buf)[:small.n])
		c.budget.takeBack(small.buf)
	}
	return true
}

func (c *replayCopy) add(size int) {
	c.pieces = append(c.pieces, piece{buf: c.budget.lend(size)})
}

// rewind begins a window anew, all of which was sent.
func (c *replayCopy) rewind() {
	c.base = c.total
	c.pieces[0].n = 0
}

// from returns octets from an offset on, as many as lie together; none when
// there are none.
func (c *replayCopy) from(offset int64) []byte {
	at := c.base
	for i := range c.pieces {
		p := &c.pieces[i]
		if offset < at+int64(p.n) {
			return (*p.buf)[offset-at : p.n]
		}
		at += int64(p.n)
	}
	return nil
}

// release gives everything back.
func (c *replayCopy) release() {
	c.free()
	c.total, c.base = 0, 0
}

func (c *replayCopy) free() {
	for i := range c.pieces {
		c.budget.takeBack(c.pieces[i].buf)
	}
	clear(c.pieces)
	c.pieces = c.pieces[:0]
	if c.reserved > 0 {
		c.budget.used.Add(-c.reserved)
		c.reserved = 0
	}
}
