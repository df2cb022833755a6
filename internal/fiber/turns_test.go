package fiber_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"weir/internal/fiber"
)

// Fibers that have always something to do take turns: none goes on for as long as the
// scheduler would let it, which is longer than a hundred of them together need.
func TestTheBusyTakeTurns(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	g := newGroup(t)
	const fibers, steps = 8, 4000
	var busy atomic.Int32
	var mu sync.Mutex
	var last, run, longest int
	step := func(me int) {
		if busy.Load() < fibers {
			return // the others are still about to begin, or at their end
		}
		mu.Lock()
		defer mu.Unlock()
		if last != me {
			last, run = me, 0
		}
		run++
		longest = max(longest, run)
	}
	var done []<-chan struct{}
	for i := range fibers {
		done = append(done, onFiber(t, g, func(f *fiber.Fiber) {
			f.Leave()
			busy.Add(1)
			for range steps {
				f.StandBack()
				step(i)
			}
			busy.Add(-1)
		}))
	}
	for _, d := range done {
		await(t, d)
	}
	if longest == 0 || longest > 100 {
		t.Errorf("a fiber went on for %d steps while seven others had something to do", longest)
	}
}
