package flow

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"

	"weir/internal/fiber"
)

// Carrier carries flows. Its loops are started with the first one.
type Carrier struct {
	fibers *fiber.Group
	mu     sync.Mutex
	loops  []*loop
	next   int
	closed bool
	ended  sync.WaitGroup
}

// NewCarrier returns a carrier whose loops are fibers of a group.
func NewCarrier(fibers *fiber.Group) *Carrier { return &Carrier{fibers: fibers} }

// errClosed is returned to who comes too late.
var errClosed = errors.New("no more connections are carried")

// Start begins to carry between two connections. It takes them over, also when it
// fails: they are closed then, and so they are at the flow's end. That is told by ended,
// which is called by a fiber with no lock held and must not block.
func (c *Carrier) Start(front, back net.Conn, limits Limits, ended func(*fiber.Fiber)) (*Flow, error) {
	defer front.Close()
	defer back.Close()
	l, err := c.loop()
	if err != nil {
		return nil, fmt.Errorf("carrying: %w", err)
	}
	var fds [2]int
	if fds[Front], err = take(front); err != nil {
		return nil, fmt.Errorf("carrying for the sender: %w", err)
	}
	if fds[Back], err = take(back); err != nil {
		closeDescriptor(fds[Front])
		return nil, fmt.Errorf("carrying for the connector: %w", err)
	}
	f := newFlow(l, fds, limits, ended)
	if err := l.start(f); err != nil {
		closeDescriptor(fds[Front])
		closeDescriptor(fds[Back])
		return nil, fmt.Errorf("carrying: %w", err)
	}
	return f, nil
}

// loop returns the one whose turn it is.
func (c *Carrier) loop() (*loop, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClosed
	}
	if c.loops == nil {
		if err := c.open(); err != nil {
			return nil, err
		}
	}
	c.next = (c.next + 1) % len(c.loops)
	return c.loops[c.next], nil
}

// open starts the loops: one for each two processors. Sessions need some, too.
func (c *Carrier) open() error {
	for range max(runtime.GOMAXPROCS(0)/2, 1) {
		l, err := newLoop(c.fibers)
		if err != nil {
			c.shut()
			c.loops = nil
			return err
		}
		c.ended.Add(1)
		if err = c.fibers.Go(func(f *fiber.Fiber) {
			defer c.ended.Done()
			l.fiber = f
			l.at.Carry(f)
			l.run()
		}); err != nil {
			c.ended.Done()
			l.free()
			return err // there are no fibers any more, so that nobody needs loops
		}
		c.loops = append(c.loops, l)
	}
	return nil
}

func (c *Carrier) shut() {
	for _, l := range c.loops {
		l.close()
	}
}

// Close cuts what is still carried and ends the loops. It returns when they have.
func (c *Carrier) Close() {
	c.mu.Lock()
	c.closed = true
	c.shut()
	c.mu.Unlock()
	c.ended.Wait()
}
