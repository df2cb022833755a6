package fiber_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"weir/internal/fiber"
)

// watched returns a listener of a group.
func watched(t *testing.T, g *fiber.Group) (*fiber.Listener, netip.AddrPort) {
	t.Helper()
	ln, to := listen(t, "127.0.0.1:0")
	l, err := g.Listen(ln)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if l.Addr().String() != to.String() {
		t.Errorf("it listens at %v", l.Addr())
	}
	return l, to
}

// reach opens a connection as anybody does.
func reach(t *testing.T, to netip.AddrPort) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(ceiling))
	return nc
}

// accepting runs do with a listener, on a fiber and as a goroutine.
func accepting(t *testing.T, test func(t *testing.T, g *fiber.Group, run func(l *fiber.Listener, do func()) <-chan struct{})) {
	t.Helper()
	t.Run("fiber", func(t *testing.T) {
		g := newGroup(t)
		test(t, g, func(l *fiber.Listener, do func()) <-chan struct{} {
			return onFiber(t, g, func(f *fiber.Fiber) { l.Carry(f); do() })
		})
	})
	t.Run("goroutine", func(t *testing.T) {
		g := newGroup(t)
		test(t, g, func(_ *fiber.Listener, do func()) <-chan struct{} {
			done := make(chan struct{})
			go func() { defer close(done); do() }()
			return done
		})
	})
}

func TestAccept(t *testing.T) {
	accepting(t, func(t *testing.T, g *fiber.Group, run func(*fiber.Listener, func()) <-chan struct{}) {
		l, to := watched(t, g)
		const many = 20
		for range many / 2 { // these are there before
			reach(t, to)
		}
		taken := make(chan net.Conn, many)
		done := run(l, func() {
			for range many {
				nc, err := l.Accept()
				if err != nil {
					t.Error(err)
					return
				}
				taken <- nc
			}
		})
		for range many / 2 {
			reach(t, to)
		}
		await(t, done)
		seen := map[string]bool{}
		for range many {
			nc := <-taken
			defer nc.Close()
			if nc.LocalAddr().String() != to.String() {
				t.Errorf("it was accepted at %v", nc.LocalAddr())
			}
			seen[nc.RemoteAddr().String()] = true
		}
		if len(seen) != many {
			t.Errorf("%d connections of %d", len(seen), many)
		}
	})
}

func TestAcceptIsClosed(t *testing.T) {
	accepting(t, func(t *testing.T, g *fiber.Group, run func(*fiber.Listener, func()) <-chan struct{}) {
		l, to := watched(t, g)
		done := run(l, func() {
			for range 2 {
				if _, err := l.Accept(); !isClosed(err) {
					t.Error(err)
				}
			}
		})
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		await(t, done)
		if err := l.Close(); !isClosed(err) {
			t.Errorf("closing again: %v", err)
		}
		if nc, err := net.Dial("tcp", to.String()); err == nil {
			nc.Close()
			t.Error("it listens still")
		}
	})
}

// A listener that is shared takes connections until both handles are closed.
func TestShare(t *testing.T) {
	accepting(t, func(t *testing.T, g *fiber.Group, run func(*fiber.Listener, func()) <-chan struct{}) {
		first, to := watched(t, g)
		second, err := first.Share()
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		taken := make(chan net.Conn, 100)
		take := func(l *fiber.Listener) <-chan struct{} {
			return run(l, func() {
				for {
					nc, err := l.Accept()
					if err != nil {
						if !isClosed(err) {
							t.Error(err)
						}
						return
					}
					taken <- nc
				}
			})
		}
		call := func() {
			t.Helper()
			reach(t, to)
			select {
			case nc := <-taken:
				nc.Close()
			case <-time.After(ceiling):
				t.Fatal("nobody has taken the connection")
			}
		}
		one, two := take(first), take(second)
		for range 10 {
			call()
		}
		if err := first.Close(); err != nil {
			t.Error(err)
		}
		await(t, one)
		for range 10 {
			call()
		}
		if err := second.Close(); err != nil {
			t.Error(err)
		}
		await(t, two)
		if nc, err := net.Dial("tcp", to.String()); err == nil {
			nc.Close()
			t.Error("it listens still")
		}
	})
}

// A connection that came while one handle was being closed is the other one's.
func TestShareWhileOneCloses(t *testing.T) {
	g := newGroup(t)
	last, to := watched(t, g)
	var taken, all sync.WaitGroup
	for range 20 {
		next, err := last.Share()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { next.Close() })
		all.Add(1)
		taking := last
		if err := g.Go(func(f *fiber.Fiber) {
			defer all.Done()
			taking.Carry(f)
			for {
				nc, err := taking.Accept()
				if err != nil {
					return
				}
				nc.Close()
				taken.Done()
			}
		}); err != nil {
			t.Fatal(err)
		}
		taken.Add(1)
		reach(t, to)
		taking.Close()
		last = next
	}
	all.Add(1)
	if err := g.Go(func(f *fiber.Fiber) {
		defer all.Done()
		last.Carry(f)
		for {
			nc, err := last.Accept()
			if err != nil {
				return
			}
			nc.Close()
			taken.Done()
		}
	}); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { taken.Wait(); last.Close(); all.Wait(); close(done) }()
	await(t, done)
}

func TestShareOfAClosedOne(t *testing.T) {
	g := newGroup(t)
	l, _ := watched(t, g)
	l.Close()
	if _, err := l.Share(); !isClosed(err) {
		t.Error(err)
	}
}

// Out of descriptors Accept fails, and goes on when there are some again.
func TestAcceptWithoutDescriptors(t *testing.T) {
	const child = "WEIR_TEST_FEW_DESCRIPTORS"
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAcceptWithoutDescriptors$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	accepting(t, func(t *testing.T, g *fiber.Group, run func(*fiber.Listener, func()) <-chan struct{}) {
		l, to := watched(t, g)
		reach(t, to)
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		accept := func() (err error) {
			await(t, run(l, func() {
				var nc net.Conn
				if nc, err = l.Accept(); err == nil {
					nc.Close()
				}
			}))
			return err
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 3, Max: limit.Max}); err != nil {
			t.Fatal(err)
		}
		err := accept()
		if e := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); e != nil {
			t.Fatal(e)
		}
		if !errors.Is(err, syscall.EMFILE) {
			t.Errorf("without descriptors: %v", err)
		}
		if err := accept(); err != nil {
			t.Error(err)
		}
	})
}
