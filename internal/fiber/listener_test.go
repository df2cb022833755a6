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

// accepting is inBoth for what accepts.
func accepting(t *testing.T, test func(t *testing.T, g *fiber.Group, run func(l *fiber.Listener, do func()) <-chan struct{})) {
	t.Helper()
	inBoth(t, func(t *testing.T, g *fiber.Group, run func(func(*fiber.Fiber)) <-chan struct{}) {
		test(t, g, func(l *fiber.Listener, do func()) <-chan struct{} {
			return run(func(f *fiber.Fiber) {
				if f != nil {
					l.Carry(f)
				}
				do()
			})
		})
	})
}

// listensNoMore fails the test where somebody can be reached.
func listensNoMore(t *testing.T, to netip.AddrPort) {
	t.Helper()
	if nc, err := net.Dial("tcp", to.String()); err == nil {
		nc.Close()
		t.Error("it listens still")
	}
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
		listensNoMore(t, to)
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
		listensNoMore(t, to)
	})
}

// A connection that came while one handle was being closed is the other one's.
func TestShareWhileOneCloses(t *testing.T) {
	g := newGroup(t)
	last, to := watched(t, g)
	var taken, all sync.WaitGroup
	take := func(l *fiber.Listener) {
		t.Helper()
		all.Add(1)
		if err := g.Go(func(f *fiber.Fiber) {
			defer all.Done()
			l.Carry(f)
			for {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				nc.Close()
				taken.Done()
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		next, err := last.Share()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { next.Close() })
		take(last)
		taken.Add(1)
		reach(t, to)
		last.Close()
		last = next
	}
	take(last)
	awaitAll(t, &taken)
	last.Close()
	awaitAll(t, &all)
}

func TestShareOfAClosedOne(t *testing.T) {
	g := newGroup(t)
	l, _ := watched(t, g)
	l.Close()
	if _, err := l.Share(); !isClosed(err) {
		t.Error(err)
	}
}

// What is accepted does as its listener's owner has set, whatever that is: nothing is set
// anew.
func TestAcceptLeavesOptionsAlone(t *testing.T) {
	type option struct{ level, name, value int }
	for name, options := range map[string][]option{
		"at once": {
			{syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1},
			{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 41},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 43},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, 5},
		},
		"together": {{syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 0}, {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			ln, to := listen(t, "127.0.0.1:0")
			control(t, ln.(*net.TCPListener), func(fd int) {
				for _, o := range options {
					if err := syscall.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
						t.Error(err)
					}
				}
			})
			l, err := newGroup(t).Listen(ln)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			reach(t, to)
			nc, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			control(t, nc.(*fiber.Conn), func(fd int) {
				for _, o := range options {
					if got, err := syscall.GetsockoptInt(fd, o.level, o.name); err != nil || got != o.value {
						t.Errorf("option %d of %d is %d, want %d: %v", o.name, o.level, got, o.value, err)
					}
				}
			})
		})
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
