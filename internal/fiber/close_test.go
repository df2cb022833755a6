package fiber_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"weir/internal/fiber"
)

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }

// Close ends what waits, and what is used of the connection after it.
func TestCloseEndsWaits(t *testing.T) {
	inEach(t, func(t *testing.T, c *fiber.Conn, w waiting, run func(func()) <-chan struct{}) {
		done := run(func() {
			for range 2 {
				if err := w.use(); !isClosed(err) {
					t.Error(err)
				}
			}
		})
		until(t, "it waits", w.waits)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		await(t, done)
	})
}

// All but one of those who close a connection are told that it was closed.
func TestCloseByMany(t *testing.T) {
	inEach(t, func(t *testing.T, c *fiber.Conn, w waiting, run func(func()) <-chan struct{}) {
		done := run(func() {
			if err := w.use(); !isClosed(err) {
				t.Error(err)
			}
		})
		var all sync.WaitGroup
		var first atomic.Int32
		for range 8 {
			all.Go(func() {
				switch err := c.Close(); {
				case err == nil:
					first.Add(1)
				case !isClosed(err):
					t.Error(err)
				}
			})
		}
		all.Wait()
		await(t, done)
		if n := first.Load(); n != 1 {
			t.Errorf("%d have closed it", n)
		}
	})
}

func TestUseAfterClose(t *testing.T) {
	g := newGroup(t)
	c, _ := pair(t, g)
	if c.LocalAddr().(*net.TCPAddr).Port == 0 {
		t.Error("no address of its own")
	}
	var fd int
	control(t, c, func(n int) { fd = n })
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if isOpen(fd) {
		t.Error("the descriptor is open")
	}
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	use := func(uintptr) { t.Error("the descriptor is used") }
	_, detached := c.Detach()
	for what, err := range map[string]error{
		"control": raw.Control(use),
		"read":    raw.Read(func(fd uintptr) bool { use(fd); return true }),
		"write":   raw.Write(func(fd uintptr) bool { use(fd); return true }),
		"end":     c.CloseWrite(),
		"detach":  detached,
		"close":   c.Close(),
	} {
		if !isClosed(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_ = c.LocalAddr() // must not crash
}

// While a call is made on the descriptor it stays open, though the connection is closed.
func TestCloseWaitsForCalls(t *testing.T) {
	g := newGroup(t)
	c, _ := pair(t, g)
	var fd int
	control(t, c, func(outer int) {
		control(t, c, func(inner int) {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if fd = inner; inner != outer || !isOpen(fd) {
				t.Error("it is closed while it is used")
			}
		})
		if !isOpen(fd) {
			t.Error("it is closed while it is used by another one")
		}
	})
	if isOpen(fd) {
		t.Error("it is still open")
	}
}

// descriptors counts those that the process has.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// Many short connections, which others close at any time: no descriptor is closed twice,
// used for a connection that has got it since, or left open.
func TestShortConnections(t *testing.T) {
	first, _ := listen(t, "127.0.0.1:0") // the runtime's own descriptors are there from here on
	first.Close()
	before := descriptors(t)
	t.Cleanup(func() {
		if after := descriptors(t); after != before {
			t.Errorf("%d descriptors, before there were %d", after, before)
		}
	})
	g := newGroup(t)
	to := serve(t, g)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 0))
			for j := range 40 {
				c, err := g.Dial(context.Background(), nil, to)
				if err != nil {
					t.Error(err)
					return
				}
				word := fmt.Appendf(nil, "<%d.%d>", i, j)
				if short(t, g, c, word, random.IntN(4)) {
					return
				}
			}
		})
	}
	awaitAll(t, &all)
}

// short has a connection carry one word again and again, until somebody closes it. It
// returns true where another word came back.
func short(t *testing.T, g *fiber.Group, c *fiber.Conn, word []byte, how int) (failed bool) {
	var users sync.WaitGroup
	talk := func() {
		defer users.Done()
		for b := make([]byte, len(word)); ; {
			if _, err := c.Write(word); err != nil {
				return
			}
			switch _, err := io.ReadFull(draining{c}, b); {
			case err != nil:
				return
			case !bytes.Equal(b, word):
				t.Errorf("%q came for %q", b, word)
				failed = true
				return
			}
		}
	}
	users.Add(1)
	if how%2 == 0 {
		go talk()
	} else if err := g.Go(func(f *fiber.Fiber) { c.Carry(f); talk() }); err != nil {
		t.Error(err)
		users.Done()
	}
	for range 2 {
		users.Go(func() {
			time.Sleep(time.Duration(rand.IntN(500)) * time.Microsecond)
			_ = c.SetDeadline(time.Now().Add(time.Hour))
			_ = c.LocalAddr()
			if how > 1 {
				_ = c.CloseWrite()
			}
			_ = c.Close()
		})
	}
	users.Wait()
	return failed
}

// A connection that cannot be watched is closed.
func TestAdoptFails(t *testing.T) {
	g := newGroup(t)
	f, err := os.CreateTemp(t.TempDir(), "file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Adopt(fd, nil); !errors.Is(err, syscall.EPERM) { // as files are
		t.Error(err)
	}
	if isOpen(fd) {
		t.Error("the descriptor is open")
	}
}

// hollow is a connection, and a listener, without a descriptor.
type hollow struct{ net.Conn }

func (hollow) Accept() (net.Conn, error) { return nil, io.EOF }
func (hollow) Addr() net.Addr            { return nil }

// What has no descriptor cannot be watched, and is closed.
func TestWithoutADescriptor(t *testing.T) {
	g := newGroup(t)
	for what, take := range map[string]func(hollow) error{
		"connection": func(h hollow) error { _, err := g.Take(h); return err },
		"listener":   func(h hollow) error { _, err := g.Listen(h); return err },
	} {
		a, b := net.Pipe()
		if err := take(hollow{a}); err == nil {
			t.Errorf("a %s is watched", what)
		}
		if _, err := b.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the %s is not closed: %v", what, err)
		}
	}
}
