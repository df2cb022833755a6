package fiber_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"weir/internal/fiber"
)

// send sends text with flags, such as that it is urgent.
func send(t *testing.T, nc *net.TCPConn, text string, flags int) {
	t.Helper()
	control(t, nc, func(fd int) {
		if n, err := syscall.SendmsgN(fd, []byte(text), nil, nil, flags); err != nil || n != len(text) {
			t.Errorf("sent %d of %q: %v", n, text, err)
		}
	})
}

// endings are what the other side may do, each step in a call: what is to be read of it in
// all, and what the end is (nil: [io.EOF]).
var endings = map[string]struct {
	steps []func(t *testing.T, nc *net.TCPConn)
	want  string
	end   error
}{
	"only the end":                  {steps: steps(end)},
	"reset":                         {steps: steps(reset), end: syscall.ECONNRESET},
	"reset behind text":             {steps: steps(text("abc"), reset), end: syscall.ECONNRESET},
	"end behind text":               {steps: steps(text("abc"), end), want: "abc"},
	"end with the text":             {steps: steps(more("abc"), end), want: "abc"},
	"end with text behind text":     {steps: steps(text("abc"), more("def"), end), want: "abcdef"},
	"end behind much":               {steps: steps(text(strings.Repeat("abc", 2000)), end), want: strings.Repeat("abc", 2000)},
	"closed behind text":            {steps: steps(text("abc"), gone), want: "abc"},
	"as much as there is room":      {steps: steps(text(strings.Repeat("x", room)), end), want: strings.Repeat("x", room)},
	"urgent":                        {steps: steps(urgent("!"), end)},
	"urgent in front":               {steps: steps(urgent("!"), text("abc"), end), want: "abc"},
	"urgent within":                 {steps: steps(text("abc"), urgent("!"), text("def"), end), want: "abcdef"},
	"urgent with text":              {steps: steps(urgent("abc!"), text("def"), end), want: "abcdef"},
	"urgent with text behind text":  {steps: steps(text("abc"), urgent("def!"), text("ghi"), text("jkl"), end), want: "abcdefghijkl"},
	"urgent behind":                 {steps: steps(text("abc"), urgent("!"), end), want: "abc"},
	"urgent, closed":                {steps: steps(text("abc"), urgent("def!"), gone), want: "abcdef"},
	"urgent in front of a full one": {steps: steps(urgent("!"), text(strings.Repeat("x", room)), text("y"), end), want: strings.Repeat("x", room) + "y"},
}

// room is how much is read at once.
const room = 512

type step = func(t *testing.T, nc *net.TCPConn)

func steps(all ...step) []step { return all }

func text(s string) step {
	return func(t *testing.T, nc *net.TCPConn) { t.Helper(); send(t, nc, s, 0) }
}

func more(s string) step {
	return func(t *testing.T, nc *net.TCPConn) { t.Helper(); send(t, nc, s, msgMore) }
}

func urgent(s string) step {
	return func(t *testing.T, nc *net.TCPConn) { t.Helper(); send(t, nc, s, syscall.MSG_OOB) }
}
func end(_ *testing.T, nc *net.TCPConn)  { nc.CloseWrite() }
func gone(_ *testing.T, nc *net.TCPConn) { nc.Close() }
func reset(_ *testing.T, nc *net.TCPConn) {
	nc.SetLinger(0)
	nc.Close()
}

// msgMore is MSG_MORE: what is written waits for what comes next.
const msgMore = 0x8000

// readers read all, each in its own way.
var readers = map[string]func(*fiber.Conn) io.Reader{
	"to the last":     func(c *fiber.Conn) io.Reader { return struct{ io.Reader }{c} },
	"while there may": func(c *fiber.Conn) io.Reader { return draining{c} },
}

// Nothing that has been sent is lost, and the end is found: where all is there before the
// reader looks, and where each step finds it waiting.
func TestEnds(t *testing.T) {
	for name, ending := range endings {
		for how, reader := range readers {
			for _, waits := range []bool{false, true} {
				t.Run(name+"/"+how+map[bool]string{false: "/at once", true: "/one by one"}[waits], func(t *testing.T) {
					byEach(t, func(t *testing.T, g *fiber.Group, run func(*fiber.Conn, func()) <-chan struct{}) {
						c, theirs := pair(t, g)
						var got bytes.Buffer
						var err error
						read := func() <-chan struct{} {
							return run(c, func() { _, err = io.CopyBuffer(struct{ io.Writer }{&got}, reader(c), make([]byte, room)) })
						}
						var done <-chan struct{}
						if waits {
							done = read()
						}
						for _, step := range ending.steps {
							if waits {
								until(t, "it waits", c.ReadWaits)
							}
							step(t, theirs)
						}
						if !waits {
							until(t, "the event has been taken in", c.ReadNoted) // before it is looked at
							done = read()
						}
						await(t, done)
						if !errors.Is(err, ending.end) {
							t.Errorf("the end is %v, not %v", err, ending.end)
						}
						if ending.end == nil && got.String() != ending.want {
							t.Errorf("%q came, not %q", got.String(), ending.want)
						}
					})
				})
			}
		}
	}
}

// Each side of a connection ends by itself.
func TestHalfClosed(t *testing.T) {
	byEach(t, func(t *testing.T, g *fiber.Group, run func(*fiber.Conn, func()) <-chan struct{}) {
		t.Run("theirs first", func(t *testing.T) {
			c, theirs := pair(t, g)
			say(t, theirs, "question")
			theirs.CloseWrite()
			done := run(c, func() {
				b, err := io.ReadAll(draining{c})
				if err != nil || string(b) != "question" {
					t.Errorf("%q, %v", b, err)
				}
				if _, err := c.Write(make([]byte, 1<<20)); err != nil { // with waiting for room
					t.Error(err)
				}
				_ = c.CloseWrite()
			})
			if n, err := io.Copy(io.Discard, theirs); err != nil || n != 1<<20 {
				t.Errorf("%d, %v", n, err)
			}
			await(t, done)
		})
		t.Run("ours first", func(t *testing.T) {
			c, theirs := pair(t, g)
			done := run(c, func() {
				if err := c.CloseWrite(); err != nil {
					t.Error(err)
				}
				if b, err := io.ReadAll(draining{c}); err != nil || string(b) != "answer" {
					t.Errorf("%q, %v", b, err)
				}
				if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
					t.Errorf("writing behind the end: %v", err)
				}
			})
			if n, err := theirs.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("%d, %v", n, err)
			}
			until(t, "it waits", c.ReadWaits)
			say(t, theirs, "answer")
			theirs.CloseWrite()
			await(t, done)
		})
	})
}

// A write that waits ends with the connection.
func TestWriteIsReset(t *testing.T) {
	byEach(t, func(t *testing.T, g *fiber.Group, run func(*fiber.Conn, func()) <-chan struct{}) {
		c, theirs := pair(t, g)
		fill(t, c)
		done := run(c, func() {
			if _, err := c.Write(make([]byte, 1<<20)); !errors.Is(err, syscall.ECONNRESET) {
				t.Error(err)
			}
		})
		until(t, "it waits", c.WriteWaits)
		reset(t, theirs)
		await(t, done)
	})
}

// Writes that wait again and again send everything, in order.
func TestWriteMuch(t *testing.T) {
	byEach(t, func(t *testing.T, g *fiber.Group, run func(*fiber.Conn, func()) <-chan struct{}) {
		c, theirs := pair(t, g)
		sent := make([]byte, 3<<20)
		for i := range sent {
			sent[i] = byte(i % 251)
		}
		done := run(c, func() {
			if n, err := c.Write(sent); err != nil || n != len(sent) {
				t.Errorf("%d, %v", n, err)
			}
			_ = c.CloseWrite()
		})
		until(t, "it waits", c.WriteWaits)
		if got, err := io.ReadAll(theirs); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d octets came of %d, or others: %v", len(got), len(sent), err)
		}
		await(t, done)
	})
}
