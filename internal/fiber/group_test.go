package fiber_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"weir/internal/fiber"
)

func TestCloseWaitsForFibers(t *testing.T) {
	g := new(fiber.Group)
	const many = 20
	var ended atomic.Int32
	var signals [many]fiber.Signal
	for i := range signals {
		onFiber(t, g, func(f *fiber.Fiber) {
			signals[i].Await(f)
			if i%2 == 0 {
				f.Leave()
			}
			if err := f.Go(func(*fiber.Fiber) { t.Error("it runs") }); !errors.Is(err, fiber.ErrClosed) {
				t.Errorf("beginning a fiber on one: %v", err)
			}
			ended.Add(1)
		})
	}
	closed := make(chan struct{})
	go func() { defer close(closed); g.Close() }()
	until(t, "it is closed for new ones", func() bool { return g.Go(func(*fiber.Fiber) {}) != nil })
	for i := range signals {
		select {
		case <-closed:
			t.Fatal("it did not wait for all")
		default:
		}
		signals[i].Fire(nil)
	}
	await(t, closed)
	if n := ended.Load(); n != many {
		t.Errorf("%d fibers have ended of %d", n, many)
	}
}

// A group that was closed, started or not, takes nothing, and does not mind.
func TestClosedGroup(t *testing.T) {
	for name, prepare := range map[string]func(*testing.T, *fiber.Group){
		"never started": func(*testing.T, *fiber.Group) {},
		"empty":         func(t *testing.T, g *fiber.Group) { await(t, onFiber(t, g, func(*fiber.Fiber) {})) },
		"used":          func(t *testing.T, g *fiber.Group) { await(t, onFiber(t, g, func(f *fiber.Fiber) { f.Leave() })) },
	} {
		t.Run(name, func(t *testing.T) {
			g := new(fiber.Group)
			prepare(t, g)
			for range 2 {
				g.Close()
				if err := g.Go(func(*fiber.Fiber) { t.Error("it runs") }); !errors.Is(err, fiber.ErrClosed) {
					t.Errorf("beginning a fiber: %v", err)
				}
				var fds [2]int
				if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
					t.Fatal(err)
				}
				if _, err := g.Adopt(fds[0], nil); !errors.Is(err, fiber.ErrClosed) {
					t.Errorf("taking a connection: %v", err)
				}
				if isOpen(fds[0]) {
					t.Error("what was not taken is open")
				}
				syscall.Close(fds[1])
			}
		})
	}
}

// Who begins fibers while the group is closed is told, or they run to their end.
func TestGoWhileItCloses(t *testing.T) {
	for range 50 {
		g := new(fiber.Group)
		var began, ended atomic.Int32
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 10 {
					err := g.Go(func(f *fiber.Fiber) { f.Leave(); ended.Add(1) })
					switch {
					case err == nil:
						began.Add(1)
					case !errors.Is(err, fiber.ErrClosed):
						t.Error(err)
					}
				}
			})
		}
		g.Close()
		all.Wait()
		if began.Load() != ended.Load() {
			t.Errorf("%d fibers began, %d ended", began.Load(), ended.Load())
		}
	}
}

// Some fibers without work are kept, and no more.
func TestSpareFibers(t *testing.T) {
	g := newGroup(t)
	const many = fiber.MaxSpare + 40
	var signals [many]fiber.Signal
	var dones [many]<-chan struct{}
	for i := range signals {
		dones[i] = onFiber(t, g, func(f *fiber.Fiber) { signals[i].Await(f) })
	}
	for i := range signals {
		signals[i].Fire(nil)
		await(t, dones[i])
	}
	if n := g.Spare(); n != fiber.MaxSpare {
		t.Errorf("%d fibers are kept", n)
	}
}

// A panic on a fiber tells where it was.
func TestPanic(t *testing.T) {
	const child = "WEIR_TEST_PANIC"
	if os.Getenv(child) != "" {
		_ = new(fiber.Group).Go(func(*fiber.Fiber) { breaks() }) // the fiber never ends
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestPanic$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "something broke") || !strings.Contains(string(out), "fiber_test.breaks") {
		t.Errorf("%v\n%s", err, out)
	}
}

func breaks() { panic("something broke") }
