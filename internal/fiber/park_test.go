package fiber_test

import (
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"weir/internal/fiber"
)

// parking is code that reads until there is nothing more, and parks: again and again, until the end.
type parking struct {
	c    *fiber.Conn
	got  []byte
	runs int
	err  error
	over chan struct{}
}

func (p *parking) run(f *fiber.Fiber) {
	p.c.Carry(f)
	p.runs++
	for b := make([]byte, room); ; {
		if f.Park(p.c, p.run) {
			return
		}
		n, err := draining{p.c}.Read(b)
		p.got = append(p.got, b[:n]...)
		if err != nil {
			p.err = err
			close(p.over)
			return
		}
	}
}

func startParking(t *testing.T, g *fiber.Group, c *fiber.Conn) *parking {
	t.Helper()
	p := &parking{c: c, over: make(chan struct{})}
	if err := g.Go(p.run); err != nil {
		t.Fatal(err)
	}
	return p
}

// parked waits until a connection holds no fiber: the group keeps the only one.
func parked(t *testing.T, g *fiber.Group, c *fiber.Conn) {
	t.Helper()
	until(t, "it is parked", func() bool { return c.ReadWaits() && g.Spare() == 1 })
}

// What is parked goes on with all that comes, and with every kind of end.
func TestParkEnds(t *testing.T) {
	for name, ending := range endings {
		t.Run(name, func(t *testing.T) {
			g := newGroup(t)
			c, theirs := pair(t, g)
			p := startParking(t, g, c)
			for _, step := range ending.steps {
				until(t, "it waits", c.ReadWaits)
				step(t, theirs)
			}
			await(t, p.over)
			want := ending.end
			if want == nil {
				want = io.EOF
			}
			if !errors.Is(p.err, want) {
				t.Errorf("the end is %v, not %v", p.err, want)
			}
			if ending.end == nil && string(p.got) != ending.want {
				t.Errorf("%q came, not %q", p.got, ending.want)
			}
		})
	}
}

// What is parked holds no fiber, and is resumed by whatever may happen.
func TestParkIsResumed(t *testing.T) {
	for name, test := range map[string]struct {
		by   func(c *fiber.Conn)
		want func(error) bool
	}{
		"deadline that passes": {func(c *fiber.Conn) { _ = c.SetReadDeadline(time.Now().Add(moment)) }, isOverdue},
		"deadline in the past": {func(c *fiber.Conn) { _ = c.SetReadDeadline(time.Unix(1, 0)) }, isOverdue},
		"close":                {func(c *fiber.Conn) { _ = c.Close() }, isClosed},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGroup(t)
			c, theirs := pair(t, g)
			say(t, theirs, "x")
			until(t, "the event has been taken in", c.ReadNoted) // or it waits for what is no more
			p := startParking(t, g, c)
			parked(t, g, c)
			before := p.runs
			test.by(c)
			await(t, p.over)
			if !test.want(p.err) || string(p.got) != "x" {
				t.Errorf("%q, %v", p.got, p.err)
			}
			if p.runs == before {
				t.Error("it was not parked")
			}
		})
	}
}

// Where something may be there, nothing is parked.
func TestParkRefuses(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, c *fiber.Conn){
		"not looked at yet": func(*testing.T, *fiber.Conn) {},
		"overdue": func(t *testing.T, c *fiber.Conn) {
			c.Drained()
			_ = c.SetReadDeadline(time.Unix(1, 0))
		},
		"closed": func(t *testing.T, c *fiber.Conn) {
			c.Drained()
			c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGroup(t)
			c, _ := pair(t, g)
			await(t, onFiber(t, g, func(f *fiber.Fiber) {
				c.Carry(f)
				prepare(t, c)
				if f.Park(c, func(*fiber.Fiber) { t.Error("it was parked") }) {
					t.Error("it parks")
				}
			}))
		})
	}
	t.Run("octets", func(t *testing.T) {
		g := newGroup(t)
		c, theirs := pair(t, g)
		say(t, theirs, "x")
		until(t, "the event has been taken in", c.ReadNoted)
		await(t, onFiber(t, g, func(f *fiber.Fiber) {
			c.Carry(f)
			c.Drained() // it came behind the last look
			if f.Park(c, func(*fiber.Fiber) { t.Error("it was parked") }) {
				t.Error("it parks")
			}
		}))
	})
}

// Many connections that park behind each word, with others that set their deadlines and
// close some of them: nothing is lost, each goes on once for each time.
func TestParkMany(t *testing.T) {
	g := newGroup(t)
	var all sync.WaitGroup
	for i := range 40 {
		c, theirs := pair(t, g)
		p := startParking(t, g, c)
		all.Go(func() {
			for range 50 {
				if _, err := theirs.Write([]byte("word\r\n")); err != nil {
					t.Error(err)
				}
				if i%2 == 0 {
					_ = c.SetReadDeadline(time.Now().Add(time.Hour))
				}
			}
			if i%4 == 0 {
				c.Close()
			} else {
				theirs.CloseWrite()
			}
			<-p.over
			if i%4 != 0 && (p.err != io.EOF || len(p.got) != 50*6) {
				t.Errorf("%d octets, %v", len(p.got), p.err)
			}
			if i%4 == 0 && !isClosed(p.err) {
				t.Error(p.err)
			}
		})
	}
	awaitAll(t, &all)
}

// What comes while a job that has parked ends is not lost.
func TestParkWhileSomethingComes(t *testing.T) {
	g := newGroup(t)
	c, theirs := pair(t, g)
	resumed := make(chan struct{})
	await(t, onFiber(t, g, func(f *fiber.Fiber) {
		c.Carry(f)
		c.Drained()
		if !f.Park(c, func(*fiber.Fiber) { close(resumed) }) {
			t.Error("it does not park")
		}
		_, _ = theirs.Write([]byte("x"))
		for end := time.Now().Add(ceiling); !c.ReadNoted() && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
	}))
	await(t, resumed)
}
