package flow

import (
	"container/heap"
	"fmt"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"weir/internal/fiber"
)

// pieceSize is how much is copied at once at most; more is spliced (bulk.go).
const pieceSize = 16 << 10

// loop carries some of the flows.
type loop struct {
	poll    int             // the epoll instance
	fiber   *fiber.Fiber    // that runs the loop
	at      *fiber.Conn     // the same, as the loop's fiber waits for it
	raw     syscall.RawConn // the same
	bell    int             // an eventfd of that: somebody wants something
	began   time.Time
	buffers sync.Pool // of *[]byte of pieceSize

	mu      sync.Mutex
	flows   map[uint64]*Flow
	lastID  uint64
	fresh   []*Flow // not in due yet
	orders  []*Flow // to be cut
	closing bool
	sleeps  stamp // until when the loop does, unless something happens

	// All else is the loop's own.
	due    due
	now    stamp
	buffer *[]byte
	pipes  []*pipe // empty ones
	ready  []happening
	turns  []*way             // that have more to do
	gone   []*Flow            // that have ended, and nobody was told
	alarm  stamp              // until when the fiber waits
	found  int                // how many events there are
	take   func(uintptr) bool // fetch, made once
	events [128]syscall.EpollEvent
}

func newLoop(fibers *fiber.Group) (*loop, error) {
	poll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("opening an epoll instance: %w", err)
	}
	bell, _, errno := syscall.RawSyscall(syscall.SYS_EVENTFD2, 0, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errno != 0 {
		closeDescriptor(poll)
		return nil, fmt.Errorf("opening an eventfd: %w", errno)
	}
	l := &loop{poll: poll, bell: int(bell), began: time.Now(), flows: map[uint64]*Flow{}, sleeps: stamp(never), alarm: stamp(never)}
	l.buffers.New = func() any {
		b := make([]byte, pieceSize)
		return &b
	}
	l.take = l.fetch
	l.buffer = l.buffers.Get().(*[]byte)
	if err := syscall.EpollCtl(poll, syscall.EPOLL_CTL_ADD, l.bell, &syscall.EpollEvent{Events: syscall.EPOLLIN | edgeTriggered}); err != nil {
		closeDescriptor(l.bell)
		closeDescriptor(poll)
		return nil, fmt.Errorf("watching an eventfd: %w", err)
	}
	if l.at, err = fibers.Adopt(poll, nil); err == nil {
		l.raw, err = l.at.SyscallConn()
	}
	if err != nil {
		closeDescriptor(l.bell)
		return nil, err
	}
	return l, nil
}

func (l *loop) free() {
	for _, p := range l.pipes {
		p.close()
	}
	closeDescriptor(l.bell)
	_ = l.at.Close()
}

func (l *loop) clock() stamp { return stamp(time.Since(l.began)) }

// start takes a flow in. Its connections are the caller's still when that fails.
func (l *loop) start(f *Flow) error {
	l.mu.Lock()
	defer l.mu.Unlock() // held to the end, so that nothing happens to half a flow
	if l.closing {
		return errClosed
	}
	l.lastID++
	f.id = l.lastID
	l.flows[f.id] = f
	for _, side := range []Spot{Front, Back} {
		key := f.id<<1 | uint64(side)
		ev := syscall.EpollEvent{Events: interest, Fd: int32(key), Pad: int32(key >> 32)}
		if err := syscall.EpollCtl(l.poll, syscall.EPOLL_CTL_ADD, f.ways[side].from, &ev); err != nil {
			delete(l.flows, f.id) // what is reported of it is for nobody
			return fmt.Errorf("watching a connection: %w", err)
		}
	}
	l.fresh = append(l.fresh, f)
	if f.due < l.sleeps {
		l.ring()
	}
	return nil
}

// cut has the loop end a flow.
func (l *loop) cut(f *Flow) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flows[f.id] == f {
		l.orders = append(l.orders, f)
		l.ring()
	}
}

// close has the loop cut all that it carries, and end.
func (l *loop) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closing {
		l.closing = true
		l.ring()
	}
}

// ring wakes the loop. It is called with the lock held, under which the loop ends too:
// so there is a bell still.
func (l *loop) ring() {
	one := [8]byte{1}
	_, _ = syscall.Write(l.bell, one[:])
}

// run is the life of the loop.
func (l *loop) run() {
	for l.settle() {
		if len(l.turns) > 0 {
			l.fiber.Leave() // there is much to carry, and others wait for the worker
		}
		n := l.wait()
		l.now = l.clock()
		l.resolve(l.events[:n])
		for _, h := range l.ready {
			h.handle(l)
		}
		clear(l.ready)
		l.takeTurns()
		l.expire()
	}
}

// settle does what others want of the loop, and notes until when it may wait. It returns
// false when the loop is to end.
func (l *loop) settle() bool {
	l.mu.Lock()
	for _, f := range l.fresh {
		if !f.over {
			heap.Push(&l.due, f)
		}
	}
	clear(l.fresh)
	l.fresh = l.fresh[:0]
	orders := l.orders
	if l.closing {
		for _, f := range l.flows {
			orders = append(orders, f)
		}
	}
	l.orders = nil
	l.sleeps = l.due.first()
	closing := l.closing
	l.mu.Unlock()
	for _, f := range orders {
		if !f.over {
			f.note(Itself, ErrCut)
			l.finish(f)
		}
	}
	l.tell()
	if closing {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.free()
	}
	return !closing
}

// wait waits for something to happen, and returns how much did.
func (l *loop) wait() int {
	if len(l.turns) > 0 || l.due.first() <= l.clock() {
		l.fetch(0)
		return l.found
	}
	if first := l.due.first(); first != l.alarm || l.alarm <= l.now {
		l.alarm = first
		var at time.Time
		if first != stamp(never) {
			at = l.began.Add(time.Duration(first))
		}
		_ = l.at.SetReadDeadline(at)
	}
	if err := l.raw.Read(l.take); err != nil {
		return 0 // the alarm
	}
	return l.found
}

// fetch takes the events that there are, and reports whether there were any.
func (l *loop) fetch(uintptr) bool {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(l.poll), uintptr(unsafe.Pointer(&l.events)), uintptr(len(l.events)), 0, 0, 0)
	if l.found = int(n); errno != 0 {
		l.found = 0
	}
	if l.found < len(l.events) {
		// What comes from here on is told again. To look for it before waiting takes more
		// turns with less in each: a twentieth of small messages that are pipelined.
		l.at.Drained()
	}
	return l.found > 0
}

// again gives a way another turn, behind the others.
func (l *loop) again(w *way) {
	if !w.queued {
		w.queued = true
		l.turns = append(l.turns, w)
	}
}

// takeTurns lets those go on that had to stop, once.
func (l *loop) takeTurns() {
	waiting := len(l.turns)
	for _, w := range l.turns[:waiting] {
		w.queued = false
		if !w.flow.over {
			w.run(l)
		}
	}
	left := copy(l.turns, l.turns[waiting:])
	clear(l.turns[left:])
	l.turns = l.turns[:left]
}

// expire ends the flows whose time has come.
func (l *loop) expire() {
	for l.due.first() <= l.now {
		f := l.due[0]
		if err := f.overdue(l.now); err != nil {
			f.note(Itself, err)
			l.finish(f)
		} else {
			f.due = f.next()
			heap.Fix(&l.due, 0)
		}
	}
}

// lend gives the loop's buffer away and takes another one.
func (l *loop) lend() *[]byte {
	lent := l.buffer
	l.buffer = l.buffers.Get().(*[]byte)
	return lent
}

// tell has those go on who wait for the end of a flow.
func (l *loop) tell() {
	if len(l.gone) == 0 {
		return
	}
	for _, f := range l.gone {
		f.ended(l.fiber)
	}
	clear(l.gone)
	l.gone = l.gone[:0]
}

// finish ends a flow.
func (l *loop) finish(f *Flow) {
	f.over = true
	for i := range f.ways {
		f.ways[i].end()
	}
	l.mu.Lock()
	delete(l.flows, f.id)
	l.mu.Unlock()
	l.due.remove(f)
	closeDescriptor(f.ways[Front].from)
	closeDescriptor(f.ways[Back].from)
	l.gone = append(l.gone, f)
}
