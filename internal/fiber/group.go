package fiber

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
)

// maxSpare is how many fibers without work are kept at most. Theirs is a stack that has
// grown already.
const maxSpare = 64

// ErrClosed is returned by a group that was closed.
var ErrClosed = errors.New("no more connections are carried")

// Group carries fibers and watches their connections. Its zero value is ready for use:
// it starts with the first connection, or fiber, that it is given.
type Group struct {
	start  sync.Once
	failed error // why it could not start
	poll   int   // the epoll instance
	bell   int   // an eventfd of that: the workers are to end
	conns  table

	shift shift

	mu     sync.Mutex
	spare  []*Fiber
	alive  int // fibers that have not ended
	ended  *sync.Cond
	closed atomic.Bool
}

// open starts the group, once.
func (g *Group) open() error {
	g.start.Do(func() {
		g.ended = sync.NewCond(&g.mu)
		if g.failed = g.openPoll(); g.failed == nil {
			g.shift.begin(g, runtime.GOMAXPROCS(0))
		}
	})
	if g.failed == nil && g.closed.Load() {
		return ErrClosed
	}
	return g.failed
}

func (g *Group) openPoll() error {
	var err error
	if g.poll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("opening an epoll instance: %w", err)
	}
	bell, _, errno := syscall.RawSyscall(syscall.SYS_EVENTFD2, 0, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errno != 0 {
		closeDescriptor(g.poll)
		return fmt.Errorf("opening an eventfd: %w", errno)
	}
	g.bell = int(bell)
	// Not edge-triggered: it is never read, and all workers are to hear it.
	if errno := watch(g.poll, syscall.EPOLL_CTL_ADD, g.bell, syscall.EPOLLIN); errno != 0 {
		closeDescriptor(g.bell)
		closeDescriptor(g.poll)
		return fmt.Errorf("watching an eventfd: %w", errno)
	}
	return nil
}

// Go runs do on a fiber, at once and until it waits for the first time.
func (g *Group) Go(do func(*Fiber)) error {
	if err := g.open(); err != nil {
		return err
	}
	if !g.begin(do, false) {
		return ErrClosed
	}
	return nil
}

// begin is Go, by a worker or somebody else. It returns false when the group is closed.
func (g *Group) begin(do func(*Fiber), worker bool) bool {
	f := g.take()
	if f == nil {
		return false
	}
	f.job = do
	f.run(worker)
	return true
}

// take returns a fiber without work; nil: the group is closed.
func (g *Group) take() *Fiber {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed.Load() {
		return nil
	}
	if last := len(g.spare) - 1; last >= 0 {
		f := g.spare[last]
		g.spare[last] = nil
		g.spare = g.spare[:last]
		return f
	}
	g.alive++
	return newFiber(g)
}

// putBack keeps a fiber whose work is done, or ends it.
func (g *Group) putBack(f *Fiber) {
	g.mu.Lock()
	keep := !g.closed.Load() && len(g.spare) < maxSpare
	if keep {
		g.spare = append(g.spare, f)
	}
	g.mu.Unlock()
	if !keep {
		g.end(f)
	}
}

func (g *Group) end(f *Fiber) {
	f.stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.alive--
	g.ended.Broadcast()
}

// Close waits until all fibers have ended, which is for the caller to bring about, and
// ends the group. It must not be called on a fiber.
func (g *Group) Close() {
	g.mu.Lock()
	again := g.closed.Swap(true)
	spare := g.spare
	g.spare = nil
	g.mu.Unlock()
	g.start.Do(func() { g.failed = ErrClosed }) // it never started
	if again || g.failed != nil {
		return
	}
	for _, f := range spare {
		g.end(f)
	}
	g.mu.Lock()
	for g.alive > 0 {
		g.ended.Wait()
	}
	g.mu.Unlock()
	g.shift.end(g.bell)
	closeDescriptor(g.bell)
	closeDescriptor(g.poll)
}
